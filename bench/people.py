"""A thousand people with accounts and sessions, without a thousand passwords to hash."""

from bench.servers import SECRET_KEY, Server
from storage.embedded import embedded_uri
from tests.support.databases import database_at
from tests.support.guests import sign_in_guests


async def sign_in_many(server: Server, count: int) -> list[str]:
    """Store so many accounts and sessions, and return their cookies."""
    async with database_at(embedded_uri(server.data), "chat") as database:
        return await sign_in_guests(database, SECRET_KEY, count)

"""Session cookies, and the sessions that are stored."""

from auth.session_storage import NAME
from settings import SESSION_COLLECTION
from storage.database import Document
from tests.support.house import House
from tests.support.people import Person


def held_by(person: Person) -> str:
    """Return the content of a person's session cookie."""
    [morsel] = person.client.session.cookie_jar
    assert morsel.key.startswith(NAME)
    return morsel.value


async def present(house: House, cookie: str, name: str = NAME) -> Person:
    """Return somebody who presents a cookie, however they came by it."""
    return await house.visitor(headers={"Cookie": f"{name}={cookie}"})


async def stored_sessions(house: House) -> list[Document]:
    """Return every session there is."""
    found: list[Document] = await house.database[SESSION_COLLECTION].find({}).to_list(None)
    return found

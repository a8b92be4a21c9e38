"""Redis, through its own asyncio client: for several processes, and for sessions if so set."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from aiohttp import web
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from settings import Settings

CALL_TIMEOUT = 1  # seconds
MOST_CONNECTIONS = 8
FAILURES = (RedisError, OSError, TimeoutError)

REDIS = web.AppKey("redis", Redis)  # only if REDIS_URL is set


def connect_redis(settings: Settings) -> Redis:
    """Return a client; it connects when it is first used."""
    options: dict[str, Any] = {}
    if settings.REDIS_URL.startswith("rediss://"):
        options["ssl_cert_reqs"] = "required" if settings.REDIS_VERIFY else "none"
    # Further calls wait; the usual pool would fail, and small plans allow few connections.
    pool = BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=MOST_CONNECTIONS,
        timeout=CALL_TIMEOUT,
        socket_timeout=CALL_TIMEOUT,
        socket_connect_timeout=CALL_TIMEOUT,
        **options,
    )
    return Redis.from_pool(pool)


async def redis_ctx(app: web.Application) -> AsyncIterator[None]:
    """Close the client when the application ends."""
    yield
    if REDIS in app:
        with suppress(*FAILURES):
            await app[REDIS].aclose()

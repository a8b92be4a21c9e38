"""Sessions in Redis: the cookie holds a key, and all that is promised about sessions holds."""

import re

import pytest

from tests.support.accounts import signed_in_as
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.raw_requests import ask
from tests.support.redis_server import RedisServer
from tests.support.sessions import held_by, present
from tests.support.waiting import until


@pytest.fixture
async def house(open_house: OpenHouse, redis: RedisServer) -> House:
    """A chat that keeps sessions in Redis."""
    return await open_house(REDIS_URL=redis.url, SESSION_STORAGE="redis")


def stored(redis: RedisServer) -> list[str]:
    """Return the keys of the sessions in Redis."""
    with redis.client() as client:
        return [key.decode() for key in client.keys("session_*")]


async def test_the_cookie_holds_nothing_but_a_key(alice: Person, redis: RedisServer) -> None:
    assert re.fullmatch("[0-9a-f]{32}", held_by(alice))
    assert stored(redis) == [f"session_{held_by(alice)}"]
    assert await signed_in_as(alice) == "alice"


async def test_a_sign_out_deletes_the_session_in_redis(
    house: House, alice: Person, redis: RedisServer
) -> None:
    copy = await present(house, held_by(alice))
    assert await signed_in_as(copy) == "alice"
    await alice.post("/signout")
    assert stored(redis) == []
    assert await signed_in_as(copy) is None


async def test_a_planted_key_never_becomes_a_signed_in_one(house: House, alice: Person) -> None:
    planted = held_by(alice)
    await alice.post("/signout")
    bob = await present(house, planted)
    made = (await bob.register("bob")).headers["Set-Cookie"]
    assert planted not in made
    assert await signed_in_as(await present(house, planted)) is None


@pytest.mark.parametrize("cookie", ["", "x", "0" * 32, "f" * 33, "\xff", "../session", "*"])
async def test_any_other_cookie_is_an_anonymous_visitor(house: House, cookie: str) -> None:
    answer = await ask(house, f"Cookie: chat_session={cookie}", path="/")
    assert answer.status == 303


async def test_a_redis_that_is_away_signs_nobody_out(
    house: House, alice: Person, redis: RedisServer
) -> None:
    socket = await alice.connect()
    kept = held_by(alice)
    with redis.client() as client:
        session = client.get(f"session_{kept}")
    redis.kill()
    assert (await alice.get("/")).status == 503
    assert (await alice.post("/signout")).status == 503
    assert await socket.said("sockets go on") == 1
    redis.start()
    with redis.client() as client:
        client.set(f"session_{kept}", session or b"")

    async def is_back() -> bool:
        return (await alice.get("/")).status == 200

    await until(is_back)
    assert await signed_in_as(alice) == "alice"
    assert held_by(alice) == kept


async def test_a_session_that_redis_has_lost_has_ended(alice: Person, redis: RedisServer) -> None:
    with redis.client() as client:
        client.flushall()
    assert await signed_in_as(alice) is None
    await alice.log_in("alice")
    assert await signed_in_as(alice) == "alice"

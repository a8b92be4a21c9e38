"""How far somebody has read."""

from typing import Any

import pytest

from chat.read_marks import READ_MARKS
from server.relay import RELAY
from settings import USER_COLLECTION
from storage.database import DatabaseUnavailable
from tests.support.accounts import log_in
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.redis_server import RedisServer
from tests.support.sockets import Socket
from tests.support.waiting import PATIENCE, until


async def read_mark(person: Person) -> int:
    """Return up to where the page believes its reader to have read."""
    return int((await person.page()).partition('data-read="')[2].partition('"')[0])


async def test_the_read_mark_is_the_users_and_never_moves_back(
    house: House, alice: Person, bob: Person, hers: Socket, his: Socket
) -> None:
    for number in range(5):
        await hers.said(f"message {number}")
    assert await read_mark(bob) == 0
    await his.send(type="read", seq=3)
    await his.send(type="read", seq=2)
    await his.send(type="typing")
    await hers.next("typing")
    other_device = await log_in(house, "bob")
    marks = [await read_mark(person) for person in (bob, other_device, alice)]
    assert marks == [3, 3, 0]
    await his.send(type="read", seq=999)  # beyond the log
    assert (await his.next("read"))["seq"] == 3
    assert (await his.next("read"))["seq"] == 5
    assert await read_mark(bob) == 5


async def test_a_persons_other_sockets_hear_of_the_mark_and_nobody_elses(
    house: House, alice: Person, bob: Person, hers: Socket, his: Socket
) -> None:
    for number in range(3):
        await hers.said(f"message {number}")
    device = await log_in(house, "bob")
    gone, other = await device.connect(), await device.connect()
    classic = await device.connect_classic()
    await gone.close()
    await his.send(type="read", seq=2)
    assert await other.next("read") == {"type": "read", "seq": 2}
    await device.get("/read/1")  # not back
    await device.post("/read/3")
    assert await his.next("read") == {"type": "read", "seq": 2}
    assert await his.next("read") == {"type": "read", "seq": 3}
    await his.say("to all")
    while (frame := await hers.next("read", "message")).get("msg") != "to all":
        assert frame["type"] == "message"
    assert await classic.receive_str(timeout=PATIENCE) == "(bob) to all"  # has no such line


async def test_a_device_that_comes_back_hears_of_the_mark_before_what_it_missed(
    house: House, bob: Person, hers: Socket
) -> None:
    for number in range(4):
        await hers.said(f"message {number}")
    asleep = await log_in(house, "bob")
    await (await asleep.connect(since=1)).close()
    await bob.post("/read/3")
    awake = await asleep.connect(since=1)
    frames = [await awake.next("hello", "read", "message") for _ in range(5)]
    assert [frame["type"] for frame in frames] == ["hello", "read", *["message"] * 3]
    assert frames[1]["seq"] == 3


async def test_another_process_knows_the_mark_before_it_is_stored(
    open_house: OpenHouse, redis: RedisServer
) -> None:
    houses = [await open_house(REDIS_URL=redis.url) for _ in range(2)]
    await until(lambda: any(house.app[RELAY].has_other_writer for house in houses))
    bob = await houses[0].sign_in("bob")
    there = await log_in(houses[1], "bob")
    socket = await there.connect()
    await bob.write("one")
    await socket.next("message")
    await there.page()  # which looks the mark up
    await bob.get("/read/1")
    await socket.next("read")
    assert await read_mark(there) == 1


@pytest.mark.parametrize("told", ["nonsense", ("id",), (1, 2), ("id", "2"), ("id", True), None])
async def test_a_mark_from_another_process_may_be_anything(house: House, told: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        house.app[RELAY].tell_here("read", told)


async def test_read_marks_outlive_the_process(open_house: OpenHouse) -> None:
    house = await open_house()
    bob = await house.sign_in("bob")
    socket = await bob.connect()
    await socket.said("hello")
    await bob.get("/read/1")
    await house.app[READ_MARKS].store()
    later = await open_house()
    again = await log_in(later, "bob")
    assert await read_mark(again) == 1
    user = await house.database[USER_COLLECTION].find_one({"login": "bob"})
    assert user is not None
    assert user["created"].tzinfo  # which an update must not spoil


async def test_marks_wait_while_the_database_is_away(
    house: House, bob: Person, his: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await his.said("hello")
    await bob.get("/read/1")
    marks = house.app[READ_MARKS]
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", 0)
    with pytest.raises(DatabaseUnavailable):
        await marks.store()
    monkeypatch.undo()
    await marks.store()
    user = await house.database[USER_COLLECTION].find_one({"login": "bob"})
    assert user is not None
    assert user["read"] == 1

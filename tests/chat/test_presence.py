"""Who is here, in this process and in others."""

import asyncio

import pytest

from chat import wire
from chat.presence import Presence
from server.background import background
from server.relay import Relay
from tests.support.people import Person
from tests.support.sockets import Socket


async def test_somebody_stays_until_the_last_process_that_has_them_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.presence.GRACE", 0)
    told = asyncio.Queue[wire.Frames]()
    relay = Relay()
    presence = Presence(told.put_nowait, relay)
    monkeypatch.setattr(presence, "_started", -float("inf"))  # so that people are announced
    for process in ("one", "two"):
        relay.tell_here("presence", (process, {"b": "bob"}))
    assert await told.get() == wire.joined("bob")
    relay.tell_here("gone", "one")
    relay.tell_here("presence", ("three", {"c": "carol"}))
    assert await told.get() == wire.joined("carol")
    relay.tell_here("presence", ("three", {}))
    assert await told.get() == wire.left("carol")  # bob, who would have left earlier, has not
    assert presence.has("b")
    relay.tell_here("gone", "two")
    assert await told.get() == wire.left("bob")
    presence.close()


async def test_the_end_of_a_process_tells_no_other_that_its_people_have_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.presence.SHARE_PAUSE", 0)
    monkeypatch.setattr("chat.presence.SHARE_EVERY", 0)
    relay, told = Relay(), asyncio.Queue[dict[str, str]]()
    monkeypatch.setattr(relay, "tell_others", lambda _, said: told.put_nowait(said[1]))
    presence = Presence(lambda _: None, relay)
    presence.arrive("a", "alice", returning=False)
    async with background(presence.share()):
        assert await told.get() == await told.get() == {"a": "alice"}
        presence.close()
        presence.depart("a")
        for _ in range(20):  # steps of the loop, several lists' worth
            await asyncio.sleep(0)
    while not told.empty():
        assert told.get_nowait() == {"a": "alice"}


async def test_who_reloads_the_page_has_not_left(
    hers: Socket, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.presence.RETURN_WINDOW", 0)
    await hers.next("hello")
    for _ in range(2):
        await (await bob.connect()).close()
    assert (await hers.next("joined", "left"))["type"] == "joined"
    his = await bob.connect()
    await his.say("back")
    assert (await hers.next("left", "joined", "message"))["type"] == "message"

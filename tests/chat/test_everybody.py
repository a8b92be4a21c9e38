"""@all notifies everybody, once a minute for each person; the log tells all processes the same."""

import asyncio
import re
from typing import Any

import pytest

from auth.logins import look
from chat.entry import ChangeEntry
from chat.everybody import ALL_EVERY
from chat.journal import JOURNAL, check_draft
from server.relay import RELAY
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from tests.support.accounts import log_in
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.redis_server import RedisServer
from tests.support.sockets import Socket
from tests.support.waiting import until

NOTE = "nobody was notified: @all works once a minute"

Frame = dict[str, Any]


async def heard(speaker: Socket, listener: Socket, msg: str) -> Frame:
    """Let somebody say something, and return the frame that somebody else gets."""
    await speaker.say(msg)
    return await listener.next("message")


async def changed(socket: Socket, of: int, msg: str) -> Frame:
    """Edit a message, or delete it by no text; return the frame that its author gets."""
    frame = {"type": "edit", "of": of, "msg": msg} if msg else {"type": "delete", "of": of}
    await socket.send(**frame)
    while (answer := await socket.next("change", "error"))["type"] == "error":
        raise AssertionError(answer)
    return answer


def noted(page: str) -> dict[int, bool]:
    """Return what a page says of @all, by the number of the message."""
    found = re.findall(r'data-seq="(\d+)"[^>]*? data-all="(true|false)"', page)
    return {int(seq): to_all == "true" for seq, to_all in found}


async def test_everybody_is_notified_once_a_minute_by_each_person(
    clock: Clock, hers: Socket, his: Socket
) -> None:
    assert "all" not in await heard(hers, his, "hello `@all`")
    assert (await heard(hers, his, "@all, lunch"))["all"] is True
    clock.now += ALL_EVERY - 1
    assert (await heard(hers, his, "@ALL: now"))["all"] is False
    assert "all" not in await heard(hers, his, "no @allen")
    await heard(his, his, "mine")
    assert (await heard(his, hers, "@all from bob"))["user"] == "alice"  # what came before
    assert (await his.next("message"))["all"] is True
    clock.now += 1
    assert (await heard(hers, his, "＠all again"))["all"] is True


async def test_messages_that_come_at_once_notify_once(hers: Socket, his: Socket) -> None:
    for number in range(5):
        await hers.say(f"@all {number}")
    assert [(await his.next("message"))["all"] for _ in range(5)] == [True, *[False] * 4]


async def test_who_comes_later_finds_what_has_notified_whom(
    alice: Person, bob: Person, hers: Socket, his: Socket
) -> None:
    for msg in ("@all one", "@all two", "three"):
        await heard(hers, his, msg)
    replay = await bob.connect(since=0)
    replayed = [(await replay.next("message")).get("all") for _ in range(3)]
    assert replayed == [True, False, None]
    for person, is_told in ((alice, True), (bob, False)):
        page = await person.page()
        assert noted(page) == {1: True, 2: False}
        assert page.count(NOTE) == is_told


async def test_who_writes_by_the_form_is_told_in_the_page(alice: Person, bob: Person) -> None:
    await alice.write("@all one")
    assert NOTE not in await alice.page()
    await alice.write("@all two")
    assert NOTE in await alice.page()
    assert NOTE not in await bob.page()


async def test_who_writes_at_a_terminal_is_told_in_a_line(alice: Person, his: Socket) -> None:
    terminal = await alice.connect_classic()
    for msg in ("@all one", "@all two", "three"):
        await terminal.send_str(msg)
    lines = [await terminal.receive_str(timeout=10) for _ in range(4)]
    assert lines == ["(alice) @all one", "(alice) @all two", NOTE, "(alice) three"]
    assert [(await his.next("message")).get("all") for _ in range(3)] == [True, False, None]


async def test_an_edit_notifies_if_it_adds_all_and_counts(
    clock: Clock, alice: Person, hers: Socket
) -> None:
    await hers.said("lunch")
    assert (await changed(hers, 1, "@all, lunch"))["all"] is True
    assert (await changed(hers, 1, "@all, lunch?"))["all"] is True
    assert "all" not in await changed(hers, 1, "lunch?")
    assert (await changed(hers, 1, "@all, lunch!"))["all"] is False
    await hers.say("@all, now")
    assert (await hers.next("message"))["all"] is False
    assert noted(await alice.page()) == {1: False, 6: False}
    clock.now += ALL_EVERY
    assert (await changed(hers, 1, "@all, lunch!!"))["all"] is False  # it had it before
    assert "all" not in await changed(hers, 1, "lunch!!")
    assert (await changed(hers, 1, "lunch @all"))["all"] is True
    assert "all" not in await changed(hers, 1, "")
    assert noted(await alice.page()) == {6: False}


async def test_only_the_edit_that_adds_all_is_counted(
    clock: Clock, house: House, hers: Socket
) -> None:
    await hers.said("@all")
    clock.now += ALL_EVERY
    await changed(hers, 1, "@all, come")
    [edit] = [it for it in house.app[JOURNAL].recent.entries if isinstance(it, ChangeEntry)]
    assert (edit.to_all, edit.message.to_all) == (None, True)
    await hers.say("@all, too")
    assert (await hers.next("message"))["all"] is True


async def test_what_is_sent_again_notifies_nobody_again(clock: Clock, hers: Socket) -> None:
    for _ in range(2):
        await hers.say("@all", nonce="n")
        assert (await hers.next("message"))["all"] is True
    clock.now += ALL_EVERY
    await hers.say("@all", nonce="n")
    assert (await hers.next("message"))["seq"] == 1
    await hers.say("@all", nonce="another")
    assert (await hers.next("message"))["all"] is True


async def test_a_restart_within_the_minute_allows_no_second_one(
    open_house: OpenHouse, house: House, alice: Person
) -> None:
    await alice.write("lunch")
    socket = await alice.connect()
    await changed(socket, 1, "@all, lunch")
    later = await (await log_in(await open_house(), "alice")).connect()
    await later.say("@all again")
    assert (await later.next("message"))["all"] is False


@pytest.fixture(params=["alone", "with Redis"])
async def two(request: pytest.FixtureRequest, open_house: OpenHouse) -> tuple[Person, Person]:
    """Alice in two processes, which hear of each other through the database or Redis."""
    settings: Frame = {}
    if request.param == "with Redis":
        redis: RedisServer = request.getfixturevalue("redis")
        settings["REDIS_URL"] = redis.url
    houses = [await open_house(**settings) for _ in range(2)]
    relays = [house.app[RELAY] for house in houses]
    if settings:
        await until(lambda: any(relay.has_other_writer for relay in relays))
    return await houses[0].sign_in("alice"), await log_in(houses[1], "alice")


async def test_of_two_processes_at_the_same_time_one_notifies(two: tuple[Person, Person]) -> None:
    sockets = [await person.connect() for person in two]
    for number in range(10):
        await asyncio.gather(*(socket.say(f"@all {number}") for socket in sockets))
    for socket in sockets:
        to_all = [(await socket.next("message"))["all"] for _ in range(20)]
        assert to_all == [True, *[False] * 19]
    for person in two:
        assert noted(await person.page()) == {1: True, **dict.fromkeys(range(2, 21), False)}


async def test_another_process_shows_an_edit_that_adds_all(two: tuple[Person, Person]) -> None:
    here, there = [await person.connect() for person in two]
    await here.said("lunch")
    await there.next("message")
    assert (await changed(there, 1, "@all, lunch"))["all"] is True
    assert (await here.next("change"))["all"] is True
    await here.say("@all again")
    assert (await there.next("message"))["all"] is False


async def test_what_an_earlier_version_stored_has_notified_nobody(
    open_house: OpenHouse, house: House, alice: Person
) -> None:
    await alice.write("@all, said long ago")
    await house.database[MESSAGE_COLLECTION].update_one({"seq": 1}, {"$unset": {"all": ""}})
    later = await log_in(await open_house(), "alice")
    page = await later.page()
    assert noted(page) == {}
    assert NOTE not in page
    assert "all" not in await changed(await later.connect(), 1, "@all, said long ago?")


async def test_an_account_called_all_keeps_working(house: House, visitor: Person) -> None:
    """Of the time when this was no reserved word."""
    await visitor.register("alf")
    renamed = {"login": "all", "login_key": "all", "look": look("all")}
    await house.database[USER_COLLECTION].update_one({"login": "alf"}, {"$set": renamed})
    later = await log_in(house, "all")
    await later.write("@all, it is me")
    assert noted(await later.page()) == {1: True}


@pytest.mark.parametrize("wish", [False, None, 1, "true"])
def test_a_draft_of_another_process_with_a_strange_wish_is_refused(wish: object) -> None:
    author = {"key": "1:n", "user": "alice", "user_id": "1"}
    check_draft({**author, "content": {"msg": "@all", "all": True}})
    check_draft({**author, "content": {"of": 1, "text": "", "state": "edited", "all": True}})
    with pytest.raises(TypeError):
        check_draft({**author, "content": {"msg": "@all", "all": wish}})

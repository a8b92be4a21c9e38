"""What the chat's page shows, and which frames of a socket are answered, wasted or passed over."""

import asyncio
import re
from datetime import timedelta

import pytest
from aiohttp import WSMsgType
from markupsafe import escape

from auth.sessions import SESSIONS, Identity
from chat.client import Client
from chat.entry import Entry
from chat.hub import HUB
from chat.journal import JOURNAL
from chat.models import MESSAGES
from chat.read_marks import READ_MARKS
from server.metrics import METRICS
from settings import SESSION_COLLECTION
from tests.support.accounts import user_id_of
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage
from tests.support.people import Person
from tests.support.sockets import Socket, clients_of, refusal_of
from tests.support.waiting import PATIENCE, until


def value(page: str, name: str) -> str:
    """Return the first value of an attribute on a page."""
    found = re.search(rf' {name}="([^"]*)"', page)
    assert found, name
    return found[1]


async def test_an_empty_chat_tells_its_scripts_what_they_have_to_know(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.views.CHANGEABLE_FOR", timedelta(seconds=7))
    page = await alice.page()
    assert [value(page, f"data-{name}") for name in ("last", "read", "user", "changeable-for")] == [
        "0", "0", "alice", "7"
    ]  # fmt: skip
    assert (value(page, "data-max-length"), value(page, "data-frame-size")) == ("10000", "152768")
    assert "data-moderator" not in page
    assert "Nobody has said anything yet." in page
    nonces = [FormPage(text).value("nonce") or "" for text in (page, await alice.page())]
    assert nonces[0] != nonces[1]
    assert [len(nonce) for nonce in nonces] == [16, 16]  # twelve random bytes


async def test_a_moderators_page_says_so_and_offers_to_delete_what_others_wrote(
    open_house: OpenHouse,
) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    await alice.write("hi")
    assert "data-moderator" in await alice.page()
    assert "data-moderator" not in await bob.page()
    assert "/message/1" not in await bob.page()
    await bob.write("hello")
    assert "/message/2" in await alice.page()


async def test_a_page_that_is_only_fetched_has_not_been_read(
    house: House, alice: Person, bob: Person
) -> None:
    await alice.write("one", "two")
    marks, bobs_id = house.app[READ_MARKS], await user_id_of(house, "bob")
    for headers in (
        {},  # a tab in the background, or any page over plain HTTP
        {"Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch"},
        {"Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
        {"Sec-Fetch-Dest": "empty"},
    ):
        await bob.get("/", headers=headers)
        assert await marks.get(bobs_id) == 0, headers
    await bob.get("/?before=3")
    await bob.get("/?around=2")
    head = await bob.client.head("/")
    assert (head.status, await marks.get(bobs_id)) == (200, 0)
    refused = await bob.post("/", {"msg": "", "last": "2"})
    assert (refused.status, await marks.get(bobs_id)) == (400, 0)


async def test_a_page_without_scripts_is_read_when_it_shows_its_image(
    house: House, alice: Person, bob: Person
) -> None:
    await alice.write("one", "two")
    marks, bobs_id = house.app[READ_MARKS], await user_id_of(house, "bob")
    found = re.search(r'<noscript>.*<img src="(/read/2)".*</noscript>', await bob.page(), re.DOTALL)
    assert found
    image = found[1]
    for headers in (
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"Sec-Fetch-Dest": "document"},  # a link to it in a message
    ):
        await bob.get(image, headers=headers)
        assert await marks.get(bobs_id) == 0, headers
    assert (await bob.client.head(image)).status == 204
    assert await marks.get(bobs_id) == 0
    answer = await bob.get(image, headers={"Sec-Fetch-Dest": "image"})
    assert (answer.status, await marks.get(bobs_id)) == (204, 2)
    assert value(await bob.page(), "data-read") == "2"
    await alice.write("three")
    await bob.get("/read/999")  # without those headers, as over plain HTTP; and beyond the log
    assert await marks.get(bobs_id) == 3


async def test_a_page_around_a_message_says_only_where_all_before_was_read_that_it_is(
    house: House, alice: Person
) -> None:
    await alice.talk(60)
    for query, seen in (("", ["60"]), ("?around=50", []), ("?around=20", ["44"])):
        page = await alice.page(f"/{query}")
        assert re.findall(r'src="/read/(\d+)"', page) == seen
        forms = re.findall(r'name="last" value="([1-9]\d*)"', page)
        assert forms == 2 * seen  # that for messages, and that for files


async def test_a_page_that_was_posted_from_has_been_read(
    house: House, alice: Person, bob: Person
) -> None:
    await alice.write("one", "two")
    last = value(await bob.page(), "data-last")
    await alice.write("not seen yet")
    marks, bobs_id = house.app[READ_MARKS], await user_id_of(house, "bob")
    await bob.post("/", {"msg": "an answer", "last": "what"})
    assert await marks.get(bobs_id) == 0
    await bob.post("/", {"msg": "an answer", "last": last})
    assert await marks.get(bobs_id) == 2


async def test_a_script_without_a_socket_posts_the_mark(
    house: House, alice: Person, bob: Person
) -> None:
    await alice.write("one", "two")
    marks, bobs_id = house.app[READ_MARKS], await user_id_of(house, "bob")
    foreign = await bob.post("/read/2", headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status, await marks.get(bobs_id)) == (403, 0)
    answer = await bob.post("/read/1", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status, await marks.get(bobs_id)) == (204, 1)


async def test_a_form_that_is_refused_keeps_its_text_and_its_nonce(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(MESSAGES_PER_SECOND=1)
    alice = await house.sign_in("alice")
    for _ in range(4):
        await alice.write("hi")
    clock.now += 0.5
    response = await alice.post("/", {"msg": "too <fast>", "nonce": "n1"})
    page = await FormPage.read(response)
    assert (response.status, page.retry_after) == (429, 4)
    assert (page.value("nonce"), page.error) == ("n1", "Too fast, please wait a moment")
    assert str(escape("too <fast>")) in await response.text()
    number = house.app[METRICS].registry.get_sample_value
    assert number("chat_messages_refused_total", {"code": "too_fast"}) == 1


async def test_a_page_of_somebody_else_posts_nothing(alice: Person) -> None:
    form = {"msg": "by the one who sat here before", "user": "bob"}
    response = await alice.post("/", form)
    assert response.status == 403
    page = await response.text()
    assert "You are signed in as alice now." in page
    assert ">\nby the one who sat here before</textarea>" in page
    assert (await alice.post("/", form | {"user": "alice"})).status == 303


async def test_an_empty_nonce_is_none(house: House, alice: Person) -> None:
    for _ in range(2):
        assert (await alice.post("/", {"msg": "hi", "nonce": ""})).status == 303
    assert house.app[JOURNAL].recent.last == 2


async def test_a_session_that_ends_during_the_upgrade_is_told_at_once(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    [session] = await house.database[SESSION_COLLECTION].find({}).to_list(None)
    monkeypatch.setattr(house.app[SESSIONS], "has_ended", lambda id_: id_ == session["_id"])
    socket = await alice.connect()
    await socket.next("hello")
    frame = await socket.ws.receive(timeout=PATIENCE)
    assert (frame.type, frame.data, frame.extra) == (WSMsgType.CLOSE, 4401, "Signed out")
    await until(lambda: not house.app[HUB].websockets)


async def test_who_comes_while_the_chat_ends_is_sent_away(house: House, alice: Person) -> None:
    house.app[HUB].is_closing = True
    assert await (await alice.connect()).close_code() == 1001


async def test_a_socket_resumes_where_it_says_and_returns_unannounced(
    alice: Person, his: Socket
) -> None:
    await alice.write("one", "two", "three")
    ws = await alice.client.ws_connect("/ws?since=1&returning", protocols=["chat.v1"])
    hers = Socket(ws)
    assert [(await hers.next("message"))["seq"] for _ in range(2)] == [2, 3]
    await hers.say("four")
    told = [(await his.next("message", "joined"))["type"] for _ in range(4)]
    assert told == ["message"] * 4


async def test_what_is_no_upgrade_to_the_chats_format_is_refused_with_a_reason(
    alice: Person,
) -> None:
    assert "This address only accepts WebSocket" in await alice.page("/ws", status=400)
    other = await alice.get("/ws", headers={"Sec-WebSocket-Protocol": "chat"})
    assert other.status == 400
    assert "Only the subprotocol chat.v1 is supported." in await other.text()
    old = {"Sec-WebSocket-Version": "1"}
    assert await refusal_of(alice.client.ws_connect("/ws", headers=old)) == 400


async def test_nobody_has_more_sockets_than_the_limit(open_house: OpenHouse) -> None:
    house = await open_house(SOCKETS_PER_USER=2)
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    sockets = [await person.connect() for person in (alice, alice, bob)]
    for socket in sockets:
        assert (await socket.next())["type"] == "hello"
    assert "Too many open windows, please close one." in await alice.page("/ws", status=429)
    assert await refusal_of(alice.connect()) == 429
    await sockets[0].close()
    await until(lambda: len(clients_of(house.app, "alice")) == 1)
    await alice.connect()


async def test_sockets_without_a_limit(open_house: OpenHouse) -> None:
    house = await open_house(SOCKETS_PER_USER=0)
    alice = await house.sign_in("alice")
    for _ in range(3):
        assert (await (await alice.connect()).next())["type"] == "hello"


async def test_the_subprotocol_may_be_one_of_many_and_nothing_is_compressed(
    alice: Person,
) -> None:
    ws = await alice.client.ws_connect("/ws", protocols=["other", "chat.v1"], compress=15)
    assert (ws.protocol, ws.compress) == ("chat.v1", 0)
    assert (await Socket(ws).next())["type"] == "hello"
    assert await refusal_of(alice.client.ws_connect("/ws", protocols=["other", "chat"])) == 400


async def test_who_closes_is_answered_with_their_own_code(house: House, hers: Socket) -> None:
    await hers.next("hello")
    await hers.ws.close(code=4000)
    assert hers.ws.close_code == 4000
    await until(lambda: not house.app[HUB].websockets)


async def test_a_frame_has_room_for_the_longest_message_and_no_more(
    house: House, hers: Socket
) -> None:
    limit = 32 * 1024 + 12 * 10_000  # as JSON, an emoji may have twelve bytes
    await hers.ws.send_str("x" * limit)
    assert (await hers.next("error"))["code"] == "invalid"
    number = house.app[METRICS].registry.get_sample_value
    assert number("chat_messages_refused_total", {"code": "invalid"}) == 1
    await hers.ws.send_str("x" * (limit + 1))
    assert await hers.close_code() == 1009


async def test_a_text_that_is_no_utf_8_closes_the_socket(hers: Socket) -> None:
    await hers.ws.send_frame(b"\xff\xfe", WSMsgType.TEXT)
    assert await hers.close_code() == 1007


async def test_what_comes_after_a_close_is_passed_over(house: House, alice: Person) -> None:
    ws = await alice.connect_classic()
    for text in ("close", "after"):
        await ws.send_str(text)
    frame = await ws.receive(timeout=PATIENCE)
    assert (frame.type, frame.data) == (WSMsgType.CLOSE, 1000)
    await until(lambda: not house.app[HUB].websockets)
    assert house.app[JOURNAL].recent.last == 0


@pytest.fixture
def wasted(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """The clients whose frames were a waste."""
    wasted: list[Client] = []
    monkeypatch.setattr(house.app[HUB], "count_wasted_frame", wasted.append)
    return wasted


async def test_frames_that_do_something_are_no_waste(
    house: House, alice: Person, wasted: list[Client]
) -> None:
    socket = await alice.connect()
    seq = await socket.said("hi")
    await socket.send(type="typing")
    await socket.send(type="read", seq=seq)
    await socket.send(type="edit", of=seq, msg="hello", nonce="e1")
    await socket.send(type="delete", of=seq, nonce="d1")
    assert [(await socket.next("change"))["nonce"] for _ in range(2)] == ["e1", "d1"]
    marks = house.app[READ_MARKS]
    assert await marks.get(await user_id_of(house, "alice")) == seq
    classic = await alice.connect_classic()
    await classic.send_str("hi")
    assert await classic.receive_str(timeout=PATIENCE) == "(alice) hi"
    await classic.send_str("close")
    while not classic.closed:
        await classic.receive(timeout=PATIENCE)
    await until(lambda: len(house.app[HUB].websockets) == 1)
    assert wasted == []


async def test_frames_that_do_nothing_are_a_waste(
    house: House, alice: Person, wasted: list[Client], clock: Clock
) -> None:
    socket = await alice.connect()
    [client] = clients_of(house.app, "alice")
    await socket.send(type="typing")
    for text in ("{}", "close", '{"type":"message","msg":"hi","nonce":""}'):
        await socket.ws.send_str(text)
        assert (await socket.next("error"))["code"] == "invalid"
    await socket.send(type="typing")  # too soon
    await socket.send(type="read", seq=9)  # the log is empty
    await socket.say("", nonce="n1")
    assert (await socket.next("error"))["nonce"] == "n1"
    await socket.send(type="what", nonce="n2")
    assert (await socket.next("error"))["nonce"] == "n2"
    assert wasted == [client] * 7
    await socket.ws.ping(b"x")
    await socket.ws.send_bytes(b"x")
    frame = await socket.ws.receive(timeout=PATIENCE)
    assert (frame.type, frame.data, frame.extra) == (WSMsgType.CLOSE, 1003, "Text frames only")
    assert wasted == [client] * 9


async def test_the_first_pong_answers_a_ping_and_any_other_is_a_waste(
    house: House, alice: Person, wasted: list[Client]
) -> None:
    ws = await alice.client.ws_connect("/ws", protocols=["chat.v1"], autoping=False)
    socket, [client] = Socket(ws), clients_of(house.app, "alice")
    await socket.next("hello")
    client.ping(asyncio.get_running_loop().time())
    assert (await ws.receive(timeout=PATIENCE)).type is WSMsgType.PING
    assert client.is_silent
    await ws.pong()
    await socket.said("one")
    assert (client.is_silent, wasted) == (False, [])
    await ws.pong()
    await socket.said("two")
    assert (client.is_silent, wasted) == (False, [client])


async def test_a_client_is_busy_while_its_message_is_stored(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await alice.connect()
    [client] = clients_of(house.app, "alice")
    messages = house.app[MESSAGES]
    save, was_busy = messages.save, []

    async def look_and_save(
        user: Identity, msg: str, nonce: str | None, file_id: str = ""
    ) -> Entry:
        was_busy.append(client.is_busy)
        return await save(user, msg, nonce, file_id)

    monkeypatch.setattr(messages, "save", look_and_save)
    await socket.said("hi")
    await socket.say("")
    await socket.next("error")
    assert (was_busy, client.is_busy) == ([True, True], False)


async def test_a_repeat_is_answered_to_its_sender_alone_and_everything_else_comes_once(
    hers: Socket, his: Socket
) -> None:
    await hers.say("one", nonce="n1")
    await hers.say("one", nonce="n1")
    await hers.say("two", nonce="n2")
    await his.next("hello")
    async with asyncio.timeout(PATIENCE):
        first, again, other = [await hers.next("message") for _ in range(3)]
        assert (first["msg"], other["seq"]) == ("one", 2)
        assert again == first
        assert [(await his.next("message"))["seq"] for _ in range(2)] == [1, 2]
    await his.say("three", nonce="n1")  # a nonce is the user's own
    assert [(await each.next("message"))["seq"] for each in (hers, his)] == [3, 3]

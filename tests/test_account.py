"""The page of one's own account, and what moderators may do to other people's."""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from account import own_messages
from account.sessions import describe
from auth.passwords import HASHER
from auth.sessions import SESSIONS, Identity
from chat.entry import DELETED_USER, Change, Entry
from chat.journal import JOURNAL
from chat.recent import Recent
from database import DB, DatabaseUnavailable, Document, insert_in_order
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from tests.support.accounts import (
    COMMON,
    FILL,
    JSON,
    SAME,
    accounts,
    delete_account,
    log_in,
    signed_in_as,
    user_id_of,
)
from tests.support.clocks import LateClock
from tests.support.hostile import HOSTILE
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage, HistoryPage
from tests.support.people import PASSWORD, WRONG, Person
from tests.support.raw_requests import ask
from tests.support.sessions import held_by, present, stored_sessions
from tests.support.waiting import PATIENCE

NEW = "a new password"
CHANGE = {"old": PASSWORD, "password": NEW, "password2": NEW}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def page_of(person: Person) -> str:
    """Return the page of a person's account."""
    response = await person.get("/account")
    assert response.status == 200
    return await response.text()


async def marks(person: Person) -> list[str]:
    """Return what the page's buttons call the sessions; the person's own comes first."""
    return re.findall(r'name="session" value="(\w+)"', await page_of(person))


def told(page: str) -> str | None:
    """Return what the page says has been done."""
    found = re.search(r'role="status">(.*?)<', page)
    return found and found[1]


@pytest.mark.parametrize("path", ["/account", "/account/messages.jsonl"])
async def test_an_account_is_for_who_is_signed_in(house: House, path: str) -> None:
    nobody = await house.visitor()
    assert (await nobody.get(path)).headers["Location"] == "/login"
    assert (await nobody.get(path, headers=JSON)).status == 401


@pytest.mark.parametrize("path", ["password", "session", "signout", "delete"])
async def test_nobody_changes_an_account(house: House, path: str) -> None:
    nobody = await house.visitor()
    assert (await nobody.post(f"/account/{path}", CHANGE)).headers["Location"] == "/login"


async def test_the_name_in_the_bar_leads_to_the_account(house: House) -> None:
    alice = await house.sign_in("alice")
    page = await (await alice.get("/")).text()
    assert '<a class="bar__user" href="/account" aria-label="Account of alice">alice</a>' in page
    assert "Account of alice" in await page_of(alice)


# The password


async def test_a_changed_password_replaces_the_old_one(house: House) -> None:
    alice = await house.sign_in("alice")
    response = await alice.post("/account/password", CHANGE)
    assert (response.status, response.headers["Location"]) == (303, "/account")
    assert "Your password is changed" in (told(await page_of(alice)) or "")
    elsewhere = await house.visitor()
    assert (await elsewhere.log_in("alice", PASSWORD)).status == 401
    assert (await elsewhere.log_in("alice", NEW)).status == 303


async def test_a_changed_password_ends_all_other_sessions(house: House) -> None:
    alice = await house.sign_in("alice")
    bob = await house.sign_in("bob")
    others = [await log_in(house, "alice") for _ in range(2)]
    cookies = [held_by(other) for other in others]
    sockets = [await other.connect() for other in others]
    own, of_bob = await alice.connect(), await bob.connect()
    async with asyncio.timeout(2):
        await alice.post("/account/password", CHANGE)
        assert [await socket.close_code() for socket in sockets] == [4401, 4401]
    for cookie in cookies:
        assert await signed_in_as(await present(house, cookie)) is None
    assert await signed_in_as(alice) == "alice"
    for socket in (own, of_bob):
        await socket.say("still here")
        assert (await socket.next("message"))["msg"] == "still here"


async def test_a_changed_password_ends_sessions_in_other_processes(
    open_house: OpenHouse, later: LateClock
) -> None:
    here, there = await open_house(), await open_house()
    alice = await here.sign_in("alice")
    other = await log_in(there, "alice")
    assert await signed_in_as(other) == "alice"
    await alice.post("/account/password", CHANGE)
    later.ahead = 5
    assert await signed_in_as(other) is None


async def test_a_log_in_under_way_with_the_old_password_comes_to_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, thief = await house.sign_in("alice"), await house.visitor()
    create = house.app[SESSIONS].create

    async def too_late(*whose: str) -> Identity:
        monkeypatch.undo()
        assert (await alice.post("/account/password", CHANGE)).status == 303
        return await create(*whose)

    monkeypatch.setattr(house.app[SESSIONS], "create", too_late)
    assert (await thief.log_in("alice")).status == 401
    assert await signed_in_as(thief) is None
    assert len(await stored_sessions(house)) == 1


async def test_of_two_changes_of_the_password_at_once_only_the_first_counts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await house.sign_in("alice")
    thief = await log_in(house, "alice")
    hash_password = house.app[HASHER].hash

    async def too_late(password: str) -> str:
        monkeypatch.undo()
        assert (await alice.post("/account/password", CHANGE)).status == 303
        return await hash_password(password)

    monkeypatch.setattr(house.app[HASHER], "hash", too_late)
    theirs = {
        **CHANGE,
        "password": "the password of a thief",
        "password2": "the password of a thief",
    }
    assert (await thief.post("/account/password", theirs)).status == 401
    assert await signed_in_as(alice) == "alice"
    assert await signed_in_as(thief) is None
    assert (await alice.log_in("alice", NEW)).status == 303


REFUSED_CHANGES: list[tuple[dict[str, str], int, str, str]] = [
    ({"old": ""}, 400, "old", FILL),
    ({"password": " "}, 400, "password", FILL),
    ({"password2": ""}, 400, "password2", FILL),
    ({"password2": "something else"}, 400, "password2", SAME),
    ({"old": WRONG}, 401, "old", "Wrong password"),
    ({"old": "\x00"}, 401, "old", "Wrong password"),
    ({"old": '"><script>'}, 401, "old", "Wrong password"),
    ({"password": "seven77", "password2": "seven77"}, 400, "password",
     "Password must have at least 8 characters"),
    ({"password": "PassWord", "password2": "PassWord"}, 400, "password", COMMON),
    ({"password": "alice.b", "password2": "alice.b"}, 400, "password",
     "Password must have at least 8 characters"),
    ({"password": "Alice@example.com", "password2": "Alice@example.com"}, 400, "password", COMMON),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "status", "field", "error"), REFUSED_CHANGES)
async def test_a_refused_change_says_why_beside_the_field(
    house: House, changes: dict[str, str], status: int, field: str, error: str
) -> None:
    alice = await house.sign_in("alice")
    other = await log_in(house, "alice")
    response = await alice.post("/account/password", CHANGE | changes)
    page = await FormPage.read(response)
    assert response.status == status
    assert (page.error_field, page.error, page.marked) == (field, error, [field])
    assert page.value(field) is None
    answer = await alice.post("/account/password", CHANGE | changes, headers=JSON)
    assert (answer.status, await answer.json()) == (status, {"error": error})
    assert await signed_in_as(other) == "alice"
    assert (await other.log_in("alice")).status == 303


@pytest.mark.parametrize(
    ("path", "form"),
    [("password", {**CHANGE, "old": WRONG}), ("delete", {"confirm": WRONG})],
)
async def test_guesses_count_as_failed_log_ins(
    house: House, path: str, form: dict[str, str]
) -> None:
    alice = await house.sign_in("alice")
    guesses = [await alice.post(f"/account/{path}", form) for _ in range(7)]
    assert sorted(guess.status for guess in guesses) == [401] * 5 + [429] * 2
    assert int(guesses[-1].headers["Retry-After"]) > 200
    assert (await FormPage.read(guesses[-1])).error == "Too many attempts, please wait"
    assert (await (await house.visitor()).log_in("alice")).status == 429


async def test_the_right_password_is_no_failed_attempt(house: House) -> None:
    alice = await house.sign_in("alice")
    again = {"old": PASSWORD, "password": PASSWORD, "password2": PASSWORD}
    for _ in range(7):
        assert (await alice.post("/account/password", again)).status == 303


async def test_a_form_that_cannot_be_read_is_answered_with_the_page(house: House) -> None:
    alice = await house.sign_in("alice")
    page = await FormPage.read(await alice.post("/account/password", b"old=1&old=2", headers={
        "Content-Type": "application/x-www-form-urlencoded"
    }))  # fmt: skip
    assert (page.error, page.error_field) == ("The form has a field twice", None)


@pytest.mark.parametrize("query", ["?done=password", "?done=session", "?done_at=9999999999"])
async def test_no_link_can_claim_that_something_was_done(house: House, query: str) -> None:
    alice = await house.sign_in("alice")
    assert told(await (await alice.get(f"/account{query}")).text()) is None


# The sessions


CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 {}Safari/537.36"
WINDOWS, ANDROID = "Windows NT 10.0; Win64; x64", "Linux; Android 10; K"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME.format(WINDOWS, ""), "Chrome on Windows"),
        (CHROME.format(WINDOWS, "Edg/140.0 "), "Edge on Windows"),
        (CHROME.format("X11; CrOS x86_64 14541.0.0", ""), "Chrome on ChromeOS"),
        (CHROME.format(ANDROID, "Mobile "), "Chrome on Android"),
        (CHROME.format(ANDROID, "SamsungBrowser/28.0 "), "Samsung Internet on Android"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {APPLE} CriOS/140 Safari/604",
            "Chrome on iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 200, "x" * 60),
        ("", "A browser without a name"),
    ],
)
def test_a_browser_is_told_in_words(agent: str, words: str) -> None:
    assert describe(agent) == words


async def test_every_session_is_listed_with_its_browser_and_times(house: House) -> None:
    await house.sign_in("alice")
    await house.sign_in("bob")
    alice = await log_in(house, "alice", headers={"User-Agent": FIREFOX})
    page = await page_of(alice)
    assert len(await marks(alice)) == 2
    assert re.search(r'<bdi>Firefox on Linux</bdi> <span class="session__this">this one', page)
    assert page.count("this one") == 1
    times = re.findall(r'datetime="([^"]+)"', page)
    assert len(times) == 4
    for time in times:
        assert datetime.now(UTC) - datetime.fromisoformat(time) < timedelta(minutes=1)
    for session in await stored_sessions(house):
        assert session["_id"] not in page


async def test_a_browser_s_name_stays_text(house: House) -> None:
    alice = await house.sign_in("alice")
    agents = HOSTILE[:90]
    for agent in agents:
        await house.app[SESSIONS].create(await user_id_of(house, "alice"), "alice", agent)
    shown = re.findall(r"<bdi>(.*?)</bdi>", await page_of(alice), re.DOTALL)
    assert sorted(map(html.unescape, shown[1:])) == sorted(map(describe, agents))


async def test_a_browser_s_name_may_be_any_bytes(house: House) -> None:
    await house.sign_in("alice")
    body = f"login=alice&password={PASSWORD.replace(' ', '+')}".encode()
    answer = await ask(
        house,
        "User-Agent: \udcff\udcfe",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        method="POST",
        body=body,
    )
    assert answer.status == 303
    assert len(await marks(await log_in(house, "alice"))) == 3


async def test_a_session_can_be_ended_from_another(house: House) -> None:
    alice = await house.sign_in("alice")
    other = await log_in(house, "alice")
    cookie, socket = held_by(other), await other.connect()
    own, its = await marks(alice)
    response = await alice.post("/account/session", {"session": its})
    assert (response.status, response.headers["Location"]) == (303, "/account")
    assert await socket.close_code() == 4401
    assert await signed_in_as(await present(house, cookie)) is None
    assert await marks(alice) == [own]
    assert told(await page_of(alice)) == "The session has ended."


async def test_ending_one_s_own_session_signs_out(house: House) -> None:
    alice = await house.sign_in("alice")
    cookie = held_by(alice)
    response = await alice.post("/account/session", {"session": (await marks(alice))[0]})
    assert (response.status, response.headers["Location"]) == (303, "/login")
    assert response.cookies["session"]["max-age"] == "0"
    assert await signed_in_as(await present(house, cookie)) is None


@pytest.mark.parametrize("form", [{}, {"session": ""}, {"session": "$ne"}, {"session": "0" * 16}])
async def test_a_session_that_is_not_there_is_told(house: House, form: dict[str, str]) -> None:
    alice = await house.sign_in("alice")
    response = await alice.post("/account/session", form)
    assert response.status == 404
    assert (await FormPage.read(response)).error == "This session has already ended"
    assert await signed_in_as(alice) == "alice"


async def test_nobody_ends_somebody_else_s_session(house: House) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    [mark] = await marks(bob)
    assert (await alice.post("/account/session", {"session": mark})).status == 404
    assert await signed_in_as(bob) == "bob"


async def test_signing_out_everywhere_leaves_nothing(house: House) -> None:
    alice = await house.sign_in("alice")
    bob = await house.sign_in("bob")
    others = [await log_in(house, "alice") for _ in range(2)]
    cookies = [held_by(person) for person in (alice, *others)]
    socket = await others[0].connect()
    response = await alice.post("/account/signout", {"": ""})
    assert (response.status, response.headers["Location"]) == (303, "/login")
    assert await socket.close_code() == 4401
    for cookie in cookies:
        assert await signed_in_as(await present(house, cookie)) is None
    assert await signed_in_as(bob) == "bob"
    assert len(await stored_sessions(house)) == 1


# The messages


async def store(house: House, *documents: Document) -> None:
    """Put entries at the end of the log, as another process would."""
    log = house.app[DB][MESSAGE_COLLECTION]
    time = datetime(2026, 11, 21, 10, tzinfo=UTC)
    seq = await log.count_documents({})
    for start in range(0, len(documents), 500):
        await log.insert_many(
            {"seq": seq + n, "key": f"{d['user_id']}:{seq + n}", "user": "x", "time": time} | d
            for n, d in enumerate(documents[start : start + 500], start + 1)
        )


async def lines(person: Person) -> list[dict[str, Any]]:
    """Return what a person downloads."""
    response = await person.get("/account/messages.jsonl")
    assert response.status == 200
    assert response.headers["Content-Disposition"] == 'attachment; filename="messages.jsonl"'
    text = await response.text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


async def test_thousands_of_messages_are_downloaded_in_order(house: House) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    own, other = await user_id_of(house, "alice"), await user_id_of(house, "bob")
    await store(
        house,
        *({"user_id": (own, other)[n % 2], "msg": f"number {n}"} for n in range(5000)),
    )
    assert await lines(alice) == [
        {"seq": n + 1, "time": "2026-11-21T10:00:00.000Z", "msg": f"number {n}"}
        for n in range(0, 5000, 2)
    ]
    assert len(await lines(bob)) == 2500


async def test_a_download_has_each_message_as_it_reads_now(house: House) -> None:
    alice = await house.sign_in("alice")
    own, other = await user_id_of(house, "alice"), "0" * 24
    await store(
        house,
        {"user_id": own, "msg": "as it was"},
        {"user_id": own, "msg": "corrected", "state": "edited"},
        {"user_id": own, "msg": "", "state": "deleted"},
        {"user_id": own, "of": 2},
        {"user_id": other, "msg": "of somebody else"},
        {"user_id": other, "of": 3},
    )
    assert [(line["seq"], line["msg"], line.get("edited")) for line in await lines(alice)] == [
        (1, "as it was", None),
        (2, "corrected", True),
    ]


async def test_a_download_keeps_every_text_on_its_line(house: House) -> None:
    alice = await house.sign_in("alice")
    texts = [*HOSTILE, "two\nlines", "Привет 👋", '"quoted" \\ \t', "\u2028"]
    own = await user_id_of(house, "alice")
    await store(house, *({"user_id": own, "msg": text} for text in texts))
    assert [line["msg"] for line in await lines(alice)] == texts


async def test_who_has_said_nothing_downloads_nothing(house: House) -> None:
    assert await lines(await house.sign_in("alice")) == []


async def test_a_download_that_breaks_off_is_seen_to(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice = await house.sign_in("alice")
    own = await user_id_of(house, "alice")
    await store(house, *({"user_id": own, "msg": "hi"} for _ in range(3)))
    pages = own_messages.pages

    async def break_off(*whose: Any) -> Any:
        async for documents in pages(*whose):
            yield documents
            raise DatabaseUnavailable

    monkeypatch.setattr(own_messages, "pages", break_off)
    response = await alice.get("/account/messages.jsonl")
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()
    assert not caplog.records


async def authors_of(person: Person) -> list[str]:
    """Return who said what the chat's page shows."""
    page = await (await person.get("/")).text()
    return [line.user for line in HistoryPage(page).lines]


async def test_a_deleted_account_leaves_what_it_said_without_its_name(
    open_house: OpenHouse,
) -> None:
    house = await open_house()
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    for person in (alice, bob, alice):
        await person.post("/", {"msg": "hi"})
    response = await delete_account(alice)
    assert (response.status, response.headers["Location"]) == (303, "/login")
    assert await authors_of(bob) == [DELETED_USER, "bob", DELETED_USER]
    resumed = await bob.connect(since=0)
    frames = [await resumed.next("message") for _ in range(3)]
    assert [frame["user"] for frame in frames] == [DELETED_USER, "bob", DELETED_USER]
    restarted = await open_house()
    assert await authors_of(await log_in(restarted, "bob")) == [DELETED_USER, "bob", DELETED_USER]


async def test_a_deleted_account_is_signed_out_everywhere(house: House) -> None:
    alice = await house.sign_in("alice")
    other = await log_in(house, "alice")
    cookies, socket = [held_by(alice), held_by(other)], await other.connect()
    await delete_account(alice)
    assert await socket.close_code() == 4401
    for cookie in cookies:
        assert await signed_in_as(await present(house, cookie)) is None
    assert (await other.log_in("alice")).status == 401
    assert await accounts(house) == await stored_sessions(house) == []


async def test_the_login_of_a_deleted_account_is_free_for_somebody_else(house: House) -> None:
    alice = await house.sign_in("alice")
    await alice.post("/", {"msg": "hi"})
    await delete_account(alice)
    namesake = await house.sign_in("alice")
    assert await authors_of(namesake) == [DELETED_USER]
    assert await lines(namesake) == []


async def test_nobody_can_be_called_deleted_user(house: House) -> None:
    assert (await (await house.visitor()).register(DELETED_USER)).status == 400


@pytest.mark.parametrize(
    ("password", "status", "error"),
    [("", 400, "Please enter your password"), (WRONG, 401, "Wrong password")],
)
async def test_an_account_is_not_deleted_without_its_password(
    house: House, password: str, status: int, error: str
) -> None:
    alice = await house.sign_in("alice")
    response = await delete_account(alice, password)
    page = await FormPage.read(response)
    assert (response.status, page.error, page.error_field) == (status, error, "confirm")
    assert page.marked == ["confirm"]
    assert await signed_in_as(alice) == "alice"


async def test_what_is_being_saved_while_its_author_goes_loses_the_name_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    inserting, has_ended = asyncio.Event(), asyncio.Event()

    async def slowly(*what: Any) -> None:
        inserting.set()
        await has_ended.wait()
        await insert_in_order(*what)

    monkeypatch.setattr("chat.journal.insert_in_order", slowly)
    house.app[SESSIONS].listeners.append(lambda _: has_ended.set())
    socket = await alice.connect()
    await socket.say("the last word")
    async with asyncio.timeout(PATIENCE):
        await inserting.wait()
        assert (await delete_account(alice)).status == 303
    [document] = await house.app[DB][MESSAGE_COLLECTION].find({}).to_list(None)
    assert document["user"] == DELETED_USER
    assert await authors_of(bob) == [DELETED_USER]


async def test_a_deletion_that_broke_off_can_be_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await house.sign_in("alice")

    async def away(*_: Any) -> Any:
        raise DatabaseUnavailable
        yield

    with monkeypatch.context() as patch:
        patch.setattr(own_messages, "pages", away)
        assert (await delete_account(alice)).status == 503
    assert (await alice.log_in("alice")).status == 303
    assert (await delete_account(alice)).status == 303
    assert await accounts(house) == []


def test_memory_gives_another_name_to_all_that_somebody_wrote_or_changed() -> None:
    recent, time = Recent(), datetime.now(UTC)
    by_alice = Entry(1, "a:1", "alice", "a", "hi", time)
    by_bob = Entry(2, "b:1", "bob", "b", "hi", time)
    for entry in (
        by_alice,
        by_bob,
        Change(3, "b:2", "bob", by_alice),
        Change(4, "a:2", "alice", by_bob),
    ):
        recent.add(entry)
    recent.rename("a", "nobody")
    renamed = by_alice._replace(user="nobody")
    assert list(recent.entries) == [
        renamed,
        by_bob,
        Change(3, "b:2", "bob", renamed),
        Change(4, "a:2", "nobody", by_bob),
    ]
    assert recent.find("a:1") == renamed


# Moderators


async def ban(moderator: Person, login: str, **options: Any) -> aiohttp.ClientResponse:
    """Ban a login."""
    return await moderator.post("/ban", {"login": login}, **options)


@pytest.fixture
async def guarded(open_house: OpenHouse) -> House:
    """A chat with two moderators."""
    return await open_house(MODERATORS=("alice", "Carol"))


async def test_who_is_banned_is_out_and_stays_out(guarded: House) -> None:
    alice, bob = await guarded.sign_in("alice"), await guarded.sign_in("Bob")
    cookie, socket = held_by(bob), await bob.connect()
    async with asyncio.timeout(2):
        response = await ban(alice, "bob")
        assert (response.status, response.headers["Location"]) == (303, "/")
        assert await socket.close_code() == 4401
    assert await signed_in_as(await present(guarded, cookie)) is None
    page = await FormPage.read(refusal := await bob.log_in("bob"))
    assert (refusal.status, page.error) == (403, "This account has been banned")
    assert (await bob.log_in("bob", WRONG)).status == 401
    assert (await bob.register("bob", email="new@example.com")).status == 409
    assert (await bob.register("robert", email="Bob@example.com")).status == 409
    assert await signed_in_as(bob) is None
    assert (await ban(alice, "bob")).status == 303


async def test_a_ban_reaches_other_processes(open_house: OpenHouse, later: LateClock) -> None:
    here, there = await open_house(MODERATORS=("alice",)), await open_house()
    alice, bob = await here.sign_in("alice"), await there.sign_in("bob")
    assert await signed_in_as(bob) == "bob"
    await ban(alice, "bob")
    later.ahead = 5
    assert await signed_in_as(bob) is None


async def test_a_ban_can_be_taken_back_in_the_database(guarded: House) -> None:
    alice, bob = await guarded.sign_in("alice"), await guarded.sign_in("bob")
    await ban(alice, "bob")
    users = guarded.app[DB][USER_COLLECTION]
    await users.update_one({"login": "bob"}, {"$unset": {"banned": 1}})
    assert (await bob.log_in("bob")).status == 303


@pytest.mark.parametrize(
    ("who", "login", "status", "error"),
    [
        ("bob", "dave", 403, "Only a moderator may ban"),
        ("bob", "nobody", 403, "Only a moderator may ban"),
        ("alice", "nobody", 404, "Nobody has this login"),
        ("alice", "", 404, "Nobody has this login"),
        ("alice", "dave@example.com", 404, "Nobody has this login"),
        ("alice", '{"$gt": ""}', 404, "Nobody has this login"),
        ("alice", "<script>", 404, "Nobody has this login"),
        ("alice", "x" * 20_000, 404, "Nobody has this login"),
        ("alice", "ALICE", 400, "You can't ban yourself"),
        ("alice", "carol", 400, "A moderator can't be banned"),
    ],
)
async def test_a_ban_that_may_not_be_is_refused(
    guarded: House, who: str, login: str, status: int, error: str
) -> None:
    people = {name: await guarded.sign_in(name) for name in ("alice", "bob", "carol", "dave")}
    response = await ban(people[who], login)
    assert response.status == status
    assert html.escape(error) in (await response.text()).replace("&#39;", "&#x27;")
    answer = await ban(people[who], login, headers=JSON)
    assert (answer.status, await answer.json()) == (status, {"error": error})
    for name, person in people.items():
        assert await signed_in_as(person) == name


async def test_a_moderator_s_login_never_becomes_free(guarded: House) -> None:
    alice = await guarded.sign_in("alice")
    response = await delete_account(alice)
    assert response.status == 403
    assert (await FormPage.read(response)).error == "A moderator's account can't be deleted"
    assert await signed_in_as(alice) == "alice"


async def test_nobody_bans_anybody(guarded: House) -> None:
    nobody = await guarded.visitor()
    assert (await ban(nobody, "alice")).headers["Location"] == "/login"


@pytest.mark.parametrize("way_out", ["ban", "delete", "sign out"])
async def test_a_form_that_arrives_after_its_sender_was_put_out_does_nothing(
    guarded: House, way_out: str
) -> None:
    alice, bob = await guarded.sign_in("alice"), await guarded.sign_in("bob")
    assert (await bob.get("/")).status == 200
    other = await log_in(guarded, "bob")
    begun, gone = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"msg="
        begun.set()
        await gone.wait()
        yield b"late"

    posting = asyncio.create_task(
        bob.post("/", slowly(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    )
    await begun.wait()
    await (await alice.get("/")).read()  # so that the server has read who is posting
    if way_out == "ban":
        await ban(alice, "bob")
    elif way_out == "delete":
        await delete_account(other)
    else:
        await other.post("/account/signout", {})
    gone.set()
    response = await posting
    assert response.status == 401
    assert "You were signed out meanwhile" in await response.text()
    assert guarded.app[JOURNAL].recent.last == 0

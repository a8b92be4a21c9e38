"""Sessions: the cookie, what it is worth, and when it is worth nothing any more."""

import errno
import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.fernet import Fernet

from auth import session_storage, sessions
from auth.session_storage import NAME
from auth.sessions import LIFETIME, SESSIONS
from security.keys import fernet_key, secret_keys
from settings import SESSION_COLLECTION, USER_COLLECTION, Settings, StartError
from storage import database
from storage.database import DatabaseUnavailable
from tests.support.accounts import log_in, signed_in_as, user_id_of
from tests.support.clocks import Clock
from tests.support.databases import new_database
from tests.support.house import House, OpenHouse
from tests.support.people import PASSWORD, Person, registration
from tests.support.raw_requests import ask
from tests.support.redis_server import RedisServer
from tests.support.sessions import held_by, present, stored_sessions
from tests.support.waiting import PATIENCE, until

of_both_storages = pytest.mark.parametrize("storage", ["cookie", "redis"])
FERNET = Fernet(fernet_key("a key for the tests"))


def cookie_of(response: aiohttp.ClientResponse) -> Morsel[str]:
    """Return the one cookie that a response sets."""
    assert len(response.headers.getall("Set-Cookie")) == 1
    [morsel] = response.cookies.values()
    return morsel


@pytest.mark.parametrize(("secure", "name"), [(False, NAME), (True, f"__Host-{NAME}")])
@pytest.mark.parametrize("storage", ["cookie", "redis"])
async def test_cookie_is_kept_from_scripts_and_other_sites_until_it_is_deleted(
    open_house: OpenHouse, redis: RedisServer, storage: str, secure: bool, name: str
) -> None:
    house = await open_house(SECURE_COOKIES=secure, SESSION_STORAGE=storage, REDIS_URL=redis.url)
    morsel = cookie_of(await (await house.visitor()).register("alice"))
    assert re.fullmatch(f"{name}_[0-9a-f]{{4}}", morsel.key)
    assert morsel["httponly"] is True
    assert morsel["samesite"] == "Lax"
    assert morsel["path"] == "/"
    assert morsel["domain"] == ""
    assert morsel["secure"] == (True if secure else "")
    assert int(morsel["max-age"]) == 14 * 24 * 3600
    alice = await present(house, morsel.value, morsel.key)
    assert await signed_in_as(alice) == "alice"
    other_name = NAME if secure else f"__Host-{NAME}"
    assert await signed_in_as(await present(house, morsel.value, other_name)) is None
    deleted = cookie_of(await alice.post("/signout"))
    assert (deleted.key, deleted.value, deleted["max-age"]) == (morsel.key, "", "0")
    for flag in ("secure", "httponly", "samesite", "path", "domain"):
        assert deleted[flag] == morsel[flag], flag


async def test_cookie_is_set_at_login_and_left_alone_after(alice: Person) -> None:
    for path in ("/", "/login", "/static/css/base.css", "/nowhere"):
        assert "Set-Cookie" not in (await alice.get(path)).headers


async def test_cookie_tells_nothing_of_what_it_holds(house: House, alice: Person) -> None:
    [document] = await stored_sessions(house)
    held = FERNET.decrypt(held_by(alice)).decode()
    assert document["_id"] in held
    assert document["user_id"] in held
    assert "last_visit" in held
    assert PASSWORD not in held
    assert document["_id"] not in held_by(alice)


RANDOM_COOKIES = [
    *("", "nonsense", "=", "%00", "\x01\x02", "ключ", "\udcff\udcfe\udc80", '"unbalanced'),
    *("gAAAAA==", "gAAAAABl" + "A" * 200, "x" * 6000),
]


@pytest.mark.parametrize("cookie", RANDOM_COOKIES, ids=range(len(RANDOM_COOKIES)))
async def test_a_cookie_of_random_bytes_is_an_anonymous_visitor(house: House, cookie: str) -> None:
    for path, status in (("/login", 200), ("/", 303), ("/ws", 401), ("/signout", 303)):
        answer = await ask(house, f"Cookie: {NAME}={cookie}", path=path)
        # What is no header at all is the parser's to refuse.
        assert answer.status in ((status, 400) if "\x01" in cookie else (status,))


SESSIONS_OF_NOBODY = [
    *(b"null", b"[]", b'"alice"', b"{}", b'{"user": "alice"}'),
    *(b'{"id": null}', b'{"id": 1}', b'{"id": true}', b'{"id": ["a"]}', b'{"id": {"$ne": null}}'),
    *(b'{"id": ""}', b'{"id": "nonsense"}', b'{"id": "$ne"}', b'{"id": "%s"}' % (b"x" * 5000)),
    *(b'{"id": "\\u0000"}', b'{"id": "\\ud800"}', b'{"id": NaN}, "created": NaN'),
    *(b'{"id": "x"}, "created": "yesterday"', b'{"id": "x"}, "created": 1e999'),
]
NONSENSE = [
    *(b"", b"\xff\xfe", b"null", b"1", b'"text"', b"[]", b"[[]]", b"{}"),
    *(b'{"session": %s}' % session for session in SESSIONS_OF_NOBODY),
    *(b"[" * 3000, b'{"session": {"id":' * 200, b"1" * 4400),
]


@pytest.mark.parametrize("content", NONSENSE, ids=range(len(NONSENSE)))
async def test_a_cookie_of_encrypted_nonsense_is_an_anonymous_visitor(
    house: House, content: bytes
) -> None:
    person = await present(house, FERNET.encrypt(content).decode())
    assert await signed_in_as(person) is None
    assert (await person.get("/login")).status == 200
    assert (await person.get("/ws")).status == 401
    assert (await person.post("/signout")).status == 303


FOREIGN = [
    "NAME=of another program",
    'NAME=""',
    f"NAME={Fernet(fernet_key('another chat')).encrypt(b'{}').decode()}",
    f"NAME={FERNET.encrypt(b'null').decode()}",
    "NAME=\xff; other=NAME; Name=x; =; NAME; xNAME=1",
    "; " * 1500,
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=range(len(FOREIGN)))
async def test_a_cookie_of_another_program_beside_ours_signs_nobody_out(
    house: House, alice: Person, foreign: str
) -> None:
    for name in ("session", NAME, own_name(alice)):
        ours, theirs = f"{name}={held_by(alice)}", foreign.replace("NAME", name)
        for line in (f"{ours}; {theirs}", f"{theirs}; {ours}", f"{theirs};{ours};{theirs}"):
            assert (await ask(house, f"Cookie: {line}", path="/")).status == 200, line
        assert (await ask(house, f"Cookie: {theirs}", f"Cookie: {ours}", path="/")).status == 200


def own_name(person: Person) -> str:
    """Return the name of a person's session cookie."""
    [morsel] = person.client.session.cookie_jar
    return morsel.key


@of_both_storages
async def test_a_cookie_whose_session_has_ended_hides_none_that_lives(
    open_house: OpenHouse, redis: RedisServer, storage: str
) -> None:
    house = await open_house(SESSION_STORAGE=storage, REDIS_URL=redis.url)
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    ended, lives, name = held_by(alice), held_by(bob), own_name(bob)
    await house.app[SESSIONS].end_all(await user_id_of(house, "alice"))
    for line in (
        f"{name}={ended}; {name}={lives}",
        f"{name}={ended}; session={lives}",
        f"session={ended}; {name}_2={lives}",
        f"session={'0' * 32}; session={'f' * 32}; session={lives}",
    ):
        reader = await house.visitor(headers={"Cookie": line})
        assert await signed_in_as(reader) == "bob", line


@of_both_storages
@pytest.mark.parametrize("key", ["a key for the tests", "another key"])
async def test_two_chats_on_one_host_sign_nobody_out_of_the_other(
    open_house: OpenHouse, redis: RedisServer, mongo: str, storage: str, key: str
) -> None:
    both = {"SESSION_STORAGE": storage, "REDIS_URL": redis.url}
    with new_database(mongo) as name:
        one = await open_house(**both)
        other = await open_house(**both, SECRET_KEY=(key,), MONGO_DB_NAME=name)
        jar = aiohttp.CookieJar(unsafe=True)  # which sends a host's cookies to all its ports
        at_one, at_other = await one.visitor(cookie_jar=jar), await other.visitor(cookie_jar=jar)
        await at_one.register("alice")
        await at_other.register("bob")
        assert (await signed_in_as(at_one), await signed_in_as(at_other)) == ("alice", "bob")
        await at_other.post("/signout")
        assert (await signed_in_as(at_one), await signed_in_as(at_other)) == ("alice", None)
        await at_other.log_in("bob")
        await at_one.post("/account", {"action": "sign_out_everywhere"})
        assert (await signed_in_as(at_one), await signed_in_as(at_other)) == (None, "bob")


@of_both_storages
@pytest.mark.parametrize("path", ["/login", "/signout"])
async def test_a_cookie_of_the_version_before_is_taken_until_it_is_replaced(
    open_house: OpenHouse, redis: RedisServer, storage: str, path: str
) -> None:
    house = await open_house(SESSION_STORAGE=storage, REDIS_URL=redis.url)
    alice = await house.sign_in("alice")
    again = await present(house, held_by(alice), "session")
    assert await signed_in_as(again) == "alice"
    answer = await again.post(path, {"login": "alice", "password": PASSWORD})
    assert set(answer.cookies) == {"session", own_name(alice)}
    deleted = answer.cookies["session"]
    assert (deleted.value, deleted["max-age"], deleted["path"]) == ("", "0", "/")
    assert await signed_in_as(await present(house, held_by(alice), "session")) is None


async def test_a_sign_out_ends_all_sessions_that_a_browser_has_sent(house: House) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    line = f"{own_name(alice)}={held_by(alice)}; session={held_by(bob)}"
    both = await house.visitor(headers={"Cookie": line})
    assert (await both.post("/signout")).status == 303
    assert await signed_in_as(both) is None


async def test_a_cookie_of_another_program_is_left_to_it(house: House, alice: Person) -> None:
    line = f"session=theirs; chat_session_2=x; {own_name(alice)}={held_by(alice)}"
    both = await house.visitor(headers={"Cookie": line})
    for answer in (await both.log_in("alice"), await both.post("/signout")):
        assert list(answer.cookies) == [own_name(alice)]


async def test_a_cookie_encrypted_with_another_key_is_not_valid(
    house: House, alice: Person
) -> None:
    forger = Fernet(fernet_key("a key of a forger"))
    forged = forger.encrypt(FERNET.decrypt(held_by(alice))).decode()
    assert await signed_in_as(await present(house, forged)) is None


async def test_a_cookie_of_a_clock_that_is_ahead_is_taken(house: House, alice: Person) -> None:
    content = FERNET.decrypt(held_by(alice))
    for hours in (-24 * 20, 2):
        cookie = FERNET.encrypt_at_time(content, int(time.time()) + hours * 3600).decode()
        assert await signed_in_as(await present(house, cookie)) == "alice"


async def test_keys_rotate_the_first_writes_and_all_read(open_house: OpenHouse) -> None:
    old = await open_house(SECRET_KEY=("the old key",))
    both = await open_house(SECRET_KEY=("the new key", "the old key"))
    new = await open_house(SECRET_KEY=("the new key",))
    earlier = held_by(await old.sign_in("alice"))
    assert await signed_in_as(await present(both, earlier)) == "alice"
    assert await signed_in_as(await present(new, earlier)) is None
    since = held_by(await both.sign_in("bob"))
    assert await signed_in_as(await present(new, since)) == "bob"
    assert await signed_in_as(await present(old, since)) is None


def test_a_key_is_made_once_and_kept_from_everybody_else(tmp_path: Path) -> None:
    settings = Settings(DATA_DIR=tmp_path / "data")
    [key] = secret_keys(settings)
    assert len(key) == 43  # 32 random bytes
    assert secret_keys(settings) == (key,)
    [file] = (tmp_path / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert secret_keys(Settings(DATA_DIR=tmp_path / "other")) != (key,)


def test_a_key_of_any_bytes_of_the_environment_is_taken() -> None:
    key = os.fsdecode(b"\xff\xfe are no text")
    storage = session_storage.SessionCookie([key], secure=True, of_chat=key)
    assert storage.cookie_name.startswith(f"__Host-{NAME}_")


def test_a_key_that_cannot_be_kept_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "data" / "secret_key").mkdir(parents=True)
    with pytest.raises(StartError, match="SECRET_KEY is not set"):
        secret_keys(Settings(DATA_DIR=tmp_path / "data"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\t\n",
        bytes(43),
        b"key",
        b"k" * 42,
        b"no base64: " + b"k" * 32,
        b"\xff" * 43,
    ],
    ids=["nothing", "spaces", "zeros", "a word", "a part", "a text", "no text"],
)
def test_a_file_without_a_whole_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret_key"
    path.write_bytes(content)
    with pytest.raises(StartError) as error:
        secret_keys(Settings(DATA_DIR=tmp_path))
    assert f"{path} is " in str(error.value)
    assert "remove it, and everybody has to log in again." in str(error.value)
    assert path.read_bytes() == content


def test_a_longer_key_of_the_operators_own_is_taken(tmp_path: Path) -> None:
    own = secrets.token_hex(32)
    (tmp_path / "secret_key").write_text(own)
    assert secret_keys(Settings(DATA_DIR=tmp_path)) == (own,)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_stops_the_start_at_once(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "secret_key")
    with pytest.raises(StartError, match="remove it"):
        secret_keys(Settings(DATA_DIR=tmp_path))


def test_a_restored_key_is_taken_and_kept_from_everybody_else(tmp_path: Path) -> None:
    [key] = secret_keys(Settings(DATA_DIR=tmp_path / "made"))
    (tmp_path / "data").mkdir(mode=0o700)
    path = tmp_path / "data" / "secret_key"
    path.write_text(f"{key}\n")  # by an editor
    path.chmod(0o644)
    assert secret_keys(Settings(DATA_DIR=tmp_path / "data")) == (key,)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_whose_mode_cannot_be_changed_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [key] = secret_keys(Settings(DATA_DIR=tmp_path))
    (tmp_path / "secret_key").chmod(0o444)

    def fail(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "chmod", fail)
    assert secret_keys(Settings(DATA_DIR=tmp_path)) == (key,)


def test_a_key_that_cannot_be_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StartError, match="No space left"):
            secret_keys(Settings(DATA_DIR=tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert len(secret_keys(Settings(DATA_DIR=tmp_path))[0]) == 43


async def test_the_cookie_of_an_ended_session_is_worth_nothing(house: House, alice: Person) -> None:
    copy = await present(house, held_by(alice))
    assert await signed_in_as(copy) == "alice"
    response = await alice.post("/signout")
    assert (response.status, response.headers["Location"]) == (303, "/login")
    assert await signed_in_as(alice) is await signed_in_as(copy) is None
    assert (await copy.get("/ws")).status == 401
    assert (await copy.post("/", {"msg": "hi"})).status == 401
    assert await stored_sessions(house) == []


async def test_what_ends_in_another_process_ends_here_within_five_seconds(
    open_house: OpenHouse, clock: Clock
) -> None:
    here, there = await open_house(), await open_house()
    alice = await here.sign_in("alice")
    cookie = held_by(alice)
    assert await signed_in_as(await present(there, cookie)) == "alice"
    await alice.post("/signout")
    clock.now += 5
    assert await signed_in_as(await present(there, cookie)) is None


@pytest.mark.parametrize(("ahead", "login"), [(-1, None), (60, "alice")])
async def test_a_session_can_be_cut_short_in_the_database(
    house: House, alice: Person, clock: Clock, ahead: int, login: str | None
) -> None:
    [document] = await stored_sessions(house)
    # Not $set: of a date that is updated, nx-27017 0.8.1 makes text.
    document["expires"] = datetime.now(UTC) + timedelta(seconds=ahead)
    collection = house.database[SESSION_COLLECTION]
    await collection.replace_one({"_id": document["_id"]}, document)
    clock.now += 6
    assert await signed_in_as(alice) == login


async def test_sessions_that_have_expired_are_removed_while_the_chat_runs(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "REMOVE_EVERY", 0.05)
    house = await open_house()
    await house.sign_in("alice")
    [own] = await stored_sessions(house)
    expired = {**own, "_id": "expired", "seen": own["seen"] - int(LIFETIME.total_seconds()) - 60}
    await house.database[SESSION_COLLECTION].insert_one(expired)

    async def only_hers_is_left() -> bool:
        return await stored_sessions(house) == [own]

    await until(only_hers_is_left)


async def test_the_session_of_a_deleted_user_is_worth_nothing(
    house: House, alice: Person, clock: Clock
) -> None:
    await house.database[USER_COLLECTION].delete_one({"login": "alice"})
    clock.now += 6
    assert await signed_in_as(alice) is None
    assert (await alice.get("/ws")).status == 401
    assert (await alice.post("/signout")).status == 303


@pytest.mark.parametrize("path", ["/", "/login", "/signin", "/signout", "/ws"])
async def test_a_database_that_is_away_signs_nobody_out(
    alice: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    clock.now += 6
    with monkeypatch.context() as away:
        away.setattr(database, "CALL_TIMEOUT", 0)
        response = await alice.get(path)
        assert response.status == 503
        assert "Set-Cookie" not in response.headers
        assert int(response.headers["Retry-After"]) > 0
        assert "be used for the moment" in await response.text()
        assert (await alice.get("/static/css/base.css")).status == 200
        assert (await alice.get("/healthz")).status == 503
    assert await signed_in_as(alice) == "alice"


async def test_a_sign_out_that_cannot_be_stored_leaves_the_cookie(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await signed_in_as(alice) == "alice"

    async def fail(*_: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as away:
        away.setattr(house.app[SESSIONS], "collection", SimpleNamespace(delete_many=fail))
        response = await alice.post("/signout")
        assert response.status == 503
        assert "Set-Cookie" not in response.headers
    assert await signed_in_as(alice) == "alice"
    assert (await alice.post("/signout")).status == 303
    assert await signed_in_as(alice) is None


@pytest.mark.parametrize(
    ("path", "login"), [("/login", "alice"), ("/login", "bob"), ("/signin", "carol")]
)
async def test_a_login_or_a_registration_replaces_the_session_the_browser_had(
    house: House, alice: Person, bob: Person, path: str, login: str
) -> None:
    before = held_by(alice)
    assert (await alice.post(path, registration(login))).status == 303
    assert await signed_in_as(alice) == login
    assert held_by(alice) != before
    assert await signed_in_as(await present(house, before)) is None
    assert len(await stored_sessions(house)) == 2


async def test_a_failed_login_leaves_the_session_the_browser_had(house: House) -> None:
    browser = await house.sign_in("alice")
    assert (await browser.log_in("alice", "not the password")).status == 401
    assert await signed_in_as(browser) == "alice"


@pytest.mark.usefixtures("nobody_looks")
async def test_signing_out_closes_the_sockets_of_that_session_only(
    house: House, alice: Person
) -> None:
    elsewhere = await log_in(house, "alice")
    first, second, third = [await person.connect() for person in (alice, alice, elsewhere)]
    await third.next("hello")
    await alice.post("/signout")
    assert await first.close_code() == await second.close_code() == 4401
    await third.say("still here")
    assert (await third.next("message"))["msg"] == "still here"


async def test_logging_in_again_closes_the_sockets_of_the_session_before(alice: Person) -> None:
    socket = await alice.connect()
    await alice.log_in("alice")
    assert await socket.close_code() == 4401


async def test_a_classic_socket_is_closed_at_sign_out_too(alice: Person) -> None:
    ws = await alice.connect_classic()
    await alice.post("/signout")
    message = await ws.receive(timeout=PATIENCE)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert ws.close_code == 4401


async def test_a_session_that_ends_elsewhere_closes_its_sockets(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "NOTICE_EVERY", 0.02)
    here, there = await open_house(), await open_house()
    alice = await here.sign_in("alice")
    elsewhere = await present(there, held_by(alice))
    socket = await elsewhere.connect()
    await socket.next("hello")
    await alice.post("/signout")
    assert await socket.close_code() == 4401


@pytest.mark.usefixtures("nobody_looks")
async def test_a_session_that_ends_during_the_upgrade_gets_no_socket(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    [session] = await stored_sessions(house)
    prepare = web.WebSocketResponse.prepare

    async def prepare_late(ws: web.WebSocketResponse, request: web.BaseRequest) -> Any:
        await house.app[SESSIONS].end(session["_id"])
        return await prepare(ws, request)

    monkeypatch.setattr(web.WebSocketResponse, "prepare", prepare_late)
    socket = await alice.connect()
    assert await socket.close_code() == 4401

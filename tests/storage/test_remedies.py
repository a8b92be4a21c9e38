"""A database that refuses the chat, or can't be found: its name, and what to do, are said."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import SimpleNamespace
from typing import Any

import dns.resolver
import pytest

from app import create_app
from commands.check import findings
from server.logs import SeldomLogger
from settings import Settings
from storage import database
from storage.address import OURS
from storage.database import READY, Database, DatabaseFails, DatabaseUnavailable, Document
from storage.embedded import embedded_uri
from storage.mongodb import connect
from storage.outage import Outage
from tests.support.databases import database_at
from tests.support.house import House
from tests.support.imitation import Imitation
from tests.support.people import Person
from tests.support.proxies import self_signed
from tests.support.waiting import START_PATIENCE, until

SECRET = "s3cret"
BAD_AUTH = "bad auth : authentication failed for s3cret"
NOT_ALLOWED = "user is not allowed to do action [insert] on [s3cret.messages]"
NO_RETRIES = "Transaction numbers are only allowed on a replica set member or mongos"
QUOTA = "you are over your space quota, using 513 MB of 512 MB"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log as if nothing had been logged yet."""
    monkeypatch.setattr(database, "seldom", SeldomLogger(database.log))
    monkeypatch.setattr(database, "outage", Outage(database.log, "the database"))


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look only briefly for a server that can't be found."""
    monkeypatch.setitem(OURS, "serverSelectionTimeoutMS", 1000)


def refusing(code: int, name: str, text: str = SECRET) -> Callable[[Document], Document]:
    """Return an answer of the imitation."""
    return lambda body: {"ok": 0, "code": code, "codeName": name, "errmsg": text}


def with_user(address: str, options: str = "") -> str:
    """Return an address with a user and a password."""
    return address.replace("://", f"://chat:{SECRET}@") + options


async def complaint(address: str, name: str = "chat") -> DatabaseUnavailable:
    """Return with what a query of the database at an address fails."""
    async with database_at(address, name) as motor:
        with pytest.raises(DatabaseUnavailable) as raised:
            await Database(motor)["messages"].find_one({})
    assert SECRET not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("saslStart", (18, "AuthenticationFailed"), "the password and authSource"),
        ("saslStart", (11, "UserNotFound"), "the password and authSource"),
        ("saslStart", (8000, "AtlasError", BAD_AUTH), "the password and authSource"),
        ("saslStart", (334, "MechanismUnavailable"), "authMechanism"),
        ("find", (13, "Unauthorized"), "the role readWrite"),
        ("find", (8000, "AtlasError", NOT_ALLOWED), "the role readWrite"),
        ("find", (8000, "AtlasError", QUOTA), "make room"),
        ("find", (8000, "AtlasError"), "see in Atlas"),
        ("find", (20, "IllegalOperation", NO_RETRIES), "retryWrites=false"),
        ("find", (20, "IllegalOperation"), ""),
    ],
)
async def test_a_refusal_is_told_by_name_code_and_remedy_and_logged_once(
    imitation: Imitation,
    caplog: pytest.LogCaptureFixture,
    command: str,
    answer: tuple[Any, ...],
    words: str,
) -> None:
    imitation.answers[command] = refusing(*answer)
    address = with_user(imitation.address) if command == "saslStart" else imitation.address
    for _ in range(3):
        error = await complaint(address)
        assert isinstance(error, DatabaseFails)
        assert error.why == f"{answer[1]}, code {answer[0]}"
        assert (words in error.remedy) if words else not error.remedy
    assert [record.getMessage() for record in caplog.records] == [f"the database fails: {error}"]


@contextmanager
def listening(kind: str, folder: Path) -> Iterator[str]:
    """Serve what is no database, and yield its address."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            if kind == "a strange certificate":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self_signed(folder))
                with suppress(OSError), context.wrap_socket(self.request, server_side=True):
                    return
            self.request.recv(4096)
            if kind == "silence":
                self.request.recv(4096)  # until the driver gives up
            elif kind == "an alert":  # internal_error, as Atlas sends it to strange addresses
                self.request.sendall(bytes([21, 3, 3, 0, 2, 2, 80]))
            elif kind == "no TLS":
                self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield f"mongodb://chat:{SECRET}@127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("kind", "options", "reason", "words"),
    [
        ("a strange certificate", "?tls=true", "CERTIFICATE_VERIFY_FAILED", "tlsCAFile"),
        ("an alert", "?tls=true", "TLSV1_ALERT_INTERNAL_ERROR", "network access list"),
        ("an end", "?tls=true", "", "network access list"),
        ("silence", "?tls=true", "", "network access list"),
        ("silence", "", "", "network access list"),
        ("no TLS", "?tls=true", "WRONG_VERSION_NUMBER", "tls=false"),
        ("an end", "", "", "tls=true"),
    ],
)
@pytest.mark.usefixtures("hurry")
async def test_a_server_that_cannot_be_used_is_away_and_the_remedy_is_told(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    options: str,
    reason: str,
    words: str,
) -> None:
    with listening(kind, folder) as address:
        error = await complaint(address + options)
    assert not isinstance(error, DatabaseFails)
    assert error.why.startswith("ServerSelectionTimeoutError")
    assert reason in error.why
    assert words in error.remedy
    assert [record.getMessage() for record in caplog.records] == [
        f"the database is away ({error.why}): {error.remedy}"
    ]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("replicaSet=rs", "replicaSet=s3cret", "replicaSet"),
        ("127.0.0.1", "s3cret.invalid", "look up names"),
    ],
)
@pytest.mark.usefixtures("hurry")
async def test_a_wrong_name_in_the_address_is_told_apart(
    imitation: Imitation, monkeypatch: pytest.MonkeyPatch, before: str, after: str, words: str
) -> None:
    resolve_host = socket.getaddrinfo

    def look_up(name: str, *rest: Any, **options: Any) -> Any:
        if name.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve_host(name, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert words in str(await complaint(imitation.address.replace(before, after)))


@pytest.mark.usefixtures("hurry")
async def test_of_a_socket_on_this_machine_no_network_is_suspected(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{folder}/database.sock")
        silent.listen()
        error = await complaint(embedded_uri(folder))
    assert str(error) == "ServerSelectionTimeoutError"


async def test_a_member_that_is_asked_directly_and_is_no_primary_is_told(
    imitation: Imitation,
) -> None:
    direct = f"mongodb://{imitation.hosts[1 - imitation.primary]}/?directConnection=true"
    async with database_at(direct, "chat") as motor:
        with pytest.raises(DatabaseUnavailable, match=r"NotPrimaryError: .* name all"):
            await Database(motor)["messages"].insert_one({})


@pytest.mark.parametrize("kind", ["NXDOMAIN", "NoNameservers", "NoResolverConfiguration"])
async def test_a_cluster_whose_name_is_not_found_is_told_by_the_answer_of_the_dns(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise getattr(dns.resolver, kind)

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    error = await complaint(f"mongodb+srv://chat:{SECRET}@cluster.example.net/chat")
    assert error.why == kind
    assert "look up names" in error.remedy


@pytest.mark.parametrize("mechanism", ["GSSAPI", "MONGODB-AWS"])
async def test_a_log_in_for_which_something_is_not_installed_is_told(
    imitation: Imitation, mechanism: str
) -> None:
    error = await complaint(with_user(imitation.address, f"&authMechanism={mechanism}"))
    assert str(error).startswith("ConfigurationError: ")
    assert "is installed" in str(error)


async def test_a_cluster_is_found_by_its_name_with_the_options_that_the_dns_has(
    imitation: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = imitation.hosts[0].split(":")
    resolve_host = socket.getaddrinfo

    def resolve(name: str, kind: str, **_: object) -> list[Any]:
        if kind == "TXT":
            return [SimpleNamespace(strings=[b"authSource=admin&replicaSet=rs"])]
        target = SimpleNamespace(to_text=lambda **_: "shard-0.example.net")
        return [SimpleNamespace(target=target, port=int(port))]

    def look_up(name: str, *rest: Any, **options: Any) -> Any:
        return resolve_host(host if name == "shard-0.example.net" else name, *rest, **options)

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = connect("mongodb+srv://cluster.example.net/talk?tls=false&readPreference=nearest")
    assert (await client.get_default_database("chat").command("hello"))["setName"] == "rs"
    made = client.delegate.options
    assert made._options["authsource"] == "admin"
    assert made.read_preference.mongos_mode == "primary"
    client.close()


async def test_a_chat_that_is_refused_says_so_and_goes_on_once_it_is_accepted(
    imitation: Imitation,
    settings: Settings,
    aiohttp_server: Any,
    aiohttp_client: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("app.READY_WITHIN", 0.2)
    monkeypatch.setattr("app.RETRY_PAUSE", 0.1)
    imitation.answers["saslStart"] = refusing(18, "AuthenticationFailed")
    address = with_user(imitation.address, "&authMechanism=PLAIN")
    app = create_app(replace(settings, MONGO_HOST=address))
    house = House(await aiohttp_server(app), aiohttp_client)
    visitor = await house.visitor()
    assert (await visitor.get("/login")).status == 503
    monkeypatch.setattr("chat.health.FRESH_FOR", 0)

    async def fails() -> bool:  # says "away" while the driver looks for the server again
        health = await visitor.get("/healthz")
        assert health.status == 503
        return bool(await health.json() == {"status": "away", "database": "failing"})

    await until(fails)

    monkeypatch.setenv("MONGO_HOST", address)
    monkeypatch.setenv("SECRET_KEY", "a key for the tests")
    [wrong] = [found async for found in findings() if found.remedy]
    assert wrong.what == "database"
    assert wrong.remedy.startswith("AuthenticationFailed, code 18: see that the user")

    await until(lambda: imitation.count("saslStart") > 5)
    complaints = [it.getMessage() for it in caplog.records if "the database" in it.getMessage()]
    assert complaints == [f"the database fails: {wrong.remedy}"]
    assert SECRET not in caplog.text

    accepted = {"ok": 1, "conversationId": 1, "done": True, "payload": b""}
    imitation.answers["saslStart"] = lambda body: accepted
    async with asyncio.timeout(START_PATIENCE):
        await app[READY].wait()
    assert (await visitor.register("alice")).status == 303
    await until(lambda: is_well(visitor))


async def is_well(visitor: Person) -> bool:
    """Return whether the chat says that it can serve."""
    return (await visitor.get("/healthz")).status == 200

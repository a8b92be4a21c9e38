"""An imitation of a MongoDB: the tests' server, seen through a replica set of two members.

It says of itself what a MongoDB 7 says, passes commands on, and does what a test asks for: answers
in the server's place, loses replies, takes its time, steps down. The protocol is that of
https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import bson
import pymongo
from pymongo.uri_parser import parse_uri

from storage.database import Document

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = ("hello", "isMaster", "ismaster")
UNCOUNTED = (*HELLO, "ping", "endSessions", "buildInfo")  # what drivers send by themselves
WRITES = (
    *("insert", "update", "delete", "findAndModify", "createIndexes", "dropIndexes"),
    *("create", "drop", "dropDatabase", "renameCollection"),
)
READS = ("find", "getMore", "aggregate", "count", "distinct", "listCollections", "listIndexes")
CODEC = bson.CodecOptions[Document](
    tz_aware=True, datetime_conversion=bson.DatetimeConversion.DATETIME_AUTO
)
PRIMARY = {"mode": "primary"}
GRADUALLY = 0.005  # seconds between two documents

NOT_PRIMARY = {"ok": 0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary"}
TIME_IS_UP = {"ok": 0, "code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "time is up"}
NO_SECONDARY_READS = {
    **{"ok": 0, "code": 13435, "codeName": "NotPrimaryNoSecondaryOk"},
    "errmsg": "not primary and secondaryOk=false",
}


class Command(NamedTuple):
    """A command that a client has sent."""

    name: str
    body: Document
    member: int  # 0 or 1 of the replica set, 2 the standalone, 3 the router


class Imitation:
    """A replica set of two members on one server; attributes say what goes wrong there."""

    def __init__(self, server: str) -> None:
        """Set up, but don't listen; `server` is the address of the tests' server."""
        self.server = parse_uri(server)
        self.server["nodelist"] = [primary_of(server)]
        self.primary = 0  # the member that is the primary
        self.commands: list[Command] = []  # but for those that drivers send by themselves
        self.delay = 0.0  # seconds before each command
        self.answers: dict[str, Callable[[Document], Document | None]] = {}  # by name of a command
        self.loses: Callable[[str, Document], bool] = lambda name, body: False  # its reply
        self.is_gradual = False  # whether the documents of an insert become visible one by one
        self.address = self.standalone = self.router = ""
        self.hosts: list[str] = []

    @contextmanager
    def listening(self) -> Iterator["Imitation"]:
        """Serve until the end of the block."""
        with ExitStack() as stack:
            members = [stack.enter_context(Member(self, number)) for number in range(4)]
            self.hosts = [f"127.0.0.1:{member.server_address[1]}" for member in members]
            user, options = log_in(self.server)
            self.address = f"mongodb://{user}{','.join(self.hosts[:2])}/?replicaSet=rs"
            self.address += "&" * bool(options) + options
            self.standalone, self.router = (
                f"mongodb://{user}{host}/" + "?" * bool(options) + options
                for host in self.hosts[2:]
            )
            yield self

    def count(self, name: str) -> int:
        """Return how many commands of a name were sent."""
        return sum(command.name == name for command in self.commands)

    def step_down(self) -> None:
        """Make the other member the primary."""
        self.primary = 1 - self.primary

    def hello(self, member: int) -> Document:
        """Return what a member says of itself."""
        reply: Document = {
            "helloOk": True,
            "isWritablePrimary": member in (self.primary, 2, 3),
            "ismaster": member in (self.primary, 2, 3),
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "localTime": datetime.now(UTC),
            "logicalSessionTimeoutMinutes": 30,
            "minWireVersion": 0,
            "maxWireVersion": 21,
            "readOnly": False,
            "ok": 1.0,
        }
        if member == 3:
            reply["msg"] = "isdbgrid"
        elif member < 2:
            reply |= {
                "setName": "rs",
                "setVersion": 1,
                "secondary": member != self.primary,
                "hosts": self.hosts[:2],
                "primary": self.hosts[self.primary],
                "me": self.hosts[member],
            }
        return reply

    def own_answer(self, name: str, body: Document, member: int) -> Document | None:
        """Return what a member answers without the server, None if that has to answer."""
        answer = self.answers.get(name)
        if name in HELLO:
            return (answer(body) if answer else None) or self.hello(member)
        if name == "endSessions":
            return {"ok": 1.0}
        if member == 1 - self.primary:
            if name in WRITES:
                labels = ["RetryableWriteError"] if "txnNumber" in body else []
                return {**NOT_PRIMARY, "errorLabels": labels}
            if name in READS and body.get("$readPreference", PRIMARY)["mode"] == "primary":
                return NO_SECONDARY_READS
        return answer(body) if answer else None


class Member(ThreadingTCPServer):
    """One address of the imitation."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, imitation: Imitation, number: int) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.imitation, self.number = imitation, number
        self.open: set[socket.socket] = set()

    def __enter__(self) -> "Member":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Connection(BaseRequestHandler):
    """One connection of a client, with one of its own to the server."""

    server: Member

    def handle(self) -> None:
        """Carry out commands until either side closes."""
        imitation = self.server.imitation
        self.server.open.add(self.request)
        try:
            with suppress(OSError), reach(imitation.server) as server:  # which may be gone
                while request := read_message(self.request):
                    if not self._carry_out(request, server):
                        return
        finally:
            self.server.open.discard(self.request)

    def _carry_out(self, request: bytes, server: socket.socket) -> bool:
        """Answer a request; return False if the connection is to end."""
        imitation, member = self.server.imitation, self.server.number
        _, request_id, _, opcode = struct.unpack_from("<iiii", request)
        body = decode(request)
        name = next(iter(body))
        if imitation.delay:
            time.sleep(imitation.delay)
        if name not in UNCOUNTED:
            imitation.commands.append(Command(name, body, member))
        reply = imitation.own_answer(name, body, member)
        if reply is None:
            if name == "insert" and imitation.is_gradual:
                reply = insert_gradually(server, body)
            else:
                reply = ask(server, body)
        if imitation.loses(name, body):
            return False
        self.request.sendall(encode(reply, request_id, opcode))
        return True


@contextmanager
def imitate(server: str) -> Iterator[Imitation]:
    """Imitate a MongoDB in front of the tests' server until the end of the block."""
    with Imitation(server).listening() as imitation:
        yield imitation


@cache
def primary_of(server: str) -> tuple[str, int | None]:
    """Return the host and port of the server that takes what is written; no port of a socket."""
    with pymongo.MongoClient[Document](server) as client:
        client.admin.command("ping")
        return client.primary or min(client.nodes)


def log_in(server: dict[str, Any]) -> tuple[str, str]:
    """Return how an address begins and ends where the server asks for a log-in.

    Its replies pass the imitation, but not what its greeting says of the ways to log in.
    """
    user, password = server["username"], server["password"]
    if not user:
        return "", ""
    source = server["options"].get("authSource") or server["database"] or "admin"
    return (
        f"{quote_plus(user)}:{quote_plus(password)}@",
        f"authSource={quote_plus(source)}&authMechanism=SCRAM-SHA-256",
    )


@contextmanager
def reach(server: dict[str, Any]) -> Iterator[socket.socket]:
    """Yield a connection to the tests' server."""
    host, port = server["nodelist"][0]
    options = server["options"]
    with ExitStack() as stack:
        if port is None:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(host)
        else:
            connection = stack.enter_context(socket.create_connection((host, port)))
        if options.get("tls"):
            context = ssl.create_default_context(cafile=options.get("tlsCAFile"))
            secured = context.wrap_socket(connection, server_hostname=host)
            connection = stack.enter_context(secured)
        yield connection


def insert_gradually(server: socket.socket, body: Document) -> Document:
    """Insert documents so that readers may see only the first of them."""
    stored = 0
    for index, document in enumerate(body["documents"]):
        if index:
            time.sleep(GRADUALLY)
        reply = ask(server, {**body, "documents": [document]})
        if not reply["ok"]:
            return reply
        if errors := reply.get("writeErrors"):
            return {**reply, "n": stored, "writeErrors": [{**errors[0], "index": index}]}
        stored += reply["n"]
    return {"ok": 1.0, "n": stored}


def ask(server: socket.socket, body: Document) -> Document:
    """Return the server's reply to a command."""
    server.sendall(encode(body, 0, OP_MSG))
    return decode(read_message(server))


def read_message(connection: socket.socket) -> bytes:
    """Return the next message, which begins with its length; nothing at the end."""
    head = receive(connection, 4)
    return head and head + receive(connection, int.from_bytes(head, "little") - 4)


def receive(connection: socket.socket, length: int) -> bytes:
    """Return so many bytes, or none if the connection ends before."""
    received = bytearray()
    while len(received) < length:
        data = connection.recv(length - len(received))
        if not data:
            return b""
        received += data
    return bytes(received)


def decode(message: bytes) -> Document:
    """Return the command or the reply that a message holds."""
    if not message:
        raise ConnectionError
    opcode = struct.unpack_from("<i", message, 12)[0]
    if opcode == OP_QUERY:  # as drivers begin
        at = message.index(b"\0", 20) + 9
        return bson.decode(message[at : at + int.from_bytes(message[at : at + 4], "little")])
    at, body = 20, Document()
    sequences: dict[str, list[Document]] = {}
    while at < len(message):
        kind, at = message[at], at + 1
        end = at + int.from_bytes(message[at : at + 4], "little")
        if kind == 0:
            body = bson.decode(message[at:end], CODEC)
        else:  # documents of an insert, or other parts of a list
            name_end = message.index(b"\0", at + 4)
            name = message[at + 4 : name_end].decode()
            sequences[name] = bson.decode_all(message[name_end + 1 : end], CODEC)
        at = end
    return {**body, **sequences}


def encode(body: Document, answers: int, opcode: int) -> bytes:
    """Return a message; `answers` is the id of the request that it answers, 0 for a request."""
    document = bson.encode(body, codec_options=CODEC)
    if opcode == OP_QUERY:
        opcode, rest = OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + document
    else:
        rest = struct.pack("<iB", 0, 0) + document
    return struct.pack("<iiii", 16 + len(rest), 1, answers, opcode) + rest

"""A database and a Redis in memory, as the journal and the relay see them, which dice torment."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import redis.exceptions
from pymongo.errors import AutoReconnect
from redis.exceptions import LockError, LockNotOwnedError

from storage.database import Conflict, Document, deadline
from storage.redis_client import CALL_TIMEOUT
from tests.simulation.virtual_time import RUNNING, outside

QUICK = 0.002  # seconds that a message takes on its way
LATEST = 5  # seconds that one may take at worst: longer than anybody waits for an answer

T = TypeVar("T")


def now() -> float:
    """Return the time, which is virtual."""
    return asyncio.get_running_loop().time()


class Network:
    """Carries what programs and servers tell each other; the dice decide how, and whether."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.trouble = 0.0  # from 0, when all is well and in order, to 1
        self.trace: list[str] = []  # what happened, for those who look for a fault

    def note(self, event: str) -> None:
        """Remember that something happened."""
        self.trace.append(f"{now():9.4f}  {event}")

    def happens(self, chance: float) -> bool:
        """Return whether something goes wrong that does so with a chance, when all is at worst."""
        return self.dice.random() < chance * self.trouble

    def delay(self) -> float:
        """Return how long something is on its way."""
        if self.happens(0.01):
            return self.dice.uniform(0, LATEST)
        if self.happens(0.05):
            return self.dice.uniform(0, 1)
        return self.dice.expovariate(1 / QUICK) if self.trouble else QUICK


class Server:
    """What a database and a Redis have in common: they are asked, and may not answer."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.still_until = 0.0  # until then nothing is done, and nothing refused

    async def ask(self, what: Callable[[], T], lost: Exception) -> T:
        """Let the server do something, and return its answer, or raise what a lost one raises."""
        program, network = RUNNING.get(), self.network
        if program and program.is_killed:
            raise asyncio.CancelledError
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def fail(error: Exception) -> None:
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # who asked may be killed before it hears of it

        def arrive() -> None:
            if now() < self.still_until:
                outside(self.still_until - now(), arrive)
                return
            try:
                result = what()
            except Exception as error:
                outside(network.delay(), fail, error)
            else:
                if not is_unanswered:
                    outside(network.delay(), succeed, result)

        def succeed(result: T) -> None:
            if not answer.done():
                answer.set_result(result)

        is_lost, is_unanswered = network.happens(0.03), network.happens(0.04)
        if not is_lost:
            outside(network.delay(), arrive)
        if (is_lost or is_unanswered) and network.dice.random() < 0.7:
            outside(
                network.dice.uniform(0, 1), fail, lost
            )  # the connection breaks; or nobody tells
        return await answer


class Log(Server):
    """The collection of messages: what of Collection's the journal uses, with its deadline."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.documents: dict[int, Document] = {}  # by number
        self._keys: set[str] = set()

    def copy(self) -> "Log":
        """Return another collection with the same documents."""
        copy = Log(self.network)
        copy.documents = {seq: document.copy() for seq, document in self.documents.items()}
        copy._keys = self._keys.copy()
        return copy

    async def find(self, where: Document, *, sort: tuple[str, int], limit: int) -> list[Document]:
        """Return the documents that a filter matches, sorted by number, at most `limit`."""
        name, direction = sort
        assert name in where or name == "seq"
        return await self._ask(lambda: self._matching(where)[::direction][:limit])

    async def find_one(self, where: Document) -> Document | None:
        """Return the document that a filter matches."""
        return next(iter(await self._ask(lambda: self._matching(where))), None)

    async def update_one(self, where: Document, change: Document) -> bool:
        """Change a document; return whether the filter matched one."""
        return await self._ask(lambda: self._update(where, change))

    async def update_many(self, where: Document, change: Document) -> None:
        """Change all documents that a filter matches."""
        await self._ask(lambda: self._update(where, change))

    async def insert_in_order(self, documents: list[Document]) -> None:
        """Store documents in order, up to the first whose number or key exists. Raises Conflict."""
        if not await self._ask(lambda: self._insert(documents)):
            raise Conflict

    async def _ask(self, what: Callable[[], T]) -> T:
        async with deadline():
            return await self.ask(what, AutoReconnect("the connection is lost"))

    def _matching(self, where: Document) -> list[Document]:
        """Return copies of the documents that a filter matches, sorted by number."""
        numbers = sorted(seq for seq, d in self.documents.items() if _matches(d, where))
        return [self.documents[seq].copy() for seq in numbers]

    def _insert(self, documents: Sequence[Document]) -> bool:
        count = len(documents)
        is_cut = self.network.happens(0.05)  # as when an embedded server is killed
        for document in documents[: self.network.dice.randrange(count) if is_cut else count]:
            seq, key = document["seq"], document["key"]
            if seq in self.documents or key in self._keys:
                self.network.note(f"{key} is refused as {seq}")
                return False
            self.network.note(f"{key} is stored as {seq}")
            self.documents[seq] = document.copy()
            self._keys.add(key)
        if is_cut:
            raise AutoReconnect("the database was killed")
        return True

    def _update(self, where: Document, change: Document) -> bool:
        matching = [d for d in self.documents.values() if _matches(d, where)]
        for document in matching:
            document.update(change.get("$set", {}))
            for name in change.get("$unset", {}):
                document.pop(name, None)
        return bool(matching)


class Processes(Server):
    """The collection of processes: what of Collection's Peers uses, with its deadline."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.tokens: dict[str, Document] = {}  # by the id of a process

    def copy(self) -> "Processes":
        """Return another collection with the same documents."""
        copy = Processes(self.network)
        copy.tokens = self.tokens.copy()
        return copy

    async def find(self, where: Document, *, sort: tuple[str, int], limit: int) -> list[Document]:
        """Return all documents, at most `limit`."""
        return await self._ask(lambda: list(self.tokens.values())[:limit])

    async def update_one(self, where: Document, change: Document) -> bool:
        """Change a document; return whether there is one."""
        return await self._ask(lambda: self._update(where["_id"], change["$set"]))

    async def insert_one(self, document: Document) -> None:
        """Store a document."""
        await self._ask(lambda: self.tokens.update({document["_id"]: document}))

    async def _ask(self, what: Callable[[], T]) -> T:
        async with deadline():
            return await self.ask(what, AutoReconnect("the connection is lost"))

    def _update(self, process: str, values: Document) -> bool:
        if is_there := process in self.tokens:
            self.tokens[process] = {"_id": process, **values}
        return is_there


def _matches(document: Document, query: Document) -> bool:
    return all(_fits(document.get(name), wanted) for name, wanted in query.items())


def _fits(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return all(_holds(value, *each) for each in wanted.items())


def _holds(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "$gt":
            return value is not None and bool(value > operand)
        case "$lt":
            return value is not None and bool(value < operand)
        case "$in":
            return value in operand
    raise ValueError(f"the simulated database has no {operator}")


class RedisServer(Server):
    """A Redis with one lock and its Pub/Sub."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.is_away = self.refuses_locks = False
        self.keys_lost_at = -float("inf")
        self.on_lease: Callable[[Client], None] = lambda holder: None
        self._holder: tuple[str, float] = ("", 0)  # the token of the lock, and when it expires
        self._tokens = map(str, itertools.count(1))
        self._pubsubs: list[PubSub] = []
        self.published: list[tuple[str, bytes]] = []  # somebody has recorded it

    def connect(self) -> "Client":
        """Return a client, in place of the library's."""
        return Client(self)

    def lose_keys(self) -> None:
        """Forget everything and everybody, as a Redis that starts again."""
        self.network.note("Redis has lost all it knew")
        self.keys_lost_at = now()
        self._holder = ("", 0)
        for pubsub in self._pubsubs:
            pubsub.inbox.put_nowait(None)
        self._pubsubs.clear()

    def deafen(self, client: "Client") -> None:
        """Forget what a client has subscribed to, without a word."""
        self._pubsubs = [pubsub for pubsub in self._pubsubs if pubsub.client is not client]

    def next_token(self) -> str:
        """Return a new token for the lock."""
        return next(self._tokens)

    async def request(self, what: Callable[[], T]) -> T:
        """Do something for a client, which waits for a second at most."""

        def serve() -> T:
            if self.is_away:
                raise redis.exceptions.ConnectionError("refused")
            return what()

        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await self.ask(serve, redis.exceptions.ConnectionError("lost"))
        except TimeoutError:
            raise redis.exceptions.TimeoutError from None

    def take_lock(self, client: "Client", token: str, seconds: float, is_renewal: bool) -> bool:
        """Give the lock to a client, or for longer to the one that has it."""
        if self.refuses_locks:
            raise redis.exceptions.ReadOnlyError("a replica cannot write")
        is_free = now() >= self._holder[1]
        is_own = not is_free and self._holder[0] == token
        if not (is_own if is_renewal else is_free):
            return False
        if not is_renewal:
            self.on_lease(client)
        self._holder = (token, now() + seconds)
        return True

    def release_lock(self, token: str) -> None:
        """Free the lock."""
        if self._holder[0] == token:
            self._holder = ("", 0)

    def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send messages to those who have subscribed: lost, twice or out of order."""
        for channel, data in messages:
            self.published.append((channel, data))
            for pubsub in self._pubsubs:
                if channel in pubsub.channels:
                    for _ in range(0 if self.network.happens(0.05) else 1):
                        outside(self.network.delay(), pubsub.inbox.put_nowait, data)
                    if self.network.happens(0.05):
                        outside(self.network.delay(), pubsub.inbox.put_nowait, data)

    def subscribe(self, pubsub: "PubSub", channel: str) -> None:
        """Let a client hear a channel."""
        pubsub.channels.add(channel)
        if pubsub not in self._pubsubs:
            self._pubsubs.append(pubsub)

    def unsubscribe_all(self, pubsub: "PubSub") -> None:
        """Forget a client's connection."""
        if pubsub in self._pubsubs:
            self._pubsubs.remove(pubsub)


class Client:
    """One program's client: what of redis.asyncio's the relay uses."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    def lock(self, name: str, timeout: float, thread_local: bool) -> "Lock":
        """Return a lock that expires."""
        return Lock(self, timeout)

    def pipeline(self, transaction: bool) -> "Pipeline":
        """Return an empty pipeline."""
        return Pipeline(self.server)

    def pubsub(self, ignore_subscribe_messages: bool) -> "PubSub":
        """Return a connection for Pub/Sub, which has subscribed to nothing."""
        return PubSub(self)

    async def publish(self, channel: str, data: bytes) -> None:
        """Publish one message."""
        await self.server.request(lambda: self.server.publish([(channel, data)]))

    async def aclose(self) -> None:
        """Close its connections."""
        self.server.deafen(self)


class Lock:
    """A lock; only who has its token can renew or release it."""

    def __init__(self, client: Client, timeout: float) -> None:
        self._client, self._timeout = client, timeout
        self._token: str | None = None

    async def acquire(self, blocking: bool) -> bool:
        """Take the lock, if it is free."""
        token = self._client.server.next_token()
        if is_taken := await self._take(token, is_renewal=False):
            self._token = token
        return is_taken

    async def reacquire(self) -> bool:
        """Take it for another while. Raises LockError."""
        if self._token is None:
            raise LockError("never acquired")
        if not await self._take(self._token, is_renewal=True):
            raise LockNotOwnedError("expired")
        return True

    async def release(self) -> None:
        """Give it back. Raises LockError."""
        if (token := self._token) is None:
            raise LockError("never acquired")
        await self._client.server.request(lambda: self._client.server.release_lock(token))
        self._token = None

    async def _take(self, token: str, is_renewal: bool) -> bool:
        client = self._client
        return await client.server.request(
            lambda: client.server.take_lock(client, token, self._timeout, is_renewal)
        )


class Pipeline:
    """Messages to be published."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._messages: list[tuple[str, bytes]] = []

    def publish(self, channel: str, data: bytes) -> None:
        """Add a message."""
        self._messages.append((channel, data))

    async def execute(self) -> None:
        """Publish them."""
        await self._server.request(lambda: self._server.publish(self._messages))


class PubSub:
    """A connection that hears what is published."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.channels: set[str] = set()
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()  # None: it is broken

    async def __aenter__(self) -> "PubSub":
        return self

    async def __aexit__(self, *error: object) -> None:
        self.client.server.unsubscribe_all(self)

    async def subscribe(self, channel: str) -> None:
        """Hear a channel."""
        server = self.client.server
        await server.request(lambda: server.subscribe(self, channel))

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no more."""
        await self.client.server.request(lambda: self.channels.discard(channel))

    async def get_message(self, timeout: float) -> dict[str, bytes] | None:
        """Return what comes, if something comes within some seconds."""
        try:
            async with asyncio.timeout(timeout):
                data = await self.inbox.get()
        except TimeoutError:
            return None
        if data is None:
            raise redis.exceptions.ConnectionError("closed")
        return {"data": data}

"""The history checker: clients that talk through every fault, and the judge of what they lived.

A client does what the page does (static/js: connection, outbox and log), and keeps a record.
"""

import asyncio
import json
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from chat.entry import MessageEntry, nonce_of
from settings import MESSAGE_COLLECTION
from storage.database import MotorDatabase
from tests.support.accounts import signed_in
from tests.support.pages import HistoryPage, Shown

LONGEST_PAUSE = 0.3  # seconds until a client comes back; the page waits longer and longer
RETRY_PAUSE = 0.2  # seconds until it sends again what could not be saved; the page's is 2 s
MOST_WAITING = 20  # messages of a client that goes on talking
ANSWER_WITHIN = 10  # seconds; more than the chat waits for its database
REST_WITHIN = 40  # seconds until everything that was said is stored and shown


@dataclass
class History:
    """What one client lived through."""

    name: str
    user: str
    said: dict[str, str] = field(default_factory=dict)  # texts by nonce, in order
    acknowledged: list[tuple[str, int]] = field(default_factory=list)  # (nonce, seq), also repeats
    screen: list[Shown] = field(default_factory=list)


async def check(clients: Iterable["Client"], database: MotorDatabase) -> None:
    """Assert that what the clients lived is what is stored. To be called when all is at rest."""
    documents = await database[MESSAGE_COLLECTION].find({}).sort("seq", 1).to_list(None)
    log = [MessageEntry.from_document(document) for document in documents]
    judge([client.history for client in clients], log)


def judge(histories: Sequence[History], log: Sequence[MessageEntry]) -> None:
    """Assert that the log is dense and everybody's, and that every screen shows all of it."""
    _judge_numbers(log)
    _judge_authors(histories, log)
    lines = [Shown(entry.seq, entry.user, entry.msg) for entry in log]
    seqs = {(entry.user, nonce_of(entry)): entry.seq for entry in log}
    for history in histories:
        _judge_answers(history, seqs)
        _judge_screen(history, lines)


def _judge_numbers(log: Sequence[MessageEntry]) -> None:
    for number, entry in enumerate(log, 1):
        assert entry.seq == number, f"the log has {entry.seq} where {number} belongs"
    for what in ([e.key for e in log], [(e.user, nonce_of(e)) for e in log]):
        doubled = [key for key, count in Counter(what).items() if count > 1]
        assert not doubled, f"stored more than once: {doubled}"


def _judge_authors(histories: Sequence[History], log: Sequence[MessageEntry]) -> None:
    said = {(h.user, nonce): text for h in histories for nonce, text in h.said.items()}
    for entry in log:
        text = said.get((entry.user, nonce_of(entry)))
        assert text is not None, f"nobody said what is stored: {entry}"
        assert text == entry.msg, f"{text!r} was said, stored is {entry}"


def _judge_answers(history: History, seqs: dict[tuple[str, str], int]) -> None:
    name, user = history.name, history.user
    for nonce, seq in history.acknowledged:
        found = seqs.get((user, nonce))
        assert found is not None, f"{nonce} of {name} was acknowledged, and is lost"
        assert found == seq, f"{nonce} of {name} was acknowledged as {seq}, and is {found}"
    order = [seqs[user, nonce] for nonce in history.said if (user, nonce) in seqs]
    assert order == sorted(order), f"what {name} said is stored out of order: {order}"


def _judge_screen(history: History, lines: Sequence[Shown]) -> None:
    if history.screen == lines:
        return
    whose = f"on the screen of {history.name}"
    shown = Counter(history.screen)
    assert not (extra := shown.keys() - set(lines)), f"not stored, but {whose}: {sorted(extra)}"
    assert not (lost := set(lines) - shown.keys()), f"missing {whose}: {sorted(lost)}"
    assert max(shown.values(), default=0) == 1, f"shown more than once {whose}"
    raise AssertionError(f"out of order {whose}")


class Client:
    """One tab: it shows what comes, says what it is told to, and comes back by itself."""

    def __init__(
        self,
        history: History,
        session: aiohttp.ClientSession,
        doors: Sequence[str],
        dice: random.Random,
        copies: int = 1,
    ) -> None:
        """Set up, but don't connect: `doors` are the addresses to choose from at each visit,
        `copies` is how many times at most each message is sent."""
        self.history = history
        self.visits = self.reloads = self.refusals = self.resent = 0
        self.close_codes: list[int | None] = []
        self.refused: list[int] = []  # visits, with these statuses
        self.doors_used: set[str] = set()
        self.last = 0  # the number of the last message shown
        self.is_away = False  # it stays away as long as this is set
        self._session, self._doors, self._dice, self._copies = session, doors, dice, copies
        self._waiting: dict[str, str] = {}  # frames by nonce; only the first is ever under way
        self._sent: set[str] = set()  # nonces
        self._is_refused = False
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._changed = asyncio.Event()

    def say(self, msg: str) -> str:
        """Say something as soon as that is possible, and return its nonce."""
        nonce = f"{self.history.name}-{len(self.history.said) + 1}"
        self.history.said[nonce] = msg
        self._wait_for(nonce)
        return nonce

    def repeat(self, nonce: str) -> None:
        """Send once more what has been acknowledged."""
        self._wait_for(nonce)

    async def leave(self) -> None:
        """Close the socket, and stay away until `is_away` is taken back."""
        self.is_away = True
        if self._ws is not None:
            await self._ws.close()

    @property
    def waiting(self) -> int:
        """How much of what it said is not acknowledged yet."""
        return len(self._waiting)

    async def answered(self) -> None:
        """Wait until all it said is acknowledged."""
        await self._until(lambda: not self._waiting)

    async def shown(self, seq: int) -> None:
        """Wait until the screen has come as far as a number."""
        await self._until(lambda: self.last >= seq)

    async def visited(self, times: int) -> None:
        """Wait until it has connected as many times."""
        await self._until(lambda: self.visits >= times)

    async def live(self) -> None:
        """Connect, and connect again, for ever."""
        while True:
            if not self.is_away:
                try:
                    await self._visit(self._dice.choice(self._doors))
                except aiohttp.WSServerHandshakeError as refused:
                    self.refused.append(refused.status)
                except (aiohttp.ClientError, OSError, TimeoutError):
                    pass
            # Full jitter, as the page has it.
            await asyncio.sleep(self._dice.uniform(0, LONGEST_PAUSE))

    def _wait_for(self, nonce: str) -> None:
        frame = {"type": "message", "msg": self.history.said[nonce], "nonce": nonce}
        self._waiting[nonce] = json.dumps(frame)
        self._change()

    def _change(self) -> None:
        """Wake everybody who waits for this client."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self._changed.wait()

    async def _visit(self, door: str) -> None:
        query = {"since": str(self.last)} | ({"returning": ""} if self.visits else {})
        async with asyncio.timeout(ANSWER_WITHIN):
            ws = await self._session.ws_connect(
                f"{door}/ws",
                params=query,
                protocols=["chat.v1"],
                timeout=aiohttp.ClientWSTimeout(ws_close=1),
            )
        self._ws = ws
        frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        receiving = asyncio.create_task(receive(ws, frames))
        speaking: asyncio.Task[None] | None = None
        try:
            while frame := await frames.get():
                assert (frame["type"] == "hello") is (speaking is None), frame
                await self._take(door, frame)
                if speaking is None:
                    speaking = asyncio.create_task(self._speak(ws))
                self._change()
            await receiving
        finally:
            self._ws = None
            tasks = [task for task in (receiving, speaking) if task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await ws.close()
            self.close_codes.append(ws.close_code)
            self._change()

    async def _take(self, door: str, frame: dict[str, Any]) -> None:
        if frame["type"] == "hello":
            assert frame["user"] == self.history.user
            self.visits += 1
            self.doors_used.add(door)
            if frame["truncated"]:
                await self._reload(door)
        elif frame["type"] == "message":
            self._acknowledge(frame["user"], frame["nonce"], frame["seq"])
            self._show(Shown(frame["seq"], frame["user"], frame["msg"]))
        elif frame["type"] == "error":
            assert frame["code"] == "unavailable", frame
            self.refusals += 1
            self._is_refused = True

    def _acknowledge(self, user: str, nonce: str, seq: int) -> None:
        if user == self.history.user and nonce in self.history.said:
            self.history.acknowledged.append((nonce, seq))
            if nonce == next(iter(self._waiting), None):
                del self._waiting[nonce]

    def _show(self, line: Shown) -> None:
        if line.seq > self.last:
            self.last = line.seq
            self.history.screen.append(line)

    async def _speak(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Send what waits, each message after the one before it is acknowledged."""
        while True:
            await self._until(lambda: bool(self._waiting))
            nonce, frame = next(iter(self._waiting.items()))
            self.resent += nonce in self._sent
            self._sent.add(nonce)
            self._is_refused = False
            for _ in range(self._dice.randint(1, self._copies)):
                await ws.send_str(frame)
            await self._settled(nonce)
            if self._is_refused:
                await asyncio.sleep(RETRY_PAUSE)

    async def _settled(self, nonce: str) -> None:
        await self._until(lambda: nonce not in self._waiting or self._is_refused)

    async def _reload(self, door: str) -> None:
        """Take the history from the pages, from the newest back to the first."""
        lines: list[Shown] = []
        path: str | None = "/"
        while path:
            async with self._session.get(f"{door}{path}", allow_redirects=False) as response:
                response.raise_for_status()
                page = HistoryPage(await response.text())
            lines[:0] = page.lines
            path = page.older
        self.history.screen[:] = lines
        self.last = lines[-1].seq if lines else 0
        self.reloads += 1


async def receive(
    ws: aiohttp.ClientWebSocketResponse, frames: asyncio.Queue[dict[str, Any] | None]
) -> None:
    """Receive frames until the socket closes, then None.

    As in a browser, which answers a close frame even while the page is busy with an earlier frame.
    """
    try:
        async for message in ws:
            if message.type is aiohttp.WSMsgType.ERROR:
                raise message.data  # what came is no WebSocket frame
            assert message.type is aiohttp.WSMsgType.TEXT, message
            frames.put_nowait(json.loads(message.data))
    finally:
        frames.put_nowait(None)


async def come_to_rest(clients: Iterable[Client], database: MotorDatabase) -> None:
    """Wait until all that was said is acknowledged, and every screen shows the last number."""
    clients, who = list(clients), ""
    try:
        async with asyncio.timeout(REST_WITHIN):
            for client in clients:
                who = f"{client.history.name} to be acknowledged"
                await client.answered()
            [end] = await database[MESSAGE_COLLECTION].find().sort("seq", -1).limit(1).to_list(None)
            for client in clients:
                who = f"{client.history.name}, who shows {client.last}, to show {end['seq']}"
                await client.shown(end["seq"])
    except TimeoutError:
        raise AssertionError(f"no rest, still waiting for {who}") from None


async def talk(client: Client, per_second: float, dice: random.Random) -> None:
    """Let a client talk for ever, at a pace of its own: so long are the pauses.

    On a slow machine it says no more than can be acknowledged, or there would be no rest.
    """
    while True:
        if client.waiting < MOST_WAITING:
            client.say(f"{client.history.name} says {len(client.history.said) + 1}")
        await asyncio.sleep(dice.expovariate(per_second))


@asynccontextmanager
async def talking(
    clients: Iterable[Client], per_second: float, dice: random.Random
) -> AsyncIterator[None]:
    """Let clients talk while the body runs, together as many messages per second."""
    clients = list(clients)
    pace = per_second / len(clients)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(talk(client, pace, dice)) for client in clients]
        yield
        for task in tasks:
            task.cancel()


@dataclass
class Company:
    """Clients of a chat, its database, and the dice that decide when a fault comes."""

    clients: list[Client]
    database: MotorDatabase
    dice: random.Random

    @asynccontextmanager
    async def judged(self, pace: float, speakers: int | None = None) -> AsyncIterator[None]:
        """Let clients talk while the body runs, let all come to rest, and judge what they lived.

        The first few speak, or all of them, together as many messages per second.
        """
        async with talking(self.clients[:speakers], pace, self.dice):
            yield
        await come_to_rest(self.clients, self.database)
        await check(self.clients, self.database)

    async def a_while(self, shortest: float = 0.5, longest: float = 2) -> None:
        """Let the talk go on for a random time: when a fault comes is part of the fault."""
        await asyncio.sleep(self.dice.uniform(shortest, longest))


@asynccontextmanager
async def visited(
    doors: Sequence[str],
    clients: int,
    dice: random.Random,
    *,
    accounts: int = 3,
    copies: int = 1,
    tls: ssl.SSLContext | bool = True,
) -> AsyncIterator[list[Client]]:
    """Bring clients, several of each of a few accounts, to the chat behind the doors."""
    async with AsyncExitStack() as stack:
        people = [
            (name, await stack.enter_async_context(signed_in(doors[0], name, tls=tls)))
            for name in (f"user{number}" for number in range(accounts))
        ]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        company = [
            Client(History(f"c{number}", user), session, doors, dice, copies)
            for number, (user, session) in zip(range(clients), people * clients, strict=False)
        ]
        lives = [group.create_task(client.live()) for client in company]
        for client in company:
            await client.visited(1)
        yield company
        for life in lives:
            life.cancel()

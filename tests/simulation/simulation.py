"""Deterministic simulation: three processes in virtual time, where a seed decides what goes wrong.

The journals and the relays are the real ones. The database and Redis are made for this (see
servers.py), and so is the loop (see virtual_time.py).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import pytest

from chat.entry import (
    DELETED,
    EDITED,
    ChangeEntry,
    Entry,
    MessageEntry,
    change_key,
    is_change,
    message_key,
    nonce_of,
)
from chat.journal import Journal
from server.metrics import Metrics
from settings import Settings
from storage.database import DatabaseUnavailable, Document
from storage.peers import PROCESS_COLLECTION
from storage.redis_relay import ANOTHER_DATABASE, LEASE, RedisRelay
from tests.simulation.servers import (
    LATEST,
    Client,
    Log,
    Network,
    Processes,
    RedisServer,
    Server,
    now,
)
from tests.simulation.virtual_time import Program, run
from tests.support.history import History, judge
from tests.support.pages import Shown

PROCESSES = 3
SPEAKERS = 4
WORDS = 12  # messages and changes of each speaker
MEAN_PAUSE = 0.6  # seconds between them
TROUBLE_LASTS = 10  # seconds
MEAN_PEACE = 0.8  # seconds between faults
SETTINGS = Settings(SECRET_KEY=("a key for the tests",), REDIS_URL="redis://simulated")
# So short that entries of long ago, and batches that are full, come in a short time.
LIMITS = {
    "chat.journal.RECENT_LENGTH": 6,
    "chat.recent.RECENT_LENGTH": 6,
    "chat.journal.ENTRIES_PER_INSERT": 3,
}

# Seconds, as promised:
REST_WITHIN = 15  # until all that was said is acknowledged, once all is well
JOINED_WITHIN = 8  # until the processes know who writes, once all is well
ANSWERED_WITHIN = 5
STORED_WITHIN = 0.5  # when all is well; a draft that the writer does not get takes a second
HEARD_WITHIN = 0.2  # with Redis
POLLED_WITHIN = 2.5  # without it

T = TypeVar("T")


class Fault(AssertionError):
    """What a simulation has found."""


class Process(Program):
    """One life of a process: between its start and its end it delivers the log."""

    def __init__(self, simulation: "Simulation", name: str, log: Log, processes: Processes) -> None:
        super().__init__()
        self.name = name
        db = {PROCESS_COLLECTION: processes}
        self.relay = RedisRelay(simulation.redis.connect(), SETTINGS, db)  # type: ignore[arg-type]
        self.relay.join("the log")
        self.journal = Journal(log, self.relay, Metrics())  # type: ignore[arg-type]
        self.relay.listen("stored", self._deliver)
        self.shown: list[Entry] = []
        self.is_open = self.is_ending = False
        self.undisturbed_since = 0.0
        self._network = simulation.network
        self.start(self._live())

    @property
    def is_there(self) -> bool:
        """Whether somebody can speak to it."""
        return self.is_open and not self.is_killed and not self.is_ending

    def go_on(self) -> None:
        """Let it go on, as SIGCONT does."""
        self.undisturbed_since = now()
        super().go_on()

    async def end(self) -> None:
        """End as the chat does when it is told to."""
        self.is_ending = True
        await self.start(self.journal.drain(1.5))
        await self.start(self.relay.close())
        self.kill()

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.relay.run())
            tasks.create_task(self._write())

    async def _write(self) -> None:
        while not self.is_open:
            try:
                await self.journal.open()
            except DatabaseUnavailable:
                await asyncio.sleep(1)
            else:
                self.is_open = True
        self.shown += self.journal.recent.entries
        self._network.note(f"{self.name} begins after {self.journal.recent.last}")
        await self.journal.run()

    def _deliver(self, entries: Sequence[Entry]) -> None:
        self._network.note(f"{self.name} delivers {[entry.seq for entry in entries]}")
        self.shown += entries


class Speaker:
    """Says and changes messages, each until it is acknowledged, as the page does."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        self.history = History(name, name)
        self.changes: dict[str, Document] = {}  # by nonce
        self._simulation, self._dice = simulation, simulation.dice
        self._own: list[int] = []  # the numbers of its messages

    async def talk(self) -> None:
        """Say one thing after the other, and some of them again."""
        repeats: list[asyncio.Task[None]] = []
        for number in range(WORDS):
            # Once the trouble is over, there is nothing to wait for.
            pause = self._dice.expovariate(1 / MEAN_PAUSE)
            await asyncio.sleep(max(0, min(pause, TROUBLE_LASTS - now())))
            key, content = self._next(f"{self.history.name}-{number}")
            copies = 1 + (self._dice.random() < 0.2)
            await asyncio.gather(*(self._insist(key, content) for _ in range(copies)))
            if self._dice.random() < 0.2:
                repeats.append(asyncio.create_task(self._repeat(key, content)))
        await asyncio.gather(*repeats)

    def _next(self, nonce: str) -> tuple[str, Document]:
        name, text = self.history.name, f"text of {nonce}"
        if not self._own or self._dice.random() < 0.7:
            self.history.said[nonce] = text
            return message_key(name, nonce), {"msg": text}
        if self._dice.random() < 0.3:
            text = ""
        self.history.said[nonce] = text
        state = EDITED if text else DELETED
        change = {"of": self._dice.choice(self._own[-3:]), "text": text, "state": state}
        self.changes[nonce] = change
        return change_key(name, nonce), change

    async def _repeat(self, key: str, content: Document) -> None:
        await asyncio.sleep(self._dice.uniform(0, 5))
        await self._insist(key, content)

    async def _insist(self, key: str, content: Document) -> None:
        while True:
            there = [process for process in self._simulation.running if process.is_there]
            is_hasty = self._dice.random() < 0.1  # and goes away before it is answered
            patience = self._dice.uniform(0, 1) if is_hasty else ANSWERED_WITHIN
            if there:
                process = self._dice.choice(there)
                if entry := await self.send(process, key, content, patience):
                    break
            await asyncio.sleep(self._dice.uniform(0, 0.3))
        if entry.key != key:
            raise Fault(f"{key} is answered with {entry}")
        if not is_change(content):
            self._own.append(entry.seq)
        self.history.acknowledged.append((nonce_of(entry), entry.seq))

    async def send(
        self, process: Process, key: str, content: Document, patience: float = ANSWERED_WITHIN
    ) -> Entry | None:
        """Send something, and return its entry, None if there is no good answer."""
        began, name = now(), self.history.name
        self._simulation.network.note(f"{key} is sent to {process.name}")
        task = process.start(process.journal.append(key, name, name, content))
        await asyncio.wait([task], timeout=patience)
        if process.is_killed or task.cancelled():
            return None
        if not task.done():
            task.cancel()  # as when the page goes away
            is_disturbed = process.is_stopped or process.undisturbed_since > began
            if patience == ANSWERED_WITHIN and not is_disturbed:
                raise Fault(f"{key} is not answered by {process.name}")
            return None
        try:
            return task.result()
        except DatabaseUnavailable:
            return None


class Simulation:
    """One run: trouble, then peace, then the judge."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.network = Network(self.dice)
        self.log = Log(self.network)
        self.processes = Processes(self.network)
        self.redis = RedisServer(self.network)
        self.redis.on_lease = self._check_lease
        self.running: list[Process] = []
        self.ended: list[Process] = []
        self.faults: list[str] = []
        self.has_copy = False
        self._speakers: list[Speaker] = []
        self._mishaps = [
            self._kill, self._end, self._stop, self._hold_up_database, self._hold_up_redis,
            self._restart_redis, self._make_redis_read_only, self._deafen, self._replay,
            self._try_a_copy,
        ]  # fmt: skip

    async def run(self) -> None:
        """Simulate. Raises Fault, or what the judge raises."""
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.faults.append(str(context))
        )
        try:
            for number in range(PROCESSES):
                self.running.append(self._new_process(f"process {number}"))
            self._speakers = [Speaker(self, f"user{number}") for number in range(SPEAKERS)]
            talk = asyncio.gather(*(speaker.talk() for speaker in self._speakers))
            await self._trouble()
            await _within(REST_WITHIN, talk, "all is acknowledged")
            await self._rest()
            self._judge()
        finally:
            for process in self.running:
                process.kill()

    def _new_process(self, name: str) -> Process:
        return Process(self, name, self.log, self.processes)

    async def _trouble(self) -> None:
        # Each seed has its own few kinds of trouble: all at once would hide each other.
        self.network.trouble = self.dice.choice([0.0, 0.3, 1.0, 1.0])
        mishaps = self.dice.sample(self._mishaps, self.dice.randint(1, 4))
        async with asyncio.TaskGroup() as tasks:
            while (pause := self.dice.expovariate(1 / MEAN_PEACE)) + now() < TROUBLE_LASTS:
                await asyncio.sleep(pause)
                tasks.create_task(self.dice.choice(mishaps)())
        self.network.note("the trouble ends")
        self.network.trouble = 0.0
        await asyncio.sleep(LATEST)  # what was on its way has come, or nobody waits for it

    async def _kill(self) -> None:
        process = self.dice.choice(self.running)
        if not process.is_ending:
            await self._replace(process)

    async def _end(self) -> None:
        process = self.dice.choice(self.running)
        if not process.is_ending and not process.is_stopped:
            self.network.note(f"{process.name} is told to end")
            await process.end()
            await self._replace(process)

    async def _replace(self, process: Process) -> None:
        process.is_ending = True
        process.kill()
        self.network.note(f"{process.name} is dead")
        await asyncio.sleep(self.dice.uniform(0.1, 4))
        self.running[self.running.index(process)] = self._new_process(f"{process.name}'")
        self.ended.append(process)

    async def _stop(self) -> None:
        process = self.dice.choice(self.running)
        process.stop()
        self.network.note(f"{process.name} is stopped")
        await asyncio.sleep(self.dice.uniform(0.1, 6))
        self.network.note(f"{process.name} goes on")
        process.go_on()

    async def _hold_up_database(self) -> None:
        self.network.note("the database stands still")
        await asyncio.gather(self._hold_up(self.log), self._hold_up(self.processes))

    async def _hold_up_redis(self) -> None:
        self.network.note("Redis stands still")
        await self._hold_up(self.redis)

    async def _hold_up(self, server: Server) -> None:
        seconds = self.dice.uniform(0.1, 6)
        server.still_until = max(server.still_until, now() + seconds)
        await asyncio.sleep(seconds)

    async def _restart_redis(self) -> None:
        self.redis.lose_keys()
        self.redis.is_away = True
        await asyncio.sleep(self.dice.choice([0, self.dice.uniform(0, 5)]))
        self.redis.is_away = False

    async def _make_redis_read_only(self) -> None:
        self.network.note("Redis takes no writes")
        self.redis.refuses_locks = True
        await asyncio.sleep(self.dice.uniform(1, 6))
        self.redis.refuses_locks = False

    async def _deafen(self) -> None:
        process = self.dice.choice(self.running)
        self.network.note(f"{process.name} is deaf")
        self.redis.deafen(process.relay._redis)  # type: ignore[arg-type]

    async def _replay(self) -> None:
        self.network.note("what was published is published again")
        for _ in range(5):
            first = self.dice.randrange(len(self.redis.published) + 1)
            self.redis.publish(self.redis.published[first : first + 10])
            await asyncio.sleep(self.dice.uniform(0, 1))

    async def _try_a_copy(self) -> None:
        """Let a process with the same Redis write to a copy of the database for a while."""
        self.network.note("somebody tries a copy of the database")
        self.has_copy = True
        trial = Process(self, "the trial", self.log.copy(), self.processes.copy())
        tries: list[asyncio.Task[Entry]] = []
        for _ in range(self.dice.randrange(20)):
            await asyncio.sleep(self.dice.uniform(0, 0.6))
            if trial.is_open:
                key, content = message_key("trial", str(now())), {"msg": "only tried"}
                append = trial.journal.append(key, "trial", "trial", content)
                tries.append(trial.start(append))
        trial.kill()
        await asyncio.gather(*tries, return_exceptions=True)

    def _check_lease(self, client: Client) -> None:
        """Note a fault if another process still counts itself the writer."""
        for process in self.running:
            is_other = process.relay._redis is not client and not process.is_ending  # type: ignore[comparison-overlap]
            if is_other and process.relay.is_writer and now() > self.redis.keys_lost_at + LEASE:
                self.faults.append(f"{now():.3f}: {process.name} is no longer the only writer")

    async def _rest(self) -> None:
        """Let all processes agree, and see whether each of them is quick again."""
        self.redis.is_away, self.redis.refuses_locks = self.dice.choice(
            [(False, False)] * 4 + [(True, False), (False, True)]
        )
        has_writer = not (self.redis.is_away or self.redis.refuses_locks)
        await _within(JOINED_WITHIN, self._until_joined(has_writer), "who writes is known")
        heard_within = POLLED_WITHIN if self.redis.is_away else HEARD_WITHIN
        probe = Speaker(self, "probe")
        self._speakers.append(probe)
        for process in self.running:
            nonce = f"probe-{process.name}"
            probe.history.said[nonce] = "all is well"
            append = probe.send(process, message_key("probe", nonce), {"msg": "all is well"})
            if not await _within(STORED_WITHIN, append, f"{process.name} stores at once"):
                raise Fault(f"{process.name} refuses a message when all is well")
            await _within(heard_within, self._until_heard(), f"all hear {process.name}")

    async def _until_joined(self, has_writer: bool) -> None:
        while True:
            relays = [process.relay for process in self.running if process.is_there]
            writers = sum(relay.is_writer for relay in relays)
            others = sum(relay.has_other_writer for relay in relays)
            connected = sum(relay.is_connected for relay in relays)
            is_settled = connected == (0 if self.redis.is_away else PROCESSES)
            is_settled &= all(_believes(one, other) for one in relays for other in relays)
            if is_settled and (writers, others) == ((1, PROCESSES - 1) if has_writer else (0, 0)):
                return
            await asyncio.sleep(0.1)

    async def _until_heard(self) -> None:
        while {process.journal.recent.last for process in self.running} != {
            len(self.log.documents)
        }:
            await asyncio.sleep(0.01)

    def _judge(self) -> None:
        if self.faults:
            raise Fault("\n".join(self.faults))
        documents = [self.log.documents[seq] for seq in sorted(self.log.documents)]
        said = {n: text for s in self._speakers for n, text in s.history.said.items()}
        entries = [_entry(document, self.log.documents) for document in documents]
        lines = [_line(entry, said) for entry in entries]
        for speaker in self._speakers:
            speaker.history.screen = lines  # nobody looks at it
        screens = []
        for process in [*self.ended, *self.running]:
            screen = [_line(entry, said) for entry in process.shown]
            # What it could not show, because it began later, or was ended earlier.
            before = lines[: screen[0].seq - 1] if screen else []
            after = lines[screen[-1].seq if screen else 0 :] if process.is_killed else []
            screens.append(History(process.name, "", screen=before + screen + after))
        log = [
            MessageEntry(e.seq, e.key, e.user, e.user_id, said[nonce_of(e)], d["time"])
            for e, d in zip(entries, documents, strict=True)
        ]
        judge([speaker.history for speaker in self._speakers] + screens, log)
        self._judge_texts(documents, entries, said)

    def _judge_texts(
        self, documents: list[Document], entries: list[Entry], said: dict[str, str]
    ) -> None:
        texts: dict[int, list[str]] = {}  # that a message has had, by its number
        changes = {n: change for s in self._speakers for n, change in s.changes.items()}
        for entry in entries:
            if isinstance(entry, MessageEntry):
                texts[entry.seq] = [said[nonce_of(entry)]]
            else:
                change = changes[nonce_of(entry)]
                if entry.message.seq != change["of"] or entry.message.seq not in texts:
                    raise Fault(f"{entry} changes another message")
                if texts[change["of"]][-1]:  # what is deleted stays deleted
                    texts[change["of"]].append(change["text"])
        for document in documents:
            is_right = is_change(document) or document["msg"] == texts[document["seq"]][-1]
            if "text" in document or not is_right:
                raise Fault(f"the database has {document}")
        for process in [*self.ended, *self.running]:
            for entry in process.shown:
                message = entry.message if isinstance(entry, ChangeEntry) else entry
                if message.msg not in texts[message.seq]:
                    raise Fault(f"{process.name} showed a text that nobody wrote: {entry}")
        for process in self.running:
            recent = list(process.journal.recent.entries)
            if recent != entries[-len(recent) :]:
                raise Fault(f"{process.name} has {recent}, and the log {entries}")


def _believes(relay: RedisRelay, other: RedisRelay) -> bool:
    peer = relay._peers._peers.get(other.id)
    return peer is not None and other._peers.token in peer.believed_until


def _entry(document: Document, log: dict[int, Document]) -> Entry:
    if is_change(document):
        return ChangeEntry.from_documents(document, log[document["of"]])
    return MessageEntry.from_document(document)


def _line(entry: Entry, said: dict[str, str]) -> Shown:
    """Return what stands for an entry, whatever its text is at the time."""
    return Shown(entry.seq, entry.user, said[nonce_of(entry)])


async def _within(seconds: float, what: Awaitable[T], claim: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await what
    except TimeoutError:
        raise Fault(f"not within {seconds} s: {claim}") from None


class _Complaints(logging.Handler):
    """Collects what the chat logs and never should, because it would hide a fault."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the log."""
        line = record.getMessage()
        is_untrue = line == ANOTHER_DATABASE and not self._simulation.has_copy
        if record.levelno >= logging.ERROR or line.startswith("ignored") or is_untrue:
            self._simulation.faults.append(f"{line}: {record.exc_info}")


@contextmanager
def _made_for(simulation: Simulation) -> Iterator[None]:
    complaints, logger = _Complaints(simulation), logging.getLogger()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LIMITS.items():
            patch.setattr(name, value)
        logger.addHandler(complaints)
        try:
            yield
        finally:
            logger.removeHandler(complaints)


def simulate(seed: int) -> list[str]:
    """Simulate what a seed decides, and return what happened. Raises Fault."""
    simulation = Simulation(seed)
    with _made_for(simulation):
        try:
            run(simulation.run())
        except Exception as fault:
            trace = "\n".join(simulation.network.trace)
            raise Fault(f"seed {seed}: {fault or repr(fault)}\n{trace}") from fault
    return simulation.network.trace

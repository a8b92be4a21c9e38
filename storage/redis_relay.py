"""The relay between processes, through Redis: one of them writes, and all hear what is stored.

Nothing is lost if Redis loses what is told. The log in the database is the only truth, and its
unique indexes decide who has written: while Redis is away, or says something wrong, everything
takes longer, and nothing is lost, doubled or out of order.

Each process publishes what the others should know (Redis' Pub/Sub), encrypted with SECRET_KEY, so
that another deployment on the same Redis can neither read nor forge it. Only processes that prove
that they write the same database are believed, and each of their messages once (see Peers). One
process at a time holds a lease, a lock that expires: it is the writer, and the others hand it their
drafts (see Journal).
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import bson
from aiohttp import web
from bson.codec_options import CodecOptions
from cryptography.fernet import Fernet
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from security.keys import fernet_key, secret_keys
from server.background import background
from server.logs import SeldomLogger
from server.relay import CHECKED, HERE_ONLY, RELAY, Relay, check_texts
from settings import SETTINGS, Settings
from storage.database import DATABASE, Conflict, Database, DatabaseUnavailable
from storage.outage import Outage
from storage.peers import PROCESS_COLLECTION, RENEW_EVERY, Peers
from storage.redis_client import CALL_TIMEOUT, FAILURES, REDIS

log = logging.getLogger(__name__)

LEASE = 3  # seconds for which a process is the writer, unless it renews the lease
BEAT_EVERY = 1  # seconds between renewals, and between the beats that others hear
SILENT_AFTER = 3  # seconds without any beat, one's own included, until Redis counts as away
GONE_AFTER = 9  # seconds without a beat of a process; with GRACE its people are gone within 15
CLOSE_TIMEOUT = 0.3  # seconds
RETRY_PAUSE = 0.5  # seconds
QUEUE_LIMIT = 10_000  # messages to be published; while Redis is away, further ones are dropped
MESSAGE_LIMIT = 4 * 1024 * 1024  # bytes; four times as many as a batch of the journal has
READ_AT_ONCE = 10  # messages; rubbish takes some 0.04 ms each, and then others have their turn
REPORT_EVERY = 60  # seconds between lines about what is ignored

ANOTHER_DATABASE = (
    "another process with this SECRET_KEY and this Redis writes another database, and is not "
    "believed: if it uses a copy, give it another SECRET_KEY or another Redis server"
)

TZ_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
LONG_AGO = -float("inf")


class RedisRelay(Relay):
    """Tells the other processes on the same database, too."""

    def __init__(self, redis: Redis, settings: Settings, db: Database) -> None:
        """Set up; nothing is said or heard before join()."""
        super().__init__()
        self._redis = redis
        self._peers = Peers(self.id, db[PROCESS_COLLECTION])
        self._key = fernet_key(secret_keys(settings)[0])
        self._fernet = Fernet(self._key)
        self._joined = asyncio.Event()
        self._channel = ""
        self._lock: Lock
        self._to_publish: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_LIMIT)
        self._outage = Outage(log, "Redis")
        self._seldom = SeldomLogger(log)
        self._number = 0  # of the last message of this process
        self._own_number = 0  # of the last one that came back
        self._ignored: Counter[str] = Counter()  # messages since the last report, by the reason
        # Times of the loop:
        self._heard_at = LONG_AGO  # when a beat of this process came back
        self._writer_until = LONG_AGO  # the end of this process's lease
        self._may_write_at = LONG_AGO  # this process takes no lease before
        self._other_writer = ("", LONG_AGO)  # who else holds the lease, and until when
        self._others: dict[str, float] = {}  # when each process was heard
        self._report_at = LONG_AGO  # when the next line about what is ignored may be written

    @property
    def is_connected(self) -> bool:
        """Whether what is published comes back; before join(), whether Redis answers."""
        return _now() < self._heard_at + SILENT_AFTER

    @property
    def is_writer(self) -> bool:
        """Whether this process holds the lease."""
        return _now() < self._writer_until

    @property
    def has_other_writer(self) -> bool:
        """Whether another process holds the lease, and hears this one, as far as is known."""
        return not self.is_writer and self.is_connected and _now() < self._other_writer[1]

    def join(self, log_id: str) -> None:
        """Begin to talk with the other processes that write the same log."""
        # Deployments may share a Redis, and a copy of one may even have its key.
        name = hashlib.sha256(self._key + log_id.encode()).hexdigest()[:32]
        self._channel = f"chat:{name}"
        self._lock = self._redis.lock(f"{self._channel}:writer", timeout=LEASE, thread_local=False)
        self._joined.set()

    def tell_others(self, kind: str, content: Any) -> None:
        """Tell the other processes something, soon. They may miss it."""
        message = self._encode(kind, content)
        if len(message) <= MESSAGE_LIMIT:
            with suppress(asyncio.QueueFull):
                self._to_publish.put_nowait(message)

    async def tell(self, log_id: str, kind: str, content: Any) -> None:
        """Tell the processes of a log something that they check (CHECKED), from a command.

        run() is not needed. Raises one of FAILURES.
        """
        self.join(log_id)
        await self._redis.publish(self._channel, self._encode(kind, content))

    def step_down(self) -> None:
        """Leave the lease to another process for a while: this one can't write."""
        self._may_write_at = _now() + 2 * LEASE

    async def run(self) -> None:
        """Keep in touch with the others, for ever."""
        while _is_not_cancelled():
            try:
                # In a task of its own: before Python 3.13 a TaskGroup that fails leaves the task in
                # which it was opened as if it were cancelled.
                await asyncio.create_task(self._keep_in_touch())
            except Exception:  # such as an answer that is not Redis's
                self._seldom.log(logging.ERROR, "the relay failed, and goes on", exc_info=True)
                await asyncio.sleep(RETRY_PAUSE)

    async def close(self) -> None:
        """Leave the lease to the others at once."""
        if not self._joined.is_set():
            return
        with suppress(*FAILURES):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if self.is_writer:
                    with suppress(LockError):
                        await self._lock.release()
                await self._redis.publish(self._channel, self._encode("goodbye", None))

    def _encode(self, kind: str, content: Any) -> bytes:
        self._number += 1
        message = {
            "from": self.id,
            "token": self._peers.token,
            "number": self._number,
            "kind": kind,
            "content": content,
        }
        return self._fernet.encrypt(bson.encode(message))

    async def _wait_for_join(self) -> None:
        """See whether Redis answers, as long as the database can't say which log this is."""
        while not self._joined.is_set() and _is_not_cancelled():
            try:
                async with asyncio.timeout(CALL_TIMEOUT):
                    await self._redis.ping()
                self._note_answer()
            except FAILURES as error:
                self._note_outage(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_EVERY):
                    await self._joined.wait()

    async def _keep_in_touch(self) -> None:
        await self._wait_for_join()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send())
            tasks.create_task(self._listen())
            tasks.create_task(self._beat())
            tasks.create_task(self._renew_token())

    async def _send(self) -> None:
        while _is_not_cancelled():
            messages = [await self._to_publish.get()]
            while not self._to_publish.empty():
                messages.append(self._to_publish.get_nowait())
            pipeline = self._redis.pipeline(transaction=False)
            for message in messages:
                pipeline.publish(self._channel, message)
            try:
                async with asyncio.timeout(CALL_TIMEOUT):
                    await pipeline.execute()
            except FAILURES:
                await asyncio.sleep(RETRY_PAUSE)

    async def _beat(self) -> None:
        """Take or renew the lease, and tell the others that this process is there, for ever."""
        while _is_not_cancelled():
            began = _now()
            with suppress(*FAILURES):  # then the old expiry holds
                self._writer_until = began + LEASE if await self._renew() else LONG_AGO
            silent = _now() - SILENT_AFTER
            hears = [process for process, heard_at in self._others.items() if heard_at > silent]
            self.tell_others("beat", {"is_writer": self.is_writer, "hears": hears})
            self._drop_silent_processes()
            self._report()
            await asyncio.sleep(BEAT_EVERY)

    async def _renew_token(self) -> None:
        """Prove to the others that this process writes their database, for ever."""
        while _is_not_cancelled():
            with suppress(DatabaseUnavailable, Conflict):  # then the tokens expire
                await self._peers.renew()
            await asyncio.sleep(RENEW_EVERY)

    async def _renew(self) -> bool:
        """Take or renew the lease; return whether this process has it."""
        if _now() < self._may_write_at:
            return False
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                if self.is_writer:
                    return bool(await self._lock.reacquire())
                return bool(await self._lock.acquire(blocking=False))
        except LockError:  # it had expired, and another process has taken it
            return False

    async def _listen(self) -> None:
        while _is_not_cancelled():
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(self._channel)
                    began, received = _now(), 0
                    while _now() < max(began, self._heard_at) + SILENT_AFTER:
                        message = await pubsub.get_message(timeout=BEAT_EVERY)
                        if message:
                            self._receive(message["data"])
                            received += 1
                            if received % READ_AT_ONCE == 0:
                                # get_message() does not wait while there is something to read.
                                await asyncio.sleep(0)
                raise TimeoutError("nothing comes back")
            except FAILURES as error:
                self._note_outage(error)
            await asyncio.sleep(RETRY_PAUSE)

    def _receive(self, data: bytes) -> None:
        try:
            if len(data) > MESSAGE_LIMIT:
                raise ValueError("too long")
            message = bson.decode(self._fernet.decrypt(data), codec_options=TZ_AWARE)
            sender, token, kind = message["from"], message["token"], message["kind"]
            number, content = message["number"], message["content"]
            check_texts(sender, token, kind)
            if sender == self.id:
                if number > self._own_number:
                    self._own_number = number
                    self._note_answer()
            elif kind in CHECKED:
                self.tell_here(kind, content)
            elif self._peers.believe(sender, token, number):
                self._hear(sender, kind, content)
            elif token and self._peers.is_stranger(sender):
                self._ignored[ANOTHER_DATABASE] += 1
        except Exception as error:  # half a message, another version's, or not one of ours
            self._ignored[type(error).__name__] += 1

    def _hear(self, sender: str, kind: str, content: Any) -> None:
        self._others[sender] = _now()
        if kind == "beat":
            if content["is_writer"] and self.id in content["hears"]:
                self._other_writer = (sender, _now() + LEASE)
        elif kind == "goodbye":  # its people are kept until GONE_AFTER
            if sender == self._other_writer[0]:
                self._other_writer = ("", LONG_AGO)
        elif kind not in HERE_ONLY:
            self.tell_here(kind, content)

    def _report(self) -> None:
        """Write what was ignored to the log, at most once in REPORT_EVERY seconds."""
        if not self._ignored or _now() < self._report_at:
            return
        if self._ignored.pop(ANOTHER_DATABASE, 0):
            log.warning(ANOTHER_DATABASE)
        if self._ignored:
            reasons = ", ".join(sorted(self._ignored))
            log.warning("ignored messages from Redis: %d (%s)", self._ignored.total(), reasons)
        self._ignored.clear()
        self._report_at = _now() + REPORT_EVERY

    def _note_outage(self, error: Exception) -> None:
        self._outage.failed(f"Redis is away ({type(error).__name__}), trying again")

    def _note_answer(self) -> None:
        self._outage.answered()
        self._heard_at = _now()

    def _drop_silent_processes(self) -> None:
        if not (self.is_connected and self._peers.is_up_to_date):
            # Nobody can be heard. When Redis or the database is back, the time of each begins anew.
            self._others = dict.fromkeys(self._others, _now())
        for process, heard_at in list(self._others.items()):
            if heard_at + GONE_AFTER < _now():
                del self._others[process]
                self.tell_here("gone", process)


async def relay_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep in touch with other processes while the application runs, if REDIS_URL is set."""
    if REDIS not in app:
        app[RELAY] = Relay()
        yield
        return
    app[RELAY] = relay = RedisRelay(app[REDIS], app[SETTINGS], app[DATABASE])
    async with background(relay.run()):
        yield
    await relay.close()


def _is_not_cancelled() -> bool:
    """Return whether this task was not cancelled.

    redis-py 8.1.0 raises ConnectionError in place of CancelledError where the connection is lost.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def _now() -> float:
    return asyncio.get_running_loop().time()

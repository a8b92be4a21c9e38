"""What each thing that the chat, Redis and the database do costs, in seconds of one core.

It is processor time, so the machine may have other things to do meanwhile, if not too much.
"""

import asyncio
import sys
import time
import timeit
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from socket import create_connection, create_server, socket
from statistics import mean
from threading import Thread
from types import SimpleNamespace
from typing import Any

import bson
from bson import ObjectId
from cryptography.fernet import Fernet
from pymongo import UpdateOne

from auth.sessions import NOTICE_EVERY, Identity
from bench import load, work
from bench.scaling import COSTS, OTHER, Load, Room, load_of
from bench.servers import SECRET_KEY, Server, chats, cpu_seconds
from chat import wire
from chat.client import Client
from chat.entry import Entry, MessageEntry, now
from chat.hub import Hub
from chat.journal import ENTRIES_PER_INSERT, Journal
from chat.presence import Presence
from chat.read_marks import MARKS_PER_CALL
from server.background import background
from server.metrics import METRICS, Metrics
from server.relay import Relay
from settings import MESSAGE_COLLECTION, USER_COLLECTION, Settings
from storage.database import Database
from storage.indexes import create_indexes
from storage.mongodb import connect
from storage.redis_client import connect_redis
from storage.redis_relay import RedisRelay
from tests.support.databases import embedded_server
from tests.support.redis_server import redis_server

QUIET = 3  # seconds until nobody is announced any more
SECONDS = 10  # of talk
IDLE = 12  # seconds, in which every session is looked up three times
PATIENCE = 60  # seconds until everybody must have heard everything
TIMES = 100
READERS = 500
LISTED = 1000  # people
MARKS = 1000
REPEATS = 10_000  # of one message
DOCUMENTS = 50  # in one publication
SUBSCRIBERS = 8
PUBLICATIONS = 5000
SMALL, LARGE = 500, 100_000  # bytes


async def observe(room: Room) -> tuple[Room, Load]:
    """Let people talk; return the room at the pace they reached, and how busy each part was."""
    async with chats(room.processes, room.people) as servers:
        people = await load.connect_to_all(servers, room.people, servers[0].cookies)
        await asyncio.sleep(QUIET)
        before, started = used(servers), time.monotonic()
        said = await talk(people, room.per_second)
        after, seconds = used(servers), time.monotonic() - started
        await work.hang_up(people)
    busy = {part: (after[part] - before[part]) / seconds for part in before}
    return replace(room, per_second=said / seconds), busy


def used(servers: list[Server]) -> dict[str, float]:
    """Return the processor time of each part. The first process is the writer: it came first."""
    writer, *others = (cpu_seconds(server.pid) for server in servers)
    return {
        "the writer": writer,
        OTHER: mean(others),
        "Redis": servers[0].redis_cpu(),
        "the database": servers[0].database_cpu(),
    }


async def talk(people: list[load.Person], per_second: float) -> int:
    """Say so many things a second until everybody has heard them; return how many."""
    said = int(per_second * SECONDS)
    heard = load.received(people) + said * len(people) * 0.99  # the load does not count every one
    await load.recite(people, int(per_second), SECONDS)
    async with asyncio.timeout(PATIENCE):
        while load.received(people) < heard:
            await asyncio.sleep(0.01)
    return said


async def measure() -> dict[str, float]:
    """Return the costs."""
    costs: dict[str, float] = {}
    parts: tuple[Callable[[], Awaitable[dict[str, float]]], ...] = (
        of_writes, of_frames, of_inserts, of_relay, of_redis, of_lists, of_sockets, of_read_marks,
    )  # fmt: skip
    for part in parts:
        costs |= await part()
    costs["frame"] -= costs["write"]  # the answer to it
    return costs


async def of_writes() -> dict[str, float]:
    """Return what it costs to write to a socket, and each further message in the same write."""
    hub = Hub(set(), Relay(), Metrics())
    frames = wire.message_frames(MessageEntry.from_document(document(1)))
    readers = []
    with create_server(("127.0.0.1", 0), backlog=READERS) as listener:
        for number in range(READERS):
            reader = create_connection(listener.getsockname())
            accepted, _ = listener.accept()
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                asyncio.Protocol, accepted
            )
            ws: Any = SimpleNamespace(ws_protocol=wire.CHAT_V1, closed=False)
            request: Any = SimpleNamespace(transport=transport, app={METRICS: Metrics()})
            hub.websockets.add(Client(ws, request, Identity(str(number), "", "")))
            readers.append(reader)

    def flush(count: int) -> float:
        times = []
        for _ in range(TIMES):
            for _ in range(count):
                hub.broadcast(frames)
            started = time.thread_time()
            hub._flush()
            times.append(time.thread_time() - started)
            for reader in readers:
                reader.recv(1 << 16)
        return min(times) / READERS

    one, many = flush(1), flush(ENTRIES_PER_INSERT)
    for client in hub.websockets:
        client.abort()
    for reader in readers:
        reader.close()
    delivery = (many - one) / (ENTRIES_PER_INSERT - 1)
    return {"write": one - delivery, "delivery": delivery}


async def of_frames() -> dict[str, float]:
    """Return what it costs to read and check a message: one that is only answered, as a repeat."""
    async with chats(1, 1) as [server]:
        [person] = await load.connect(server, 1, server.cookies)
        await asyncio.sleep(QUIET)
        before, said = cpu_seconds(server.pid), load.timestamp()
        for number in range(1, REPEATS + 1):
            person.say(said + load.PADDING, said)
            while person.received < number:
                await asyncio.sleep(0)
        cost = (cpu_seconds(server.pid) - before) / REPEATS
        await work.hang_up([person])
    return {"frame": cost}


async def of_inserts() -> dict[str, float]:
    """Return what an insert costs the writer and the database, and each message in it."""
    with embedded_server() as server:
        server.start()
        assert server.process is not None
        pid = server.process.pid
        client = connect(server.address)
        await create_indexes(Database(client["chat"]))
        relay = Relay()
        journal = Journal(Database(client["chat"])[MESSAGE_COLLECTION], relay, Metrics())
        relay.listen("stored", encode)
        await journal.open()
        async with background(journal.run()):

            async def write(together: int) -> tuple[float, float]:
                own, database = time.process_time(), cpu_seconds(pid)
                for _ in range(TIMES):
                    keys = [f"user:{ObjectId()}" for _ in range(together)]
                    text = {"msg": "x" * 64}
                    await asyncio.gather(*(journal.append(k, "alice", "user", text) for k in keys))
                own, database = time.process_time() - own, cpu_seconds(pid) - database
                return own / TIMES, database / TIMES

            one, many = await write(1), await write(ENTRIES_PER_INSERT)
        client.close()
    each = [(b - a) / (ENTRIES_PER_INSERT - 1) for a, b in zip(one, many, strict=True)]
    return {
        "insert": one[0] - each[0],
        "message": each[0],
        "database: insert": max(0, one[1] - each[1]),
        "database: document": each[1],
    }


def encode(entries: Sequence[Entry]) -> None:
    """Encode entries, as the hub does."""
    for entry in entries:
        wire.entry_frames(entry)


async def of_relay() -> dict[str, float]:
    """Return what it costs to publish, to hear a publication, and each document in it."""
    with redis_server() as server, embedded_server() as database:
        database.start()
        redis, client = connect_redis(Settings(REDIS_URL=server.url)), connect(database.address)
        settings = Settings(SECRET_KEY=(SECRET_KEY,), REDIS_URL=server.url)
        db = Database(client["chat"])
        relay, other = RedisRelay(redis, settings, db), RedisRelay(redis, settings, db)
        heard: asyncio.Queue[None] = asyncio.Queue()

        def hear(documents: Sequence[dict[str, Any]]) -> None:
            encode([MessageEntry.from_document(document) for document in documents])
            heard.put_nowait(None)

        relay.listen("entries", hear)
        for each in (relay, other):
            each.join("log")
        async with background(relay.run(), other._send(), other._beat(), other._renew_token()):
            while not relay._others:
                await asyncio.sleep(0.01)

            def publish(messages: Sequence[bytes]) -> None:
                with server.client() as client:
                    for message in messages:
                        client.publish(other._channel, message)

            async def listen(count: int) -> float:
                entries = [
                    [document(number + n) for n in range(count)]
                    for number in range(0, TIMES * count, count)
                ]
                messages = [other._encode("entries", documents) for documents in entries]
                thread = Thread(target=publish, args=[messages])
                started = time.thread_time()
                thread.start()
                for _ in range(TIMES):
                    await heard.get()
                return (time.thread_time() - started) / TIMES

            one, many = await listen(1), await listen(DOCUMENTS)
            started = time.thread_time()
            for number in range(TIMES):
                other.tell_others("entries", [document(number)])
                await heard.get()
            both = (time.thread_time() - started) / TIMES
        await redis.aclose()
        client.close()
    each_one = (many - one) / (DOCUMENTS - 1)
    return {"publication": one - each_one, "document": each_one, "publishing": both - one}


async def of_redis() -> dict[str, float]:
    """Return what a publication costs Redis, each copy of it that it sends, and each byte."""
    with redis_server() as server, server.client() as client, ExitStack() as stack:

        def publish(size: int, times: int) -> float:
            before = cpu_seconds(server.pid)
            for _ in range(times):
                client.publish("channel", bytes(size))
            return (cpu_seconds(server.pid) - before) / times

        alone = publish(SMALL, PUBLICATIONS)
        for _ in range(SUBSCRIBERS):
            subscriber = stack.enter_context(create_connection(("127.0.0.1", server.port)))
            subscriber.sendall(b"SUBSCRIBE channel\r\n")
            Thread(target=read_to_the_end, args=[subscriber], daemon=True).start()
        copy = (publish(SMALL, PUBLICATIONS) - alone) / SUBSCRIBERS
        large = (publish(LARGE, PUBLICATIONS // 10) - alone) / SUBSCRIBERS
    return {"redis: publication": alone, "redis: copy": copy, "redis: byte": (large - copy) / LARGE}


def read_to_the_end(connection: socket) -> None:
    """Read until the other side closes."""
    with suppress(OSError):
        while connection.recv(1 << 20):
            pass


async def of_lists() -> dict[str, float]:
    """Return what a person costs in a list of who is in a process."""
    fernet = Fernet(Fernet.generate_key())
    people = {str(ObjectId()): f"guest{number}" for number in range(LISTED)}
    presence = Presence(lambda frames: None, Relay())
    told = fernet.encrypt(bson.encode({"kind": "presence", "content": ("another", people)}))

    def hear() -> None:
        presence.hear_people(bson.decode(fernet.decrypt(told))["content"])

    hear()
    scanned = shortest(lambda: presence.hear_people(("a third", {})))
    costs = {
        "told": shortest(lambda: fernet.encrypt(bson.encode({"content": people}))) / LISTED,
        "listed": (shortest(hear) - scanned) / LISTED,
        "scanned": scanned / LISTED,
    }
    presence.close()
    return costs


def shortest(do: Callable[[], object]) -> float:
    """Return the shortest time of many, in which nothing else came between."""
    return min(timeit.repeat(do, number=1, repeat=TIMES))


async def of_sockets() -> dict[str, float]:
    """Return what it costs to let in somebody whose session is not in memory, and to keep them."""
    async with chats(1, work.STRANGERS) as [server]:
        idle = await idling(server)
        before = cpu_seconds(server.pid)
        people = await load.connect(server, work.STRANGERS, server.cookies)
        upgrade = (cpu_seconds(server.pid) - before) / work.STRANGERS
        await asyncio.sleep(QUIET)
        busy = await idling(server)
        await work.hang_up(people)
    own, database = ((b - a) / len(people) for a, b in zip(idle, busy, strict=True))
    return {
        "process": idle[0],
        "upgrade": upgrade,
        "socket": own,
        "database: session": database * NOTICE_EVERY,
    }


async def idling(server: Server) -> tuple[float, float]:
    """Return what shares of a core a process and its database use while nobody says anything."""
    own, database, started = cpu_seconds(server.pid), server.database_cpu(), time.monotonic()
    await asyncio.sleep(IDLE)
    own, database = cpu_seconds(server.pid) - own, server.database_cpu() - database
    seconds = time.monotonic() - started
    return own / seconds, database / seconds


async def of_read_marks() -> dict[str, float]:
    """Return what it costs to store how far somebody has read."""
    with embedded_server() as server:
        server.start()
        assert server.process is not None
        client = connect(server.address)
        users = client["chat"][USER_COLLECTION]
        ids = [ObjectId() for _ in range(MARKS)]
        await users.insert_many([{"_id": each, "read": 0} for each in ids])
        own, database = time.process_time(), cpu_seconds(server.process.pid)
        for start in range(0, len(ids), MARKS_PER_CALL):
            some = ids[start : start + MARKS_PER_CALL]
            updates = [UpdateOne({"_id": each}, {"$max": {"read": 1}}) for each in some]
            await users.bulk_write(updates, ordered=False)
        own, database = time.process_time() - own, cpu_seconds(server.process.pid) - database
        client.close()
    return {"read mark": own / len(ids), "database: read mark": database / len(ids)}


def document(seq: int) -> dict[str, Any]:
    """Return a message as the database has it."""
    id_ = ObjectId()
    return {
        "_id": id_, "seq": seq, "key": f"{id_}:{seq:018}", "user": "guest123", "user_id": str(id_),
        "time": now(), "msg": "x" * 64,
    }  # fmt: skip


async def check() -> list[str]:
    """Return what is computed beside what is measured."""
    lines = ["| 4 processes, 1,000 people | computed | measured |", "|---|---|---|"]
    for per_second in (20, 50):
        room, measured = await observe(Room(1000, 4, per_second))
        computed = load_of(room, COSTS)
        for part, value in measured.items():
            name = f"{part}, {room.per_second:.0f} messages/s"
            lines.append(f"| {name} | {computed[part]:.2f} | {value:.2f} |")
    return lines


async def main() -> None:
    """Print what is asked for."""
    if "--check" in sys.argv:
        print("\n".join(await check()))
    else:
        for name, cost in (await measure()).items():
            print(f'    "{name}": {cost:.2g},')


if __name__ == "__main__":
    work.raise_file_limit()
    asyncio.run(main())

"""What each thing that the chat, Redis and the database do costs, in seconds of one core."""

import asyncio
import time
import timeit
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from socket import create_connection, socket
from statistics import mean
from threading import Thread

import bson
import numpy as np
from bson import ObjectId
from cryptography.fernet import Fernet
from pymongo import UpdateOne

from chat.presence import Presence
from chat.read_marks import MARKS_PER_CALL
from database import connect
from settings import USER_COLLECTION
from tests.bench import load, work
from tests.bench.people import sign_in_many
from tests.bench.scaling import Load, Room, counts
from tests.bench.servers import chats
from tests.support.databases import embedded_server
from tests.support.kernel import cpu_seconds
from tests.support.redis_server import redis_server

ROOMS = (
    Room(40, 1, 0), Room(1000, 1, 0), Room(40, 1, 100), Room(40, 1, 1000), Room(1000, 1, 100),
    Room(1000, 1, 1000), Room(60, 2, 300), Room(60, 3, 100), Room(60, 3, 1000), Room(600, 3, 500),
)  # fmt: skip
QUIET = 3  # seconds until nobody is announced any more
SECONDS = 5  # of talk
PATIENCE = 60  # seconds until everybody must have heard everything
TURNS = 5
LISTED = 1000  # people
SUBSCRIBERS = 8
PUBLICATIONS = 5000
SMALL, LARGE = 500, 100_000  # bytes
MEASURED_ALONE = {"told", "listed", "scanned", "upgrade", "read mark", "database: read mark"}


async def observe(room: Room) -> tuple[Room, Load]:
    """Let people talk; return the room at the pace they reached, and how busy each part was."""
    async with chats(room.processes) as servers:
        cookies = await sign_in_many(servers[0], room.people)
        each = room.people // room.processes
        groups = [
            await load.connect(server, each, cookies[number * each : (number + 1) * each])
            for number, server in enumerate(servers)
        ]
        people = [person for group in zip(*groups, strict=True) for person in group]
        await asyncio.sleep(QUIET)
        # The first process took the lease when it was alone.
        pids = {"the writer": servers[0].pid, "Redis": servers[0].redis}
        pids |= {"the database": servers[0].database}
        pids |= {f"process {number}": server.pid for number, server in enumerate(servers)}
        before = {part: cpu_seconds(pid or 0) for part, pid in pids.items()}
        started = time.monotonic()
        said = await talk(people, room.per_second)
        seconds = time.monotonic() - started
        busy = {
            part: (cpu_seconds(pid or 0) - before[part]) / seconds for part, pid in pids.items()
        }
        await work.hang_up(people)
    others = [busy.pop(f"process {number}") for number in range(room.processes)][1:]
    if others:
        busy["each other process"] = mean(others)
    return replace(room, per_second=said / seconds), busy


async def talk(people: list[load.Person], per_second: float) -> int:
    """Say so many things a second until everybody has heard them; return how many."""
    said = int(per_second * SECONDS)
    heard = load.received(people) + said * len(people)
    if said:
        await load.recite(people, int(per_second), SECONDS)
    else:
        await asyncio.sleep(SECONDS)
    async with asyncio.timeout(PATIENCE):
        while load.received(people) < heard:
            await asyncio.sleep(0.01)
    return said


async def measure(costs: dict[str, float]) -> dict[str, float]:
    """Return the costs; those given say how often things were done, and improve with each turn."""
    costs = costs | await of_lists() | await of_upgrades() | await of_read_marks() | of_redis()
    observed = [await observe(room) for room in ROOMS]
    for _ in range(TURNS):
        done = [(counts(room, costs), busy) for room, busy in observed]
        for parts in (("the writer", "each other process"), ("the database",)):
            rows = [
                (times[part], busy[part]) for times, busy in done for part in parts if part in busy
            ]
            costs = costs | fit(rows, {name: costs[name] for name in MEASURED_ALONE})
    return costs


def fit(rows: list[tuple[dict[str, float], float]], known: dict[str, float]) -> dict[str, float]:
    """Return the unknown costs, none below 0, that come closest to how busy a part was."""
    names = sorted({name for times, _ in rows for name in times} - known.keys())
    weights = np.array([1 / (share + 0.02) for _, share in rows])  # relative errors count
    rest = [
        share - sum(known[name] * times.get(name, 0) for name in known) for times, share in rows
    ]
    costs = dict.fromkeys(names, 0.0)
    while names:
        matrix = np.array([[times.get(name, 0) for name in names] for times, _ in rows])
        scale = matrix.max(axis=0)
        found = np.linalg.lstsq(matrix / scale * weights[:, None], rest * weights, rcond=None)[0]
        if found.min() >= 0:
            return costs | dict(zip(names, (found / scale).tolist(), strict=True))
        del names[int(found.argmin())]
    return costs


async def of_lists() -> dict[str, float]:
    """Return what a person costs in a list of who is in a process."""
    fernet = Fernet(Fernet.generate_key())
    people = {str(ObjectId()): f"guest{number}" for number in range(LISTED)}
    presence = Presence(lambda frames: None)
    told = fernet.encrypt(bson.encode({"kind": "people", "content": people}))

    def hear() -> None:
        presence.hear("another", bson.decode(fernet.decrypt(told))["content"])

    hear()
    scanned = shortest(lambda: presence.hear("a third", {}))
    costs = {
        "told": shortest(lambda: fernet.encrypt(bson.encode({"content": people}))) / LISTED,
        "listed": (shortest(hear) - scanned) / LISTED,
        "scanned": scanned / LISTED,
    }
    presence.close()
    return costs


def shortest(do: Callable[[], object]) -> float:
    """Return the shortest time of many, in which nothing else came between."""
    return min(timeit.repeat(do, number=1, repeat=100))


async def of_upgrades() -> dict[str, float]:
    """Return what an upgrade costs of somebody whose session is not in memory."""
    async with chats(1) as [server]:
        cookies = await sign_in_many(server, work.STRANGERS)
        before = cpu_seconds(server.pid)
        people = await load.connect(server, len(cookies), cookies)
        cost = (cpu_seconds(server.pid) - before) / len(cookies)
        await work.hang_up(people)
    return {"upgrade": cost}


def of_redis() -> dict[str, float]:
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


async def of_read_marks() -> dict[str, float]:
    """Return what it costs to store how far somebody has read."""
    with embedded_server() as server:
        server.start()
        assert server.process is not None
        client = connect(server.address)
        users = client["chat"][USER_COLLECTION]
        ids = [ObjectId() for _ in range(work.STRANGERS)]
        await users.insert_many([{"_id": each, "read": 0} for each in ids])
        own, database = time.process_time(), cpu_seconds(server.process.pid)
        for start in range(0, len(ids), MARKS_PER_CALL):
            some = ids[start : start + MARKS_PER_CALL]
            updates = [UpdateOne({"_id": each}, {"$max": {"read": 1}}) for each in some]
            await users.bulk_write(updates, ordered=False)
        own, database = time.process_time() - own, cpu_seconds(server.process.pid) - database
        client.close()
    return {"read mark": own / len(ids), "database: read mark": database / len(ids)}

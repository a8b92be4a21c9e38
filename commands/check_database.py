"""What `check` finds out about the database. What its server doesn't tell is left open."""

import shutil
import time
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from files.store import walk
from pages.sizes import size_text
from settings import FILE_COLLECTION, MESSAGE_COLLECTION, Settings, Size
from storage.database import (
    LOG_ID_COLLECTION,
    Database,
    DatabaseFails,
    DatabaseUnavailable,
    Document,
)
from storage.indexes import INDEXES, indexes_being_built, missing_indexes
from storage.probe import refused_steps, write_probe

CLOCKS_APART = 30  # seconds; how long messages can be changed, for example, goes by the clock
FAR_AWAY = 100  # milliseconds; a page and a search need several answers, one after another
LITTLE_SPACE = 500 * 1000**2  # bytes; with less, MongoDB 8 builds no index
NEARLY_FULL = 0.9  # of FILES_IN_ALL
MADE_FOR = 7  # version of MongoDB from which on the chat is tested
MAJORITY_NEEDS = 3  # members, or one of them can't be missed

WHAT = {
    "index": "to make an index",
    "rename": "to rename a collection",
    "drop": "to drop a collection",
}
UNTOLD = "the server does not tell"


class Finding(NamedTuple):
    """What was looked at, and what to do about it, "" if it is all right."""

    what: str
    remedy: str = ""
    is_note: bool = False  # whether the remedy is advice: the chat works without it

    @property
    def kind(self) -> str:
        """How a line about it begins: "ok", "note" or "wrong"."""
        if not self.remedy:
            return "ok"
        return "note" if self.is_note else "wrong"


async def look_at_database(db: Database, settings: Settings) -> AsyncIterator[Finding]:
    """Yield what is found about a database. Raises DatabaseUnavailable."""
    if not settings.MONGO_HOST:
        yield await database(db)
        yield await indexes(db)
        count, taken = await files_taken(db)
        yield sent_files(count, taken, settings.FILES_IN_ALL)
        # It keeps them in base64.
        yield await disk(settings.DATA_DIR, (settings.FILES_IN_ALL - taken) * 4 // 3)
        yield await clock(db)
        return

    async def sent(db: Database) -> Finding:
        return sent_files(*await files_taken(db), settings.FILES_IN_ALL)

    for look in (database, server, replication, rights, indexes, sent, space, clock):
        try:
            yield await look(db)
        except DatabaseFails as error:  # the others may tell why
            yield Finding(look.__name__, str(error))
        except DatabaseUnavailable as error:
            if look is database:
                raise
            remedy = "see that its server is not too busy, and try again"
            yield Finding(f"{look.__name__}: no answer ({error.why})", remedy)


async def told(db: Database, command: str, value: str | int = 1) -> Document:
    """Return the answer to a command, empty if the server refuses it, or takes too long."""
    try:
        return await db.command(command, value)
    except DatabaseUnavailable:
        return {}


async def database(db: Database) -> Finding:
    """Return whether the database takes and gives documents, and how fast."""
    wrote = await _milliseconds(write_probe(db))
    read = min([await _milliseconds(db[LOG_ID_COLLECTION].find_one({})) for _ in range(3)])
    what = f"database: has written in {wrote:.0f} ms, and read in {read:.0f} ms"
    if read < FAR_AWAY:
        return Finding(what)
    return Finding(
        what, "pages and searches are slow; run the chat near its database", is_note=True
    )


async def server(db: Database) -> Finding:
    """Return what is found about the server's version."""
    version = (await told(db, "buildInfo")).get("version")
    if not version:
        return Finding(f"server: its version {UNTOLD}")
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < MADE_FOR:
        remedy = f"the chat is made for MongoDB {MADE_FOR} and later; update it"
        return Finding(f"server: version {version}", remedy, is_note=True)
    return Finding(f"server: version {version}")


async def replication(db: Database) -> Finding:
    """Return whether what the server has confirmed outlives it, and whether another takes over."""
    hello = await told(db, "hello")
    if hello.get("msg") == "isdbgrid":
        return await sharding(db)
    if name := hello.get("setName"):
        members = len([*hello.get("hosts", ()), *hello.get("passives", ())])
        what = f"replication: the replica set {name} of {members}"
        if members >= MAJORITY_NEEDS:
            return Finding(what)
        if members > 1:
            remedy = "if one is away, nothing is stored; with three, nobody would notice"
            return Finding(what, remedy, is_note=True)
    elif hello:
        what = "replication: none, a single server"
    else:
        return Finding(f"replication: {UNTOLD}")
    remedy = "what it has stored is lost with its disk, and no other takes over while it is away"
    return Finding(what, remedy, is_note=True)


async def sharding(db: Database) -> Finding:
    """Return whether a router leaves the collections with unique indexes on one shard."""
    names = sorted({collection for collection, _, is_unique in INDEXES if is_unique})
    stats = {name: await told(db, "collStats", name) for name in names}
    if sharded := [name for name in names if stats[name].get("sharded")]:
        what = f"replication: a router (mongos), {' and '.join(sharded)} sharded"
        remedy = "unshard this; unique indexes hold on one shard only, and the chat relies on them"
        return Finding(what, remedy)
    if not all(stats.values()):
        remedy = f"{UNTOLD} whether {' or '.join(names)} is sharded, which the chat can't bear"
        return Finding("replication: a router (mongos)", remedy, is_note=True)
    return Finding("replication: a router (mongos), with all messages and accounts on one shard")


async def rights(db: Database) -> Finding:
    """Return what is found about the rights of the chat's account at the database."""
    refused = await refused_steps(db)
    if not refused:
        return Finding("rights: may make indexes, rename and drop collections")
    listed = ", ".join(f"{WHAT[step]} ({error})" for step, error in refused.items())
    what = f"rights: the server refuses {listed}"
    remedy = f"see that its user has the role readWrite on {db.name}, and that no quota is full"
    if "index" in refused:
        return Finding(what, remedy)
    return Finding(what, f"an import needs that; {remedy}", is_note=True)


async def indexes(db: Database) -> Finding:
    """Return what is found about the indexes."""
    missing = await missing_indexes(db)
    if others := [name for name in missing.values() if name]:
        what = f"indexes: {', '.join(others)} made with other options"
        return Finding(what, "drop these, and start the chat, it makes its own")
    if missing:
        return Finding(f"indexes: {', '.join(missing)} missing", "start the chat, it makes them")
    if being_built := await indexes_being_built(db):
        return Finding(
            f"indexes: {', '.join(being_built)} being built",
            "wait some minutes; until then pages say that the chat is being prepared",
        )
    return Finding("indexes: all there")


async def files_taken(db: Database) -> tuple[int, int]:
    """Return how many files people have sent, and how many bytes these take."""
    sizes = [document["size"] async for document in walk(db[FILE_COLLECTION], {})]
    return len(sizes), sum(sizes)


def sent_files(count: int, taken: int, limit: Size) -> Finding:
    """Return what is found about the room that files have."""
    of_what = f" of {limit}" if limit else ", without a limit"
    what = f"sent files: {count:,}, {size_text(taken)}{of_what}"
    if limit and taken > NEARLY_FULL * limit:
        remedy = "new ones are refused if that is full; raise FILES_IN_ALL, or let people delete"
        return Finding(what, remedy, is_note=True)
    return Finding(what)


async def space(db: Database) -> Finding:
    """Return what is found about the space on the server's disk."""
    stats = await told(db, "dbStats")
    parts = []
    if "dataSize" in stats:
        taken = stats["dataSize"] + stats.get("indexSize", 0)
        parts.append(f"{size_text(int(taken))} of data and indexes")
    # A quota, as that of Atlas' free cluster, no server tells.
    if not stats.get("fsTotalSize"):
        return Finding("space: " + ", ".join([*parts, f"how much is free {UNTOLD}"]))
    free = int(stats["fsTotalSize"] - stats.get("fsUsedSize", 0))
    return little_space(", ".join([*parts, f"{size_text(free)} free on the server's disk"]), free)


async def disk(data_dir: Path, for_files: int) -> Finding:
    """Return what is found about the space on the embedded database's disk."""
    free = shutil.disk_usage(data_dir).free
    return little_space(f"{size_text(free)} free in {data_dir}", free, for_files)


def little_space(what: str, free: float, for_files: int = 0) -> Finding:
    """Return what is found about so many free bytes, of which files may take a part."""
    remedy = ""
    if free < LITTLE_SPACE:
        remedy = "make room before nothing can be stored any more"
    elif free < for_files:
        remedy = f"files may take {size_text(for_files)} more; make room, or lower FILES_IN_ALL"
    return Finding(f"space: {what}", remedy, is_note=True)


async def clock(db: Database) -> Finding:
    """Return what is found about this machine's clock."""
    asked = datetime.now(UTC)
    there = (await told(db, "hello")).get("localTime")
    answered = datetime.now(UTC)
    ahead = 0.0
    if there:  # the server has looked at its clock at some time in between
        ahead = max((asked - there).total_seconds(), min((answered - there).total_seconds(), 0))
    newest = await db[MESSAGE_COLLECTION].find({}, sort=("seq", -1), limit=1)
    now = datetime.now(UTC)
    sent = newest[0].get("time") if newest else None  # by another machine's clock, perhaps
    if isinstance(sent, datetime) and sent > now:
        ahead = max(ahead, (now - sent).total_seconds(), key=abs)
    if abs(ahead) > CLOCKS_APART:
        what = f"clock: {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} another's"
        return Finding(what, "let the machines set their clocks by NTP")
    return Finding("clock: right" if there else f"clock: {UNTOLD} its own")


async def _milliseconds(call: Awaitable[object]) -> float:
    began = time.perf_counter()
    await call
    return 1000 * (time.perf_counter() - began)

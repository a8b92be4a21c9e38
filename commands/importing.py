"""import: read accounts, log and files from an export into an empty room, all or nothing."""

import asyncio
import os
import select
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO

from commands.archive import BadLine, Fields, counts, from_line, to_document
from commands.line_order import LineOrder
from commands.persistence import persistently
from commands.progress import progress, shown
from commands.room import CommandError, open_room
from security.data_dir import make_data_dir
from settings import (
    CHUNK_COLLECTION,
    FILE_COLLECTION,
    MESSAGE_COLLECTION,
    PREVIEW_COLLECTION,
    USER_COLLECTION,
    load_settings,
)
from storage.database import (
    Database,
    DatabaseFails,
    DatabaseUnavailable,
    Document,
    deadline,
    is_empty,
)
from storage.indexes import create_indexes
from storage.staging import MOST_PER_INSERT, STAGED, RoomTaken, Staging, StagingDropped, drop

COLLECTIONS = {  # of the lines that are stored
    "account": USER_COLLECTION,
    "message": MESSAGE_COLLECTION,
    "change": MESSAGE_COLLECTION,
    "file": FILE_COLLECTION,
    "chunk": CHUNK_COLLECTION,
    "preview": PREVIEW_COLLECTION,
}
BYTES_PER_INSERT = LINE_LENGTH = 8 * 1024 * 1024  # MongoDB's limit for a document is 16 MiB
BYTES_PER_DOCUMENT = 400  # besides the values that are texts
BYTES_PER_READ = 1024 * 1024
MAY_PRECEDE = b"\xef\xbb\xbf \t"  # a JSON text: a byte order mark, or spaces
INTERRUPTED_WITHIN = 0.2  # seconds; while nothing comes

Source = Path | IO[bytes]  # the file that is named, or the copy of standard input; read twice


async def import_room(arguments: Namespace) -> None:
    """Import a file, or standard input, into the room of the settings, which must be empty."""
    if arguments.file != "-":
        await import_from(Path(arguments.file))
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise CommandError("Standard input has no export: pipe one into this, from `export -`.")
    settings = load_settings()
    if not settings.MONGO_HOST:
        make_data_dir(settings.DATA_DIR)
    # A folder that has to have room for all of it anyway; /tmp may be in memory.
    with await standard_input(None if settings.MONGO_HOST else settings.DATA_DIR) as file:
        await import_from(file)


async def standard_input(folder: Path | None) -> IO[bytes]:
    """Return a file with all that standard input had. Raises CommandError.

    It has no name, so nobody else can open it, and nothing is left of it, even after SIGKILL.
    """
    number = sys.stdin.fileno()
    # A read that waits could not be interrupted.
    wait = partial(select.select, [number], [], [], INTERRUPTED_WITHIN)
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # for the caller
        while True:
            if not (await asyncio.to_thread(wait))[0]:
                continue
            data = os.read(number, BYTES_PER_READ)
            if not data:
                return file
            if not file.tell() and not data.lstrip(MAY_PRECEDE).startswith(b"{"):
                raise CommandError("Standard input, line 1: it is not JSON.")  # it may have no end
            file.write(data)
    except OSError as error:
        raise CommandError(f"Standard input can't be copied: {error.strerror}.") from None


async def import_from(source: Source) -> None:
    """Import an export into the room of the settings, which must be empty."""
    for fields in checked(source):  # all of it, before anything is stored
        end = fields
        if fields.get("seq", 0) % 1000 == 0:
            await asyncio.sleep(0)  # so that it can be interrupted
    settings = load_settings()
    async with open_room(settings, is_new=True) as room:
        if not settings.MONGO_HOST and not room.is_alone:
            raise CommandError(f"A chat is running on {settings.DATA_DIR}: stop it first.")
        outcome = "Nothing is imported."
        try:
            staging = await fill(room.db, source, end)
            outcome = "All is imported, or nothing: start the chat to see."
            await persistently(staging.publish)
            outcome = "All is imported: the next start of the chat makes the indexes."
            with shown("Making the indexes"):
                await persistently(partial(create_indexes, room.db))
        except DatabaseUnavailable as error:
            state = "fails" if isinstance(error, DatabaseFails) else "is away"
            raise CommandError(f"The database {state}: {error}. {outcome}") from None
        except StagingDropped:
            raise CommandError(
                "Another import was started meanwhile: nothing of this one is imported."
            ) from None
        except RoomTaken:
            raise CommandError(
                "Somebody has registered meanwhile, so nothing is imported: stop the chat first."
            ) from None
    print(f"Imported: {counts(end)}.", file=sys.stderr)


async def fill(db: Database, source: Source, end: Fields) -> Staging:
    """Store what the file has in collections that do not count yet; `end` is its last line.

    Raises CommandError, StagingDropped, DatabaseUnavailable.
    """
    staging = Staging(db)
    try:
        await staging.create()
        await make_way(db, staging)
        await store(staging, source, end["entries"] + end.get("files", 0))
        with shown("Making the indexes"):
            await persistently(staging.complete)
    except BaseException:  # Ctrl-C, too
        with suppress(DatabaseUnavailable):  # else the next import does it
            async with deadline():
                await staging.drop()
        raise
    return staging


async def make_way(db: Database, staging: Staging) -> None:
    """Check that the room is empty, and remove what other imports have left.

    Raises CommandError, DatabaseUnavailable.
    """
    await check_empty(db)
    # The messages first: an import that is still under way can't end without them. If it has
    # renamed them before, the room is not empty any more, and needs the rest.
    messages, *rest = [await staging.others(name) for name in STAGED]
    await drop(messages)
    await check_empty(db)
    for collections in rest:
        await drop(collections)


async def check_empty(db: Database) -> None:
    """Check that the room has neither accounts nor messages.

    Raises CommandError, DatabaseUnavailable.
    """
    if not await is_empty(db):
        raise CommandError("The room is not empty: import into a new one.")


async def store(staging: Staging, source: Source, total: int) -> None:
    """Store what the export has, so many entries and files. Raises DatabaseUnavailable."""
    reader, done = batches(source), 0
    with progress("Imported", total) as show:
        batch = next(reader, None)
        while batch:
            name, documents = batch
            # The next batch is read while this one is stored.
            reading = asyncio.create_task(asyncio.to_thread(next, reader, None))
            while documents:
                try:
                    stored = await persistently(partial(staging.store, name, documents))
                except DatabaseUnavailable as error:
                    raise type(error)(f"{error}, after {done:,} of {total:,} entries") from None
                documents = documents[stored:]
                if name in (MESSAGE_COLLECTION, FILE_COLLECTION):
                    done += stored
                    show(done)
            batch = await reading


def batches(source: Source) -> Iterator[tuple[str, list[Document]]]:
    """Yield the documents of the file, some at a time, with the name of their collection."""
    for name, lines in groupby(checked(source), lambda fields: COLLECTIONS.get(fields["type"])):
        if name is None:  # the first line, or the last
            continue
        batch: list[Document] = []
        size = 0
        for fields in lines:
            batch.append(to_document(fields))
            texts = (value for value in fields.values() if isinstance(value, str))
            size += BYTES_PER_DOCUMENT + 4 * sum(map(len, texts))  # at most
            if len(batch) == MOST_PER_INSERT or size > BYTES_PER_INSERT:
                yield name, batch
                batch, size = [], 0
        if batch:
            yield name, batch


def checked(source: Source) -> Iterator[Fields]:
    """Yield the lines of the file, the end at last. Raises CommandError if anything is wrong."""
    name = source if isinstance(source, Path) else "Standard input"
    order = LineOrder()
    try:
        with opened(source) as file:
            while line := file.readline(LINE_LENGTH):
                order.line += 1
                if len(line) == LINE_LENGTH:
                    raise BadLine("it is too long")
                fields = from_line(line)
                order.next(fields)
                yield fields
    except BadLine as bad:
        raise CommandError(f"{name}, line {order.line}: {bad}.") from None
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}.") from None
    if order.kind != "end":
        what = f"is cut off after line {order.line}" if order.line else "is empty"
        raise CommandError(f"{name} {what}.")


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Open what is read, at its beginning. Raises CommandError, OSError."""
    if not isinstance(source, Path):
        source.seek(0)
        yield source
        return
    if not source.is_file():
        why = "is not a file" if source.exists() else "does not exist"  # it is read twice
        raise CommandError(f"{source} {why}.")
    with source.open("rb") as file:
        yield file

"""import: read the accounts and the log from a file into an empty room, all or nothing."""

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

from commands.archive import VERSION, BadLine, Fields, from_line, to_document
from commands.persistence import persistently
from commands.progress import progress, shown
from commands.room import CommandError, open_room
from settings import (
    MESSAGE_COLLECTION,
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
from storage.staging import MOST_PER_INSERT, RoomTaken, Staging, StagingDropped, drop

COLLECTIONS = {  # of the lines that are stored
    "account": USER_COLLECTION,
    "message": MESSAGE_COLLECTION,
    "change": MESSAGE_COLLECTION,
}
BYTES_PER_INSERT = LINE_LENGTH = 8 * 1024 * 1024  # MongoDB's limit for a document is 16 MiB
BYTES_PER_DOCUMENT = 400  # besides the values that are texts


async def import_room(arguments: Namespace) -> None:
    """Import a file into the room of the settings, which must be empty."""
    path = Path(arguments.file)
    for fields in checked(path):  # all of it, before anything is stored
        end = fields
        if fields.get("seq", 0) % 1000 == 0:
            await asyncio.sleep(0)  # so that it can be interrupted
    settings = load_settings()
    async with open_room(settings, is_new=True) as room:
        if not settings.MONGO_HOST and not room.is_alone:
            raise CommandError(f"A chat is running on {settings.DATA_DIR}: stop it first.")
        outcome = "Nothing is imported."
        try:
            staging = await fill(room.db, path, end)
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
    print(f"Imported: accounts {end['accounts']:,}, entries {end['entries']:,}.", file=sys.stderr)


async def fill(db: Database, path: Path, end: Fields) -> Staging:
    """Store what the file has in collections that do not count yet; `end` is its last line.

    Raises CommandError, StagingDropped, DatabaseUnavailable.
    """
    staging = Staging(db)
    try:
        await staging.create()
        await make_way(db, staging)
        await store(staging, path, end["entries"])
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
    # renamed them before, the room is not empty any more, and needs its accounts.
    accounts = await staging.others(USER_COLLECTION)
    await drop(await staging.others(MESSAGE_COLLECTION))
    await check_empty(db)
    await drop(accounts)


async def check_empty(db: Database) -> None:
    """Check that the room has neither accounts nor messages.

    Raises CommandError, DatabaseUnavailable.
    """
    if not await is_empty(db):
        raise CommandError("The room is not empty: import into a new one.")


async def store(staging: Staging, path: Path, entries: int) -> None:
    """Store the documents of the file, which has so many entries. Raises DatabaseUnavailable."""
    reader, done = chunks(path), 0
    with progress("Imported", entries) as show:
        chunk = next(reader, None)
        while chunk:
            name, documents = chunk
            # The next chunk is read while this one is stored.
            reading = asyncio.create_task(asyncio.to_thread(next, reader, None))
            while documents:
                try:
                    stored = await persistently(partial(staging.store, name, documents))
                except DatabaseUnavailable as error:
                    raise type(error)(f"{error}, after {done:,} of {entries:,} entries") from None
                documents = documents[stored:]
                if name == MESSAGE_COLLECTION:
                    done += stored
                    show(done)
            chunk = await reading


def chunks(path: Path) -> Iterator[tuple[str, list[Document]]]:
    """Yield the documents of the file, some at a time, with the name of their collection."""
    for name, lines in groupby(checked(path), lambda fields: COLLECTIONS.get(fields["type"])):
        if name is None:  # the first line, or the last
            continue
        chunk: list[Document] = []
        size = 0
        for fields in lines:
            chunk.append(to_document(fields))
            texts = (value for value in fields.values() if isinstance(value, str))
            size += BYTES_PER_DOCUMENT + 4 * sum(map(len, texts))  # at most
            if len(chunk) == MOST_PER_INSERT or size > BYTES_PER_INSERT:
                yield name, chunk
                chunk, size = [], 0
        if chunk:
            yield name, chunk


def checked(path: Path) -> Iterator[Fields]:
    """Yield the lines of the file, the end at last. Raises CommandError if anything is wrong."""
    order = LineOrder()
    try:
        if not path.is_file():
            why = "is not a file" if path.exists() else "does not exist"  # it is read twice
            raise CommandError(f"{path} {why}.")
        with path.open("rb") as file:
            while line := file.readline(LINE_LENGTH):
                order.line += 1
                if len(line) == LINE_LENGTH:
                    raise BadLine("it is too long")
                fields = from_line(line)
                order.next(fields)
                yield fields
    except BadLine as bad:
        raise CommandError(f"{path}, line {order.line}: {bad}.") from None
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from None
    if order.kind != "end":
        what = f"is cut off after line {order.line}" if order.line else "is empty"
        raise CommandError(f"{path} {what}.")


class LineOrder:
    """Checks that lines follow one another as in the file of an export."""

    def __init__(self) -> None:
        self.line = 0
        self.kind = ""  # of the last line
        self._seq = 0  # of the last entry
        self._count = Counter[str]()  # of lines, by kind
        self._seen: set[str] = set()  # values of UNIQUE

    def next(self, fields: Fields) -> None:
        """Check the next line. Raises BadLine."""
        kind = "entry" if fields["type"] in ("message", "change") else fields["type"]
        if kind not in FOLLOWERS[self.kind]:
            raise BadLine(f"the type {fields['type']!r} can't come here")
        if kind == "chat" and fields["version"] != VERSION:
            raise BadLine(
                f"the file is of version {fields['version']}, and this chat reads {VERSION}"
            )
        self.kind = kind
        self._count[kind] += 1
        for name in UNIQUE:
            if name in fields:
                value = f"{name} {fields[name]}"
                if value in self._seen:
                    raise BadLine(f"{name!r} is there twice")
                self._seen.add(value)
        if kind == "entry":
            if fields["seq"] <= self._seq:
                raise BadLine("'seq' is not higher than before")
            if fields.get("of", 0) >= fields["seq"]:
                raise BadLine("'of' is no earlier entry")
            self._seq = fields["seq"]
        elif kind == "end":
            counted = (self._count["account"], self._count["entry"])
            if (fields["accounts"], fields["entries"]) != counted:
                raise BadLine("lines before it are missing")


UNIQUE = ("id", "login_key", "look", "email_key", "key")  # fields, each over all lines
FOLLOWERS = {  # by kind of line: those that may come next
    "": {"chat"},
    "chat": {"account", "entry", "end"},
    "account": {"account", "entry", "end"},
    "entry": {"entry", "end"},
    "end": set[str](),
}

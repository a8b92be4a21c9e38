"""import: read the accounts and the log from a file into an empty room, all or nothing."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from pymongo.errors import DuplicateKeyError

from chat.journal import Conflict, insert_in_order
from commands.archive import (
    VERSION,
    BadLine,
    Fields,
    account_document,
    entry_document,
    from_line,
)
from commands.progress import Progress
from commands.room import CommandError, Room, open_room
from settings import MESSAGE_COLLECTION, USER_COLLECTION, load_settings
from storage.database import (
    DatabaseUnavailable,
    Document,
    create_indexes,
    deadline,
    is_empty,
    remove_all,
    upkeep,
)
from storage.import_mark import (
    ImportUnderWay,
    MarkLost,
    end_killed_import,
    remove_mark,
    renew_mark,
    set_mark,
    undo_import,
)

PER_INSERT = 1000  # documents, which take much less than CALL_TIMEOUT
BYTES_PER_INSERT = LINE_LENGTH = 8 * 1024 * 1024  # MongoDB's limit for a document is 16 MiB


async def import_room(arguments: Namespace) -> None:
    """Read a room from a file into the empty one of the settings."""
    path = Path(arguments.file)
    for fields in checked(path):  # all of it, before anything is stored
        end = fields
        if fields.get("seq", 0) % 1000 == 0:
            await asyncio.sleep(0)  # so that it can be interrupted
    settings = load_settings()
    async with open_room(settings, is_new=True) as room:
        if not settings.MONGO_HOST and not room.is_alone:
            raise CommandError(f"A chat is running on {settings.DATA_DIR}: stop it first.")
        try:
            await end_killed_import(room.db, is_alone=room.is_alone)
            await set_mark(room.db)
        except ImportUnderWay:
            raise CommandError(
                "Another import is under way, or was killed within the last half minute."
            ) from None
        if not await is_empty(room.db):
            await remove_mark(room.db)
            raise CommandError("The room is not empty: import into a new one.")
        try:
            await remove_all(room.db)  # sessions and links of accounts that are gone
            await renew_mark(room.db)
            await fill(room, path, end)
        except BaseException as error:  # Ctrl-C, too
            note = await undo(room)
            if why := reason(path, error):
                raise CommandError(f"{why}. {note}") from None
            raise
        await remove_mark(room.db)
    print(f"Imported: accounts {end['accounts']:,}, entries {end['entries']:,}.", file=sys.stderr)


async def undo(room: Room) -> str:
    """Make the room empty again; return a sentence about that."""
    try:
        await undo_import(room.db)
    except DatabaseUnavailable:  # the mark is still there
        return "The next import, or start of the chat, makes the room empty again."
    except MarkLost:
        return "What is there now stays, because it is not the import's."
    return "The room is empty again."


def reason(path: Path, error: BaseException) -> str:
    """Return why an import failed, "" if that is to be told in another way."""
    if isinstance(error, Conflict | DuplicateKeyError):
        return f"{path} names something twice, or a chat is running on the room"
    if isinstance(error, MarkLost):
        return "A chat, or another import, has taken this one for killed: stop it and try again"
    if isinstance(error, DatabaseUnavailable):
        return f"The database took no more ({error}): it is away, or its disk is full"
    return ""


async def fill(room: Room, path: Path, end: Fields) -> None:
    """Store what the file has; `end` is its last line.

    Raises Conflict, DuplicateKeyError, MarkLost, DatabaseUnavailable.
    """
    if room.is_alone:
        # Without their indexes, which are faster to make at the end.
        for name in (USER_COLLECTION, MESSAGE_COLLECTION):
            async with upkeep():
                await room.db.drop_collection(name)
    else:
        await create_indexes(room.db)
    progress, done = Progress("Imported"), 0
    reader = batches(path)
    try:
        batch = next(reader, None)
        while batch:
            name, documents = batch
            # The next batch is read while this one is stored.
            reading = asyncio.create_task(asyncio.to_thread(next, reader, None))
            async with deadline():
                await insert_in_order(room.db[name], documents)
            await renew_mark(room.db)
            if name == MESSAGE_COLLECTION:
                done += len(documents)
                progress.show(done, end["entries"])
            batch = await reading
    finally:
        progress.clear()
    await create_indexes(room.db)
    async with upkeep():
        stored = await room.db[USER_COLLECTION].count_documents({})
    if stored != end["accounts"]:  # somebody has registered meanwhile
        raise Conflict


def batches(path: Path) -> Iterator[tuple[str, list[Document]]]:
    """Yield the documents of the file, some at a time, with the name of their collection."""
    collections = {"account": USER_COLLECTION, "message": MESSAGE_COLLECTION}
    collections["change"] = MESSAGE_COLLECTION
    batch: list[Document] = []
    size, name = 0, USER_COLLECTION
    for fields in checked(path):
        next_name = collections.get(fields["type"], name)
        is_full = len(batch) == PER_INSERT or size > BYTES_PER_INSERT
        if batch and (is_full or next_name != name or fields["type"] == "end"):
            yield name, batch
            batch, size = [], 0
        name = next_name
        if fields["type"] == "account":
            batch.append(account_document(fields))
        elif fields["type"] in collections:
            batch.append(entry_document(fields))
            size += 4 * len(fields.get("msg", ""))  # bytes, at most


def checked(path: Path) -> Iterator[Fields]:
    """Yield the lines of the file, the end at last. Raises CommandError if anything is wrong."""
    check = Check()
    try:
        if not path.is_file():
            why = "is not a file" if path.exists() else "does not exist"  # it is read twice
            raise CommandError(f"{path} {why}.")
        with path.open("rb") as file:
            while line := file.readline(LINE_LENGTH):
                check.line += 1
                if len(line) == LINE_LENGTH:
                    raise BadLine("it is too long")
                fields = from_line(line)
                check.next(fields)
                yield fields
    except BadLine as bad:
        raise CommandError(f"{path}, line {check.line}: {bad}.") from None
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from None
    if not check.is_complete:
        what = f"is cut off after line {check.line}" if check.line else "is empty"
        raise CommandError(f"{path} {what}.")


class Check:
    """Checks that lines follow one another as in the file of an export."""

    def __init__(self) -> None:
        self.line = 0
        self.is_complete = False
        self._type = ""  # of the line before
        self._seq = 0  # of the last entry
        self._count = {"accounts": 0, "entries": 0}
        self._seen: set[str] = set()  # what may be there only once

    def next(self, fields: Fields) -> None:
        """Check the next line. Raises BadLine."""
        kind = "entry" if fields["type"] in ("message", "change") else fields["type"]
        before, self._type = self._type, kind
        if kind not in FOLLOWERS[before]:
            raise BadLine(f"the type {fields['type']!r} can't come here")
        if kind == "chat" and fields["version"] != VERSION:
            raise BadLine(
                f"the file is of version {fields['version']}, and this chat reads {VERSION}"
            )
        if kind == "account":
            self._count["accounts"] += 1
            self._once(fields, "id", "login_key", "look", "email_key")
        elif kind == "entry":
            self._count["entries"] += 1
            self._once(fields, "key")
            if fields["seq"] <= self._seq:
                raise BadLine("'seq' is not higher than before")
            if fields.get("of", 0) >= fields["seq"]:
                raise BadLine("'of' is no earlier entry")
            self._seq = fields["seq"]
        elif kind == "end":
            if any(fields[name] != count for name, count in self._count.items()):
                raise BadLine("lines before it are missing")
            self.is_complete = True

    def _once(self, fields: Fields, *names: str) -> None:
        for name in names:
            text = f"{name} {fields[name]}"
            if text in self._seen:
                raise BadLine(f"{name!r} is there twice")
            self._seen.add(text)


FOLLOWERS = {  # by kind of line: those that may come next
    "": {"chat"},
    "chat": {"account", "entry", "end"},
    "account": {"account", "entry", "end"},
    "entry": {"entry", "end"},
    "end": set[str](),
}

"""export: write the accounts and the log to a file, beside a running chat or without one."""

import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from auth.models import is_deleted
from chat.changes import make_changes
from chat.entry import DELETED_USER
from chat.recent import RECENT_LENGTH
from commands.archive import HEADER, account_fields, entry_fields, to_line
from commands.persistence import persistently
from commands.progress import progress
from commands.room import CommandError, Room, open_room
from settings import MESSAGE_COLLECTION, load_settings
from storage.batches import Batches
from storage.database import Document

PER_QUERY = 200  # documents; the embedded database answers nobody else meanwhile, for 10 ms
MOST_PER_QUERY = 2000  # of a database that answers several at once


async def export(arguments: Namespace) -> None:
    """Write the room to a file, which is there only once it is complete."""
    settings = load_settings()
    queries = Batches(PER_QUERY, MOST_PER_QUERY if settings.MONGO_HOST else PER_QUERY)
    async with open_room(settings) as room:
        with written(arguments.file) as file:
            accounts, entries = await write(room, file, queries)
    print(f"Exported: accounts {accounts:,}, entries {entries:,}.", file=sys.stderr)


async def write(room: Room, file: IO[bytes], queries: Batches) -> tuple[int, int]:
    """Write the room; return how many accounts and entries it has. Raises DatabaseUnavailable."""
    collection = room.db[MESSAGE_COLLECTION]
    newest = await collection.find({}, sort=("seq", -1), limit=RECENT_LENGTH)
    # A chat that was killed may have stored changes that it has not made.
    await make_changes(collection, newest[::-1])
    # Later entries are not exported, so each one's author is among the accounts, read after this.
    last = newest[0]["seq"] if newest else 0
    accounts = entries = exported = 0
    file.write(to_line(HEADER))
    deleted = set[str]()  # their names may not be replaced everywhere yet
    async for user in room.accounts():
        if is_deleted(user):
            deleted.add(str(user["_id"]))
            continue
        file.write(to_line(account_fields(user, last)))
        accounts += 1

    async def following(count: int) -> list[Document]:
        where = {"seq": {"$gt": exported, "$lte": last}}
        return await collection.find(where, sort=("seq", 1), limit=count)

    with progress("Exported", last) as show:
        while documents := await persistently(partial(queries.call, following)):
            for document in documents:
                if document["user_id"] in deleted:
                    document["user"] = DELETED_USER
                file.write(to_line(entry_fields(document)))
            entries += len(documents)
            exported = documents[-1]["seq"]
            show(exported)
    file.write(to_line({"type": "end", "accounts": accounts, "entries": entries}))
    return accounts, entries


@contextmanager
def written(name: str) -> Iterator[IO[bytes]]:
    """Open a temporary file, which takes the place of `name` once the block has ended well.

    Only its owner may read it. A pipe or a device is written to directly; "-" is standard output.
    Raises CommandError.
    """
    if name == "-":
        yield sys.stdout.buffer
        return
    path = Path(name)
    try:
        if path.exists() and not path.is_file():
            # Opening a named pipe that nobody reads would block.
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(handle, True)
            with open(handle, "wb") as file:
                yield file
            return
        path = path.resolve()  # a link stays, and what it leads to is written
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:  # Ctrl-C, too
            os.unlink(draft)
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.") from None

"""export: write accounts, log and files to a file, beside a running chat or without one."""

import os
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from auth.models import is_deleted
from chat.changes import make_changes
from chat.entry import DELETED_USER, File
from chat.recent import RECENT_LENGTH
from commands.archive import (
    HEADER,
    BadLine,
    Fields,
    account_fields,
    content_fields,
    counts,
    entry_fields,
    file_fields,
    from_line,
    to_line,
)
from commands.persistence import persistently
from commands.progress import progress
from commands.room import CommandError, Room, open_room
from files.store import chunk_ids
from settings import CHUNK_COLLECTION, MESSAGE_COLLECTION, PREVIEW_COLLECTION, load_settings
from storage.batches import Batches
from storage.database import Database, Document

PER_QUERY = 200  # documents; the embedded database answers nobody else meanwhile, for 10 ms
MOST_PER_QUERY = 2000  # of a database that answers several at once
FIRST_LINE_LENGTH = 200  # bytes; of an export it has some 30


async def export(arguments: Namespace) -> None:
    """Write the room to a file, which is there only once it is complete."""
    settings = load_settings()
    queries = Batches(PER_QUERY, MOST_PER_QUERY if settings.MONGO_HOST else PER_QUERY)
    async with open_room(settings) as room:
        with written(arguments.file, settings.DATA_DIR) as (file, folder):
            end, keys = await write(room, file, queries)
            if not arguments.without_files and keys:
                end["files"] = await write_files(room.db, file, keys, folder)
            file.write(to_line(end))
    print(f"Exported: {counts(end)}.", file=sys.stderr)


async def write(room: Room, file: IO[bytes], queries: Batches) -> tuple[Fields, list[str]]:
    """Write accounts and log; return the last line, with counts, and the keys of files' messages.

    Raises DatabaseUnavailable.
    """
    collection = room.db[MESSAGE_COLLECTION]
    newest = await collection.find({}, sort=("seq", -1), limit=RECENT_LENGTH)
    # A chat that was killed may have stored changes that it has not made.
    await make_changes(collection, newest[::-1])
    # Later entries are not exported, so each one's author is among the accounts, read after this.
    last = newest[0]["seq"] if newest else 0
    accounts = entries = exported = 0
    file.write(to_line(HEADER))
    keys: list[str] = []
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
                fields = entry_fields(document)
                file.write(to_line(fields))
                if "file" in fields:
                    keys.append(fields["key"])
            entries += len(documents)
            exported = documents[-1]["seq"]
            show(exported)
    return {"type": "end", "accounts": accounts, "entries": entries}, keys


async def write_files(db: Database, file: IO[bytes], keys: list[str], folder: Path | None) -> int:
    """Write the files that messages name; return how many. Raises DatabaseUnavailable.

    Each is in a temporary file in `folder` first: it may be deleted at any moment, and then nothing
    of it is exported.
    """
    files = 0
    with progress("Exported files:", len(keys)) as show:
        for number, key in enumerate(keys, 1):
            with tempfile.TemporaryFile(dir=folder) as whole:
                if await write_file(db, whole, key):
                    whole.seek(0)
                    shutil.copyfileobj(whole, file)
                    files += 1
            show(number)
    return files


async def write_file(db: Database, whole: IO[bytes], key: str) -> bool:
    """Write the file that a message names, and return whether all of it was there.

    Raises DatabaseUnavailable.
    """
    message = await find(db, MESSAGE_COLLECTION, {"key": key})
    fields = entry_fields(message) if message else {}
    if "file" not in fields:
        return False
    whole.write(to_line(file_fields(fields)))
    about = File.from_document(fields["file"])
    for n, id_ in enumerate(chunk_ids(about.id, 0, about.size)):
        chunk = await find(db, CHUNK_COLLECTION, {"_id": id_})
        if not chunk:
            return False
        whole.write(to_line(content_fields("chunk", about.id, chunk["data"], n=n)))
    if about.preview:
        preview = await find(db, PREVIEW_COLLECTION, {"_id": about.id})
        if not preview:
            return False
        whole.write(to_line(content_fields("preview", about.id, preview["data"])))
    return True


async def find(db: Database, collection: str, where: Document) -> Document | None:
    """Return a document, None if there is none. Raises DatabaseUnavailable."""
    return await persistently(partial(db[collection].find_one, where))


@contextmanager
def written(name: str, data_dir: Path) -> Iterator[tuple[IO[bytes], Path | None]]:
    """Open a temporary file, which takes the place of `name` once the block has ended well.

    Only its owner may read it. The folder comes with it. A pipe or a device is written to directly,
    and has none; "-" is standard output. Raises CommandError, also for a place that can't be meant.
    """
    if name == "-":
        yield sys.stdout.buffer, None
        return
    path = Path(name)
    try:
        if path.exists() and not path.is_file():
            # Opening a named pipe that nobody reads would block.
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(handle, True)
            with open(handle, "wb") as file:
                yield file, None
            return
        path = path.resolve()  # a link stays, and what it leads to is written
        check_place(path, data_dir.resolve())
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "wb") as file:
                yield file, path.parent
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


def check_place(path: Path, data_dir: Path) -> None:
    """Check where a file is to be written. Raises CommandError, OSError."""
    for folder in path.parents:
        if (folder / ".git").exists():
            raise CommandError(
                f"{path} would be in the git checkout {folder}, and could get into a commit: "
                "it has the hashes of passwords. Choose a folder elsewhere."
            )
        if folder == data_dir:  # which git ignores
            break
    # The database's lock is empty, and so may be a file that is made to be written.
    if path.exists() and (data_dir in path.parents or path.stat().st_size):
        with path.open("rb") as file, suppress(BadLine):
            if from_line(file.readline(FIRST_LINE_LENGTH))["type"] == HEADER["type"]:
                return
        raise CommandError(f"{path} is there and is no export: choose another name.")

"""Files as the database has them, without a browser that sends or shows them."""

import io
import os
from typing import Any

from auth.sessions import Identity
from chat.entry import File
from files.store import CHUNK_SIZE, FILES, Files, NewFile
from settings import CHUNK_COLLECTION, FILE_COLLECTION, PREVIEW_COLLECTION, USER_COLLECTION
from storage.database import Document, MotorDatabase
from tests.support.house import House
from tests.support.people import Person
from tests.support.waiting import until

CONTENT = os.urandom(2 * CHUNK_SIZE + 1000)  # three chunks
PREVIEW = os.urandom(1000)


def new_file(content: bytes = CONTENT, **about: Any) -> NewFile:
    """Return a file to be stored; with a preview, unless that says otherwise."""
    about = {"name": "photo.png", "type": "image/png", "preview": PREVIEW, **about}
    return NewFile(content=io.BytesIO(content), size=len(content), **about)


async def identity_of(house: House, login: str) -> Identity:
    """Return who somebody with an account is."""
    user = await house.database[USER_COLLECTION].find_one({"login": login})
    assert user is not None
    return Identity(str(user["_id"]), "", login)


async def add_for(house: House, login: str, content: bytes = CONTENT, **about: Any) -> File:
    """Store a file of somebody's."""
    user = await identity_of(house, login)
    return await house.app[FILES].add(user.user_id, new_file(content, **about))


async def content_of(files: Files, file: File, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of a stored file, or of a part of it."""
    end = file.size if end is None else end
    return b"".join([part async for part in files.read(file.id, start, end)])


async def parts_of(database: MotorDatabase) -> list[Document]:
    """Return all documents that there are of files."""
    names = (FILE_COLLECTION, CHUNK_COLLECTION, PREVIEW_COLLECTION)
    return [document for name in names async for document in database[name].find({})]


async def nothing_left(database: MotorDatabase) -> None:
    """Wait until there is nothing of any file."""

    async def is_empty() -> bool:
        return not await parts_of(database)

    await until(is_empty)


async def send_stored(house: House, person: Person, content: bytes = CONTENT, **about: Any) -> File:
    """Store a file of alice's, who is the person, and send it in a message."""
    file = await add_for(house, "alice", content, **about)
    socket = await person.connect()
    await socket.send(type="message", msg="look", nonce=file.id, file=file.id)
    assert (await socket.next("message"))["file"]["id"] == file.id
    await socket.close()
    return file

"""Exports: a small one, line by line, and what one has."""

import base64
import json
from pathlib import Path
from typing import Any

from files.store import CHUNK_SIZE

Line = dict[str, Any]

ACCOUNT: Line = {
    "type": "account", "id": "000000000000000000000001", "login": "alice", "login_key": "alice",
    "look": "alice", "email": "a@b", "email_key": "a@b", "password": "$argon2id$",
    "created": "2026-11-22T06:16:18.882Z", "seen": 1795328178, "read": 1, "moderator": True,
}  # fmt: skip
MESSAGE: Line = {
    "type": "message", "seq": 1, "key": "1:a", "user": "alice",
    "user_id": "000000000000000000000001", "time": "2026-11-22T06:16:18.882Z", "msg": "hello",
}  # fmt: skip
CHANGE = MESSAGE | {"type": "change", "seq": 2, "key": "change:1:a", "of": 1}
del CHANGE["msg"]
GOOD: list[Line] = [{"type": "chat", "version": 1}, ACCOUNT, MESSAGE, CHANGE]
END: Line = {"type": "end", "accounts": 1, "entries": 2}


def write(path: Path, *lines: Line) -> Path:
    """Write a file of these lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def lines(path: Path) -> list[Line]:
    """Return what the lines of a file say."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def content(path: Path) -> bytes:
    """Return what a file holds."""
    return path.read_bytes()


# A room whose message has a file of two chunks, and a preview.
FILE_ID = "a-file_of_22_letters-0"
FILE: Line = {
    "id": FILE_ID, "name": "photo.png", "type": "image/png", "size": CHUNK_SIZE + 3,
    "width": 30, "height": 20, "preview": f"/file/{FILE_ID}/preview",
}  # fmt: skip
WITH_FILE = MESSAGE | {"file": FILE}
FILE_LINE: Line = {"type": "file", "key": "1:a", "user_id": MESSAGE["user_id"], "file": FILE}
CHUNKS: list[Line] = [
    {"type": "chunk", "id": FILE_ID, "n": n, "data": base64.b64encode(data).decode()}
    for n, data in enumerate((b"x" * CHUNK_SIZE, b"yz\0"))
]
PREVIEW: Line = {"type": "preview", "id": FILE_ID, "data": base64.b64encode(b"small").decode()}
FILE_LINES = [FILE_LINE, *CHUNKS, PREVIEW]
END_WITH_FILE = END | {"files": 1}
GOOD_WITH_FILE = [*GOOD[:2], WITH_FILE, CHANGE, *FILE_LINES]

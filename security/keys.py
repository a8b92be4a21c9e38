"""The keys that SECRET_KEY gives, or that are made once and kept in DATA_DIR."""

import base64
import hashlib
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from security.data_dir import make_data_dir, unwritable
from settings import Settings, StartError

KEY_BYTES = 32  # of a key that is made here
LONGEST = 1000  # bytes that are read; a device has no end
# secrets.token_urlsafe(KEY_BYTES) returns 43 characters; a key of the operator's own may be longer.
WHOLE = re.compile(r"[!-~]{43,}")


class NoKey(Exception):
    """The file has no whole key; the text says what to do."""


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """Return SECRET_KEY's keys, or the one that is generated once. Raises StartError."""
    if settings.SECRET_KEY:
        return settings.SECRET_KEY
    make_data_dir(settings.DATA_DIR)
    path = settings.DATA_DIR / "secret_key"
    try:
        if not os.path.lexists(path):
            _make_key(path)
        elif path.stat().st_mode & 0o077:  # restored from a backup, perhaps
            with suppress(OSError):  # or mounted, as containers get secrets
                path.chmod(0o600)
        return (read_key(path),)
    except NoKey as error:
        raise StartError(f"SECRET_KEY is not set and {error}.") from None
    except OSError as error:
        raise unwritable(settings.DATA_DIR, error) from None


def read_key(path: Path) -> str:
    """Return the key in a file. Raises NoKey, OSError."""
    if path.is_dir():
        raise NoKey(f"{path} is a folder; remove it, and everybody has to log in again")
    with open(path, "rb", opener=_open_without_waiting) as file:
        key = file.read(LONGEST).decode("ascii", errors="replace").strip()
    # A full disk or a power cut may have left a part of it, nothing, or zeros: no secret.
    if not WHOLE.fullmatch(key):
        what = "is not a whole key" if key else "is empty"
        raise NoKey(f"{path} {what}; remove it, and everybody has to log in again")
    return key


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe in its place would wait for a writer


def _make_key(path: Path) -> None:
    """Make the file with a key, unless another process does. Raises OSError."""
    # Written under another name and then linked, so that no process ever reads half a key.
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with open(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(KEY_BYTES))
            file.flush()
            os.fsync(descriptor)  # or a power cut could leave the name without the key
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def fernet_key(text: str) -> bytes:
    """Return a key for Fernet."""
    # It needs 32 bytes in base64, and SECRET_KEY may be any text.
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode(errors="surrogateescape")).digest())

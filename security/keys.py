"""The keys that SECRET_KEY gives, or that are made once and kept in DATA_DIR."""

import base64
import hashlib
import os
import secrets

from settings import Settings, StartError, make_data_dir


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """Return SECRET_KEY's keys, or the one that is generated once. Raises StartError."""
    if settings.SECRET_KEY:
        return settings.SECRET_KEY
    make_data_dir(settings.DATA_DIR)
    path = settings.DATA_DIR / "secret_key"
    try:
        # Written under another name and then linked, so that no process ever reads half a key.
        draft = path.with_suffix(f".{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
        return (path.read_text(),)
    except OSError as error:
        raise StartError(f"SECRET_KEY is not set and {path} is unusable: {error}.") from None


def fernet_key(text: str) -> bytes:
    """Return a key for Fernet."""
    # It needs 32 bytes in base64, and SECRET_KEY may be any text.
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode(errors="surrogateescape")).digest())

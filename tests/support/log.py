"""Writes to the log as Message does, but without its checks and limits."""

from chat.entry import DELETED, EDITED, Entry, change_key, message_key
from chat.journal import Journal
from chat.models import new_nonce


async def say(journal: Journal, user: str, msg: str, nonce: str | None = None) -> Entry:
    """Store a message of a user whose id is their login."""
    return await journal.append(message_key(user, nonce or new_nonce()), user, user, {"msg": msg})


async def change(journal: Journal, user: str, of: int, text: str) -> Entry:
    """Edit a message, or with no text delete it."""
    content = {"of": of, "text": text, "state": EDITED if text else DELETED}
    return await journal.append(change_key(user, new_nonce()), user, user, content)

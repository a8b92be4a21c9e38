"""The messages of one user: to download, and to keep without a name."""

import asyncio
import json
from collections.abc import AsyncIterator

from aiohttp import web

from auth.sessions import IDENTITY
from chat import wire
from chat.entry import DELETED, DELETED_USER, EDITED, Entry
from chat.journal import Journal
from database import DB, Collection, DatabaseUnavailable, Document, deadline
from settings import MESSAGE_COLLECTION

PAGE = 1000  # entries; the embedded database reads them in 0.1 s, in which all others wait


class OwnMessages(web.View):
    """Download one's own messages as JSON Lines (https://jsonlines.org)."""

    async def get(self) -> web.StreamResponse:
        """Send the messages, page by page."""
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/jsonl; charset=utf-8",
                "Content-Disposition": 'attachment; filename="messages.jsonl"',
            }
        )
        messages = self.request[DB][MESSAGE_COLLECTION]
        try:
            async for documents in pages(messages, self.request[IDENTITY].user_id):
                if not response.prepared:  # only now, so that a missing database gets a 503
                    await response.prepare(self.request)
                if self.request.method == "HEAD":
                    break
                await response.write(b"".join(map(_json_line, documents)))
        except DatabaseUnavailable:
            if not response.prepared:
                raise
            # Abort the connection; otherwise a truncated download would look complete.
            raise ConnectionResetError("the database went away") from None
        return response

    head = get


async def disown(messages: Collection, journal: Journal, user_id: str) -> None:
    """Replace a user's name on all their entries. Raises DatabaseUnavailable."""
    own = [draft.stored for draft in journal.waiting.values() if draft.user_id == user_id]
    if own:
        await asyncio.wait(own)
    async for documents in pages(messages, user_id):
        ids = [document["_id"] for document in documents]
        async with deadline():
            await messages.update_many({"_id": {"$in": ids}}, {"$set": {"user": DELETED_USER}})
    journal.recent.rename(user_id, DELETED_USER)


async def pages(messages: Collection, user_id: str) -> AsyncIterator[list[Document]]:
    """Yield a user's entries of the log in order, in pages; the last page is not full.

    Each page is a query of its own: for a cursor over all of them the embedded database would
    read them at once, while everybody else waits. Raises DatabaseUnavailable.
    """
    last = 0
    while True:
        async with deadline():
            own = messages.find({"user_id": user_id, "seq": {"$gt": last}})
            documents = await own.sort("seq", 1).limit(PAGE).to_list(None)
        yield documents
        if len(documents) < PAGE:
            return
        last = documents[-1]["seq"]


def _json_line(document: Document) -> bytes:
    """Return a message as a line of JSON, nothing for a deleted message or a change."""
    if "of" in document or document.get("state") == DELETED:
        return b""
    entry = Entry.from_document(document)
    message = {"seq": entry.seq, "time": wire.iso_time(entry.time), "msg": entry.msg}
    if entry.state == EDITED:
        message["edited"] = True
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"

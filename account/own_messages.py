"""What one person has said: to take along, and to leave behind without a name."""

import asyncio
import json
from collections.abc import AsyncIterator

from aiohttp import web

from auth.sessions import IDENTITY
from chat import wire
from chat.entry import DELETED, DELETED_USER, EDITED, Entry
from chat.journal import JOURNAL
from database import DB, Collection, DatabaseUnavailable, Document, deadline
from settings import MESSAGE_COLLECTION

PAGE = 1000  # entries; the embedded database reads them in 0.1 s, and others have a turn


class OwnMessages(web.View):
    """One's own messages as JSON Lines (https://jsonlines.org)."""

    async def get(self) -> web.StreamResponse:
        """Send them, page by page."""
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/jsonl; charset=utf-8",
                "Content-Disposition": 'attachment; filename="messages.jsonl"',
            }
        )
        messages = self.request.app[DB][MESSAGE_COLLECTION]
        try:
            async for documents in pages(messages, self.request[IDENTITY].user_id):
                if not response.prepared:  # not before it is known that the database is there
                    await response.prepare(self.request)
                if self.request.method == "HEAD":
                    break
                await response.write(b"".join(map(_line, documents)))
        except DatabaseUnavailable:
            if not response.prepared:
                raise
            # Abort the connection; otherwise a truncated download would look complete.
            raise ConnectionResetError("the database went away") from None
        return response

    head = get


async def disown(app: web.Application, user_id: str) -> None:
    """Put another name on everything that somebody said. Raises DatabaseUnavailable."""
    journal, messages = app[JOURNAL], app[DB][MESSAGE_COLLECTION]
    own = [draft.stored for draft in journal.waiting.values() if draft.user_id == user_id]
    if own:
        await asyncio.wait(own)
    async for documents in pages(messages, user_id):
        ids = [document["_id"] for document in documents]
        async with deadline():
            await messages.update_many({"_id": {"$in": ids}}, {"$set": {"user": DELETED_USER}})
    journal.recent.rename(user_id, DELETED_USER)


async def pages(messages: Collection, user_id: str) -> AsyncIterator[list[Document]]:
    """Yield somebody's entries of the log in order, a page at a time, the last one not full.

    Not one cursor: the embedded database would read all of them at once, while others wait.
    Raises DatabaseUnavailable.
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


def _line(document: Document) -> bytes:
    """Return a message as a line; nothing for one that is deleted, or that is none."""
    if "of" in document or document.get("state") == DELETED:
        return b""
    entry = Entry.from_document(document)
    line = {"seq": entry.seq, "time": wire.iso_time(entry.time), "msg": entry.msg}
    if entry.state == EDITED:
        line["edited"] = True
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"

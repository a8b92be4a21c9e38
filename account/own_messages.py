"""The download of one's own messages."""

import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from auth.sessions import IDENTITY
from chat.entry import DELETED, EDITED, MessageEntry
from chat.writings import WRITINGS
from pages.forms import Page
from pages.streaming import stream
from pages.times import iso_time
from storage.database import DatabaseUnavailable, Document

AT_ONCE = 2  # downloads; they take memory, and time of the embedded database
PIECE = 64 * 1024  # bytes in one write
WRITE_TIMEOUT = 10  # seconds for a client to take a piece

DOWNLOADS = web.AppKey("downloads", set[str])  # the users with a download under way


class OwnMessages(Page):
    """Download one's own messages as JSON Lines (https://jsonlines.org)."""

    async def get(self) -> web.StreamResponse:
        """Send the messages. Raises HTTPTooManyRequests, HTTPServiceUnavailable."""
        downloads, user_id = self.request.app[DOWNLOADS], self.request[IDENTITY].user_id
        if user_id in downloads:
            text = "Please wait until your other download has ended."
            raise web.HTTPTooManyRequests(text=text, headers={"Retry-After": "10"})
        if len(downloads) >= AT_ONCE:
            text = "Too many downloads at once, please try again."
            raise web.HTTPServiceUnavailable(text=text, headers={"Retry-After": "10"})
        downloads.add(user_id)
        try:
            return await self.send(user_id)
        finally:
            downloads.remove(user_id)

    async def send(self, user_id: str) -> web.StreamResponse:
        """Send the messages of a user, some at a time. Raises DatabaseUnavailable."""
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/jsonl; charset=utf-8",
                "Content-Disposition": 'attachment; filename="messages.jsonl"',
            }
        )
        lines = self.lines(user_id)
        await stream(self.request, response, lines, WRITE_TIMEOUT, (DatabaseUnavailable,))
        return response

    async def lines(self, user_id: str) -> AsyncIterator[bytes]:
        """Yield the messages of a user as lines, in pieces. Raises DatabaseUnavailable."""
        async for documents in self.request.app[WRITINGS].messages(user_id):
            lines = b"".join(map(_json_line, documents))
            for start in range(0, len(lines) or 1, PIECE):
                yield lines[start : start + PIECE]


def _json_line(document: Document) -> bytes:
    """Return a message as a line of JSON, nothing for a deleted message."""
    if document.get("state") == DELETED:
        return b""
    entry = MessageEntry.from_document(document)
    message: dict[str, Any] = {"seq": entry.seq, "time": iso_time(entry.time), "msg": entry.msg}
    if entry.state == EDITED:
        message["edited"] = True
    if file := entry.file:
        about = {"id": file.id, "name": file.name, "type": file.type, "size": file.size}
        message["file"] = about
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"

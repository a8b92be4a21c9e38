"""The download of one's own messages."""

import json

from aiohttp import web

from auth.sessions import IDENTITY
from chat import wire
from chat.entry import DELETED, EDITED, MessageEntry, is_change
from chat.models import MESSAGES
from database import DatabaseUnavailable, Document


class OwnMessages(web.View):
    """Download one's own messages as JSON Lines (https://jsonlines.org)."""

    async def get(self) -> web.StreamResponse:
        """Send the messages, batch by batch."""
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/jsonl; charset=utf-8",
                "Content-Disposition": 'attachment; filename="messages.jsonl"',
            }
        )
        entries = self.request.app[MESSAGES].own_entries(self.request[IDENTITY].user_id)
        try:
            async for documents in entries:
                if not response.prepared:  # not earlier, so that a missing database gives a 503
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


def _json_line(document: Document) -> bytes:
    """Return a message as a line of JSON, nothing for a deleted message or a change."""
    if is_change(document) or document.get("state") == DELETED:
        return b""
    entry = MessageEntry.from_document(document)
    message = {"seq": entry.seq, "time": wire.iso_time(entry.time), "msg": entry.msg}
    if entry.state == EDITED:
        message["edited"] = True
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"

"""Changes of messages: the log gets the change first, then its message is changed.

If a process is killed in between, the next one that reads the log changes the message.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from chat.entry import DELETED, is_change
from chat.rich_text import mentions_all
from storage.database import Collection, Document


async def make_changes(
    collection: Collection, documents: Sequence[Document]
) -> dict[int, Document]:
    """Change messages as the changes among some documents say; often there are none to make.

    Return the message of each change, by the change's number, unless somebody has removed it from
    the database. Making a change again is harmless. Raises DatabaseUnavailable.
    """
    by_message: defaultdict[int, list[Document]] = defaultdict(list)
    for document in filter(is_change, documents):
        by_message[document["of"]].append(document)
    messages: dict[int, Document] = {}

    async def change_one(of: int, changes: list[Document]) -> None:
        message = await collection.find_one({"seq": of})
        for change in changes:
            if message and (message := await _change(collection, message, change)):
                messages[change["seq"]] = message

    # Different messages at once: one after the other they would hold up everybody.
    done = await asyncio.gather(
        *(change_one(*each) for each in by_message.items()), return_exceptions=True
    )
    for error in filter(None, done):
        raise error
    if new := [document["_id"] for document in documents if "text" in document]:
        # A text that is replaced later, or deleted, must not be left in the log.
        await collection.update_many({"_id": {"$in": new}}, {"$unset": {"text": "", "state": ""}})
    return messages


async def _change(
    collection: Collection, message: Document | None, change: Document
) -> Document | None:
    """Change a message, unless it is deleted or was changed later; return it as it is then."""
    while message and "text" in change and _still_applies(message, change["seq"]):
        values = {
            "msg": change["text"],
            "state": change["state"],
            "changed": change["seq"],
            "changes": message.get("changes", 0) + 1,
        }
        if (to_all := _is_to_all(message, change)) != message.get("all"):
            values["all"] = to_all
        if change["state"] == DELETED and message.get("file"):
            values["file"] = {"id": message["file"]["id"]}  # for what removes it
        # Only if no other process has changed it meanwhile.
        unchanged = {"_id": message["_id"], "changed": message.get("changed")}
        if await collection.update_one(unchanged, {"$set": values}):
            return message | values
        message = await collection.find_one({"_id": message["_id"]})
    return message


def _is_to_all(message: Document, change: Document) -> bool | None:
    """Return what the message says of its @all once it is changed."""
    kept: bool | None = message.get("all") if mentions_all(change["text"]) else None
    return change.get("all", kept)


def _still_applies(message: Document, seq: int) -> bool:
    # A deleted message has no text, and a late edit must not bring it back.
    return message.get("state") != DELETED and message.get("changed", 0) < seq

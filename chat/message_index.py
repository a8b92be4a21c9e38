"""The index that has only messages, so that a page costs the same however many changes there are.

Each entry of the log has a field `message_seq`: a message's is its number, a change's is 0. So the
index on it has the messages one after the other, without the changes between them.
"""

from collections.abc import Sequence

from pymongo import UpdateOne

from chat.entry import is_change
from storage.database import Collection, Document

MESSAGE_SEQ = "message_seq"


def message_seq(document: Document) -> int:
    """Return what an entry has in the field."""
    return 0 if is_change(document) else int(document["seq"])


def messages_before(seq: int) -> Document:
    """Return the filter for the messages before a number; to be sorted by MESSAGE_SEQ."""
    return {MESSAGE_SEQ: {"$gt": 0, "$lt": seq}}


def messages_from(seq: int) -> Document:
    """Return the filter for the messages from a number on; to be sorted by MESSAGE_SEQ."""
    return {MESSAGE_SEQ: {"$gte": max(seq, 1)}}


async def add_to_index(collection: Collection, documents: Sequence[Document]) -> None:
    """Give those entries the field that an earlier version of the chat has stored without it.

    Usually none, which costs nothing. Raises DatabaseUnavailable.
    """
    updates = [
        UpdateOne({"_id": document["_id"]}, {"$set": {MESSAGE_SEQ: message_seq(document)}})
        for document in documents
        if MESSAGE_SEQ not in document
    ]
    if updates:
        await collection.update_each(updates)

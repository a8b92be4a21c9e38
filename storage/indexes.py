"""The indexes that the queries rely on."""

import pymongo
from pymongo.errors import OperationFailure

from settings import LINK_COLLECTION, MESSAGE_COLLECTION, SESSION_COLLECTION, USER_COLLECTION
from storage.database import Database, Document, MotorCollection, deadline, upkeep

INDEXES = (  # collection, field, and whether it is unique
    (MESSAGE_COLLECTION, "seq", True),
    (MESSAGE_COLLECTION, "key", True),
    (MESSAGE_COLLECTION, "message_seq", False),
    (USER_COLLECTION, "login_key", True),
    (USER_COLLECTION, "look", True),
    (USER_COLLECTION, "email_key", True),
    (USER_COLLECTION, "unfinished", False),
    (SESSION_COLLECTION, "user_id", False),
    (SESSION_COLLECTION, "seen", False),
    (LINK_COLLECTION, "user_id", False),
    (LINK_COLLECTION, "maker_id", False),
    (LINK_COLLECTION, "expires", False),
)
# Of earlier versions. With the first, NX-27017 0.8.1 reads all sessions at each look-up; with the
# second, a download would sort all that its author has written.
FORMER_INDEXES = ((SESSION_COLLECTION, "expires"), (MESSAGE_COLLECTION, "user_id"))
TEXT_FIELD = "msg"  # of the text index of the messages
NOT_OURS = ("sparse", "partialFilterExpression", "collation", "expireAfterSeconds")  # options


async def create_indexes(db: Database) -> None:
    """Create the indexes that are missing, drop those of old. Raises DatabaseUnavailable."""
    for collection, field, is_unique in INDEXES:
        async with upkeep():
            await db.motor[collection].create_index(field, unique=is_unique)
    async with upkeep():
        await _create_text_index(db.motor[MESSAGE_COLLECTION], TEXT_FIELD)
    for collection, field in FORMER_INDEXES:
        async with upkeep():
            await _drop_index(db.motor[collection], field)


async def missing_indexes(db: Database) -> dict[str, str]:
    """Return which are missing, as in `messages.seq`, and the name of what is in their place.

    That is "" if nothing is. MongoDB makes no second index of a field with other options, nor a
    second text index. Raises DatabaseUnavailable.
    """
    missing = {}
    for collection, field, is_unique in (*INDEXES, (MESSAGE_COLLECTION, TEXT_FIELD, None)):
        async with deadline():
            found = await db.motor[collection].index_information()
        if is_unique is None:
            alike = {name: it for name, it in found.items() if "weights" in it}
        else:
            alike = {name: it for name, it in found.items() if it["key"] == [(field, 1)]}
        if not any(_serves(index, is_unique) for index in alike.values()):
            missing[f"{collection}.{field}"] = next(iter(alike), "")
    return missing


def _serves(index: Document, is_unique: bool | None) -> bool:
    """Return whether an index of the right field is as the chat makes it; None for a text index."""
    if any(index.get(option, False) is not False for option in NOT_OURS):
        return False
    if is_unique is None:
        return bool(index["default_language"] == "none" and index["weights"] == {TEXT_FIELD: 1})
    return bool(index.get("unique")) == is_unique


async def _drop_index(collection: MotorCollection, field: str) -> None:
    for name, index in (await collection.index_information()).items():
        if index["key"] == [(field, 1)]:
            await collection.drop_index(name)


async def _create_text_index(collection: MotorCollection, field: str) -> None:
    try:
        # Without a language: no stop words such as "the", and no stemming.
        await collection.create_index([(field, pymongo.TEXT)], default_language="none")
    except OperationFailure as error:
        # NX-27017 0.8.1 does not notice that it has the index, and tries to fill it again.
        if "constraint failed" not in str(error):
            raise

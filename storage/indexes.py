"""The indexes that the queries rely on."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pymongo
from pymongo.errors import ExecutionTimeout, NetworkTimeout, OperationFailure

from settings import (
    FILE_COLLECTION,
    LINK_COLLECTION,
    MESSAGE_COLLECTION,
    SESSION_COLLECTION,
    USER_COLLECTION,
)
from storage.database import Database, Document, MotorCollection, deadline, upkeep

log = logging.getLogger(__name__)

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
    (FILE_COLLECTION, "file_id", True),
)
# Of earlier versions. With the first, NX-27017 0.8.1 reads all sessions at each look-up; with the
# second, a download would sort all that its author has written.
FORMER_INDEXES = ((SESSION_COLLECTION, "expires"), (MESSAGE_COLLECTION, "user_id"))
TEXT_FIELD = "msg"  # of the text index of the messages
NOT_OURS = ("sparse", "partialFilterExpression", "collation", "expireAfterSeconds")  # options

ANSWERED_WITHIN = 2  # seconds; there is nothing to do for an index that is ready
BUILD_TIMEOUT = 24 * 3600  # seconds; far more than an index of a hundred million messages takes


async def create_indexes(db: Database) -> None:
    """Create the indexes that are missing, drop those of old. Raises DatabaseUnavailable."""
    for collection, _, keys, options in _each_index():
        await build_index(db.motor[collection], keys, **options)
    for collection, field in FORMER_INDEXES:
        async with upkeep():
            await _drop_index(db.motor[collection], field)


async def build_index(collection: MotorCollection, keys: Any, **options: Any) -> None:
    """Create an index unless it is there, however long that takes. Raises DatabaseUnavailable.

    MongoDB ends a build when its command's time is up, and the next command would begin anew. But
    it goes on with a build whose client has left, and the next command waits for that one.
    """
    async with upkeep(BUILD_TIMEOUT):
        # Usually it is there. This tells the server no time; the driver leaves after CALL_TIMEOUT.
        with suppress(NetworkTimeout), pymongo.timeout(None):
            return await _create(collection, keys, options)
        log.info("an index of %s is being built, which may take minutes", collection.name)
        await _create(collection, keys, options)


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


async def indexes_being_built(db: Database) -> list[str]:
    """Return which of the messages' indexes are not ready, if none is missing.

    MongoDB lists an index from the beginning of its build. A command that asks for it again waits,
    and if that one's time is up, the build goes on. Raises DatabaseUnavailable.
    """
    being_built = []
    for collection, field, keys, options in _each_index():
        if collection == MESSAGE_COLLECTION:
            async with upkeep(ANSWERED_WITHIN):
                try:
                    await _create(db.motor[collection], keys, options)
                except (ExecutionTimeout, NetworkTimeout):
                    being_built.append(f"{collection}.{field}")
    return being_built


def _each_index() -> Iterator[tuple[str, str, Any, Document]]:
    """Yield the collection and field of each index, and the keys and options it is made with."""
    for collection, field, is_unique in INDEXES:
        yield collection, field, field, {"unique": is_unique}
    # Without a language: no stop words such as "the", and no stemming.
    yield (
        MESSAGE_COLLECTION,
        TEXT_FIELD,
        [(TEXT_FIELD, pymongo.TEXT)],
        {"default_language": "none"},
    )


async def _drop_index(collection: MotorCollection, field: str) -> None:
    for name, index in (await collection.index_information()).items():
        if index["key"] == [(field, 1)]:
            await collection.drop_index(name)


async def _create(collection: MotorCollection, keys: Any, options: Document) -> None:
    try:
        await collection.create_index(keys, **options)
    except OperationFailure as error:
        # NX-27017 0.8.1 does not notice that it has the text index, and tries to fill it again.
        if "default_language" not in options or "constraint failed" not in str(error):
            raise

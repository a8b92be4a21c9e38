"""Migrates older data at the start: the 2016 tutorial's, and that of earlier versions."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from pymongo import UpdateOne

from auth.logins import LOOK_VERSION, look
from auth.passwords import Hasher
from auth.spelling import fold
from chat.message_index import MESSAGE_SEQ, add_to_index
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from storage.batches import Batches
from storage.database import Collection, Database, Document

log = logging.getLogger(__name__)

NEVER = datetime.min.replace(tzinfo=UTC)  # sorts before every time
CHUNK = 500  # updates in one call, which takes much less than its deadline
LOG_EVERY = 100_000  # entries
ENTRIES_AT_ONCE, MOST_AT_ONCE = 200, 5000  # the embedded database takes 25 ms for the former


async def migrate(db: Database, hasher: Hasher) -> None:
    """Number the tutorial's messages, hash its passwords, note what logins look like.

    May be interrupted and started again. Raises DatabaseUnavailable.
    """
    if await _any_without(db[MESSAGE_COLLECTION], "seq"):
        await _number_messages(db.unhurried(MESSAGE_COLLECTION))
    while users := await _some_without(db[USER_COLLECTION], "login_key"):
        for user in users:
            await _secure_user(db[USER_COLLECTION], user, hasher)
    while await _has_old_looks(db[USER_COLLECTION]):
        await _note_looks(db.unhurried(USER_COLLECTION))


async def index_messages(db: Database) -> None:
    """Give entries of earlier versions what the index of messages needs, once there is that index.

    May be interrupted and started again. Commands need no such index. Raises DatabaseUnavailable.
    """
    messages, batches = db[MESSAGE_COLLECTION], Batches(ENTRIES_AT_ONCE, MOST_AT_ONCE)
    done = logged = 0
    while indexed := await batches.call(partial(_index_some, messages)):
        if not done:
            log.info("indexing the entries of an earlier version, which may take minutes")
        done += indexed
        if done >= logged + LOG_EVERY:
            logged = done
            log.info("indexed %d entries of an earlier version, and going on", done)


async def _index_some(messages: Collection, most: int) -> int:
    documents = await _some_without(messages, MESSAGE_SEQ, most, ["seq", "of", MESSAGE_SEQ])
    await add_to_index(messages, documents)
    return len(documents)


async def is_migrated(db: Database) -> bool:
    """Return whether there is nothing to migrate. Raises DatabaseUnavailable."""
    fields = (MESSAGE_COLLECTION, "seq"), (USER_COLLECTION, "login_key"), (USER_COLLECTION, "look")
    for collection, field in fields:
        if await _any_without(db[collection], field):
            return False
    return True


async def _number_messages(messages: Collection) -> None:
    """Number the messages in the order of their times.

    The numbers depend only on the messages: another process, or a second attempt, gives the same.
    """
    updates: list[UpdateOne] = []
    documents = await messages.find({}, ["time", "seq"])
    for seq, document in enumerate(sorted(documents, key=_when), 1):
        if "seq" not in document:
            id_ = document["_id"]
            values = {"seq": seq, "key": f"old:{id_}", "user_id": ""}
            updates.append(UpdateOne({"_id": id_, "seq": {"$exists": False}}, {"$set": values}))
    await _update(messages, updates)
    log.info("numbered %d messages", len(updates))


def _when(document: Document) -> tuple[datetime, Any]:
    """Return the key to sort a message by: its time, if it has one, then its id.

    The database does not sort them: see storage/database.py.
    """
    time = document.get("time")
    return time if isinstance(time, datetime) else NEVER, document["_id"]


async def _secure_user(users: Collection, user: Document, hasher: Hasher) -> None:
    """Give an account a login of its own, unique keys, and a hash in place of the password."""
    id_ = user["_id"]
    login, email = (str(user.get(name) or id_) for name in ("login", "email"))
    password = user.get("password")
    login = await _free_login(users, login, id_)
    secured = user | {
        "login": login,
        "login_key": fold(login),
        "email_key": await _free_email_key(users, email, id_),
        "created": user.get("created") or id_.generation_time,
        "password": await hasher.hash(password, id_) if isinstance(password, str) else None,
    }
    await users.replace_one({"_id": id_, "login_key": {"$exists": False}}, secured)


async def _free_login(users: Collection, login: str, id_: Any) -> str:
    """Return the login, or one with a number if another account has it.

    The tutorial let two people register the same login; the first one keeps it. With one login for
    both, the second would have the rights of the first, as a moderator or when it is banned.
    """
    others = {"_id": {"$ne": id_}}
    for number in count(1):
        free = login if number == 1 else f"{login}-{number}"
        taken = await users.find_one({"login_key": fold(free), **others}, ["_id"])
        if not taken and number > 1:  # by somebody who is still to be migrated
            spellings = {"$in": [free, fold(free)]}
            taken = await users.find_one({"login": spellings, **others}, ["_id"])
        if not taken:
            break
    if free != login:
        log.warning("user %s: another user has the login, so it is %s now", id_, free)
    return free


async def _free_email_key(users: Collection, email: str, id_: Any) -> str:
    """Return the key of an address; if another account has it, with the id, so nobody types it."""
    key = fold(email)
    taken = await users.find_one({"email_key": key, "_id": {"$ne": id_}}, ["_id"])
    if taken:
        log.warning("user %s: another user has the address, so only the login logs in", id_)
    return f"{key} #{id_}" if taken else key


async def _has_old_looks(users: Collection) -> bool:
    """Return whether an account's look is missing, or was made by an earlier version."""
    # Looks of one version stand together in the index, so its two ends tell.
    for order in (1, -1):
        for user in await users.find({}, ["look"], sort=("look", order), limit=1):
            if not user.get("look", "").startswith(LOOK_VERSION):
                return True
    return False


async def _note_looks(users: Collection) -> None:
    """Store anew what each login looks like.

    Accounts that look alike already keep their logins: the oldest has the look, which nobody else
    can register, and the others have it with their ids. Looks of two versions never conflict, so
    this can be interrupted, and done by several processes at once. What a process of an earlier
    version registers meanwhile, or later, is seen to at the next start.
    """
    documents = await users.find({}, ["login", "look"])
    documents.sort(key=lambda document: str(document["_id"]))
    taken = {document.get("look") for document in documents}
    for start in range(0, len(documents), CHUNK):
        updates: list[UpdateOne] = []
        for document in documents[start : start + CHUNK]:
            id_, old, new = document["_id"], document.get("look"), look(document["login"])
            if (old or "").startswith(LOOK_VERSION):
                continue
            new = f"{new} #{id_}" if new in taken else new
            taken.add(new)
            updates.append(UpdateOne({"_id": id_, "look": old}, {"$set": {"look": new}}))
        if updates:
            await users.update_each(updates)


async def _update(collection: Collection, updates: list[UpdateOne]) -> None:
    for start in range(0, len(updates), CHUNK):
        await collection.update_each(updates[start : start + CHUNK])


async def _any_without(collection: Collection, field: str) -> bool:
    return bool(await _some_without(collection, field, 1))


async def _some_without(
    collection: Collection, field: str, limit: int = 100, fields: Sequence[str] | None = None
) -> list[Document]:
    # A missing field sorts before every value, so an index on the field finds it at once.
    first = await collection.find({}, fields, sort=(field, 1), limit=limit)
    return [document for document in first if field not in document]

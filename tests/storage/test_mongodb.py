"""What the chat relies on in its database, one claim per test.

The docstring of each test names the page that promises it, in the manual of MongoDB or of its
driver. The rest of the chat is tested against the embedded database, which is only like MongoDB;
these tests find out whether a server keeps all of it, within a minute:

    TEST_MONGO_HOST=mongodb://localhost:27017 pytest tests/storage/test_mongodb.py

Not here, because no test can see them from outside: what a majority has acknowledged outlives a
failover, and what is acknowledged outlives a crash.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Binary, ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError

from chat.entry import now
from chat.journal import ENTRIES_PER_INSERT, TEXT_PER_INSERT
from chat.migrate import CHUNK
from chat.wire import SEQ_LIMIT
from chat.writings import ENTRIES_PER_QUERY
from files.store import CHUNK_SIZE
from search.views import QUERY_WORDS
from settings import (
    CHUNK_COLLECTION,
    FILE_COLLECTION,
    MESSAGE_COLLECTION,
    SESSION_COLLECTION,
    USER_COLLECTION,
    Settings,
)
from storage.address import OURS
from storage.database import (
    ACKNOWLEDGED,
    Collection,
    Conflict,
    Database,
    DatabaseUnavailable,
    Document,
    MotorCollection,
    MotorDatabase,
    deadline,
    upkeep,
)
from storage.indexes import create_indexes
from storage.lookup import IDS_PER_QUERY
from storage.mongodb import connect
from storage.remedies import NAMESPACE_NOT_FOUND
from tests.support.databases import another_client, database_at
from tests.support.hostile import HOSTILE
from tests.support.imitation import Imitation


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[MotorDatabase]:
    """The same database, as another process sees it."""
    async with another_client(settings) as database:
        yield database


@pytest.fixture
async def users(db: MotorDatabase) -> MotorCollection:
    """The accounts: none, with their indexes."""
    await create_indexes(Database(db))
    return db[USER_COLLECTION]


@pytest.fixture
async def files(db: MotorDatabase) -> MotorCollection:
    """What is known of the files: none, with their indexes."""
    await create_indexes(Database(db))
    return db[FILE_COLLECTION]


def message(seq: int, **fields: Any) -> Document:
    """Return a message as the journal stores it."""
    entry = {"seq": seq, "key": f"u1:{seq}", "user": "alice", "user_id": "u1", "time": now()}
    return {**entry, "msg": f"message {seq}", **fields}


def account(login: str, **fields: Any) -> Document:
    """Return an account, less what no test here needs."""
    names = {"login": login, "login_key": login, "look": login}
    return {**names, "email_key": f"{login}@example.com", **fields}


async def seqs(messages: MotorCollection, **query: Any) -> list[int]:
    """Return the numbers of those messages that match, in order."""
    return await all_of(messages.find(query).sort("seq", 1), "seq")


async def all_of(cursor: Any, field: str) -> list[Any]:
    """Return one field of all that a query brings."""
    return [document.get(field) for document in await cursor.to_list(None)]


async def fill(collection: MotorCollection, documents: Sequence[Document]) -> None:
    """Store documents in order, as many at once as the journal does."""
    for start in range(0, len(documents), ENTRIES_PER_INSERT):
        batch = list(documents[start : start + ENTRIES_PER_INSERT])
        await Collection(collection).insert_in_order(batch)


async def one(collection: MotorCollection, **query: Any) -> Document:
    """Return the document that matches."""
    document = await collection.find_one(query)
    assert document is not None
    return document


# The client


async def test_a_server_that_is_there_answers_a_ping(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/ping/"""
    assert (await db.command("ping"))["ok"] == 1


@pytest.mark.parametrize(("path", "name"), [("", "chat"), ("/", "chat"), ("/talk", "talk")])
async def test_the_address_names_the_database_unless_it_is_chat(path: str, name: str) -> None:
    """https://www.mongodb.com/docs/manual/reference/connection-string/ (defaultauthdb), and
    https://pymongo.readthedocs.io/en/stable/api/pymongo/mongo_client.html (get_default_database)
    """
    client = connect(f"mongodb://localhost{path}")
    assert client.get_default_database("chat").name == name
    client.close()


@pytest.mark.parametrize("options", ["", "?w=1&readConcernLevel=local"])
async def test_majority_is_asked_for_whatever_the_address_says(options: str) -> None:
    """https://pymongo.readthedocs.io/en/stable/api/pymongo/mongo_client.html: "the keyword
    parameter takes precedence"
    """
    client = connect(f"mongodb://localhost/chat{options}")
    collection = client.get_default_database("chat")[MESSAGE_COLLECTION]
    assert collection.write_concern.document == ACKNOWLEDGED
    assert collection.read_concern.document == {"level": "majority"}
    client.close()


async def test_a_server_that_is_not_there_is_an_error_of_the_driver_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/connection-string-options/
    (serverSelectionTimeoutMS)
    """
    monkeypatch.setitem(OURS, "serverSelectionTimeoutMS", 50)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = connect(f"mongodb://127.0.0.1:{port}")
    with pytest.raises(DatabaseUnavailable, match="ServerSelectionTimeoutError"):
        async with deadline():
            await client.admin.command("ping")
    client.close()


async def test_upkeep_is_given_up_when_its_time_is_over(db: MotorDatabase) -> None:
    """https://pymongo.readthedocs.io/en/stable/api/pymongo/index.html (pymongo.timeout)

    It has to reach the thread in which Motor makes the call.
    """
    with pytest.raises(DatabaseUnavailable):
        async with upkeep(1e-6):
            await db[MESSAGE_COLLECTION].index_information()


# Indexes


async def test_making_the_indexes_again_changes_nothing(
    db: MotorDatabase, messages: MotorCollection
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.createIndex/: "If you
    call createIndex() for an index that already exists, MongoDB does not recreate the index"

    Nor the text index: NX-27017 0.8.1 tries to, and create_indexes() bears its error.
    """
    await messages.insert_one(message(1, msg="tea"))
    before = await messages.index_information()
    await create_indexes(Database(db))
    assert await messages.index_information() == before
    assert await found(messages, "tea") == [1]


async def test_two_processes_may_make_the_indexes_at_once(
    db: MotorDatabase, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/createIndexes/"""
    await asyncio.gather(create_indexes(Database(db)), create_indexes(Database(other)))
    await db[MESSAGE_COLLECTION].insert_one(message(1))
    with pytest.raises(DuplicateKeyError):
        await db[MESSAGE_COLLECTION].insert_one(message(1))


@pytest.mark.parametrize(
    ("collection", "field"),
    [(MESSAGE_COLLECTION, "seq"), (MESSAGE_COLLECTION, "key"),
     (USER_COLLECTION, "login_key"), (USER_COLLECTION, "look"), (USER_COLLECTION, "email_key")],
)  # fmt: skip
async def test_a_unique_index_is_not_made_over_duplicates(
    db: MotorDatabase, collection: str, field: str
) -> None:
    """https://www.mongodb.com/docs/manual/core/index-unique/: "MongoDB cannot directly create a
    unique index if the collection already contains data that would violate the unique constraint"

    So a chat whose data is broken does not start.
    """
    for number in (1, 2):
        document = message(number) | account(str(number)) | {field: "the same"}
        await db[collection].insert_one(document)
    with pytest.raises(DatabaseUnavailable):
        await create_indexes(Database(db))


async def test_the_indexes_of_earlier_versions_are_dropped(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.dropIndex/"""
    sessions, messages = db[SESSION_COLLECTION], db[MESSAGE_COLLECTION]
    await sessions.create_index("expires", expireAfterSeconds=0)
    await messages.create_index("user_id")
    for _ in range(2):  # the second time there is nothing to drop
        await create_indexes(Database(db))
        keys = [index["key"] for index in (await sessions.index_information()).values()]
        assert [("seen", 1)] in keys
        assert [("expires", 1)] not in keys
        keys = [index["key"] for index in (await messages.index_information()).values()]
        assert [("user_id", 1)] not in keys


async def test_an_index_that_is_not_unique_refuses_nothing(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/core/indexes/index-types/index-single/"""
    await create_indexes(Database(db))
    sessions = db[SESSION_COLLECTION]
    for id_ in ("a", "b"):
        await sessions.insert_one({"_id": id_, "user_id": "u1", "seen": 1})
    assert len(await sessions.find({"user_id": "u1"}).to_list(None)) == 2


# Renaming


@pytest.fixture
async def filled(db: MotorDatabase) -> MotorCollection:
    """Messages under another name, with the unique indexes of messages."""
    collection = db["import_1_messages"]
    await Collection(collection).insert_in_order([message(seq) for seq in range(1, 101)])
    for field in ("seq", "key"):
        await collection.create_index(field, unique=True)
    return collection


async def test_a_renamed_collection_takes_the_place_of_another_and_keeps_its_indexes(
    db: MotorDatabase, messages: MotorCollection, filled: MotorCollection
) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/renameCollection/ (dropTarget)

    And nothing refers to the name that it had: the same name can be used again.
    """
    await messages.insert_one(message(1, msg="replaced"))
    await filled.rename(MESSAGE_COLLECTION, dropTarget=True)
    assert await seqs(messages) == list(range(1, 101))
    for document in (message(100, key="new"), message(101, key="u1:100")):
        with pytest.raises(DuplicateKeyError):
            await messages.insert_one(document)
    assert filled.name not in await db.list_collection_names()
    await filled.insert_one(message(1))
    await create_indexes(Database(db))
    assert await found(messages, "replaced") == []
    assert await found(messages, "message", "7") == [7]


async def test_a_name_that_no_collection_has_can_be_given_to_one(
    db: MotorDatabase, filled: MotorCollection
) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/renameCollection/"""
    await filled.rename(MESSAGE_COLLECTION, dropTarget=True)
    assert await db.list_collection_names() == [MESSAGE_COLLECTION]


async def test_renaming_a_collection_that_is_not_there_is_an_error_and_drops_nothing(
    db: MotorDatabase, messages: MotorCollection
) -> None:
    """https://www.mongodb.com/docs/manual/reference/error-codes/ (NamespaceNotFound)"""
    await messages.insert_one(message(1))
    with pytest.raises(OperationFailure) as error:
        await db["import_1_messages"].rename(MESSAGE_COLLECTION, dropTarget=True)
    assert error.value.code == NAMESPACE_NOT_FOUND
    assert await seqs(messages) == [1]


async def test_a_reader_during_a_rename_sees_all_or_nothing(
    messages: MotorCollection, filled: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.renameCollection/: it
    locks both collections, and ends the queries that are under way, which the chat repeats
    """
    renaming = asyncio.ensure_future(filled.rename(MESSAGE_COLLECTION, dropTarget=True))
    lengths = {0}
    while not renaming.done():
        with suppress(PyMongoError):
            lengths.add(len(await other[MESSAGE_COLLECTION].find({}).to_list(None)))
    await renaming
    assert lengths <= {0, 100}
    assert len(await seqs(messages)) == 100


async def test_one_of_many_renames_of_a_collection_is_done(
    messages: MotorCollection, filled: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.renameCollection/"""
    both = (filled, other[filled.name])
    results = await asyncio.gather(
        *(both[n % 2].rename(MESSAGE_COLLECTION, dropTarget=True) for n in range(6)),
        return_exceptions=True,
    )
    refused = [it.code for it in results if isinstance(it, OperationFailure)]
    assert refused == [NAMESPACE_NOT_FOUND] * 5
    assert len(await seqs(messages)) == 100


async def test_a_dropped_collection_is_made_again_by_an_insert_without_what_it_had(
    filled: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.drop/,
    https://www.mongodb.com/docs/manual/reference/method/db.collection.deleteOne/ (deletedCount)
    """
    await filled.drop()
    await filled.drop()
    await Collection(filled).insert_in_order([message(101)])
    assert (await filled.delete_one({"seq": 1})).deleted_count == 0
    assert (await filled.delete_one({"seq": 101})).deleted_count == 1


# Storing


async def test_an_ordered_insert_is_acknowledged_and_stores_a_whole_batch(
    messages: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/insert/#output"""
    documents = [
        message(seq, msg="🫖" * (TEXT_PER_INSERT // ENTRIES_PER_INSERT))
        for seq in range(1, ENTRIES_PER_INSERT + 1)
    ]
    reply = await messages.database.command(
        "insert", messages.name, documents=documents, ordered=True, writeConcern=ACKNOWLEDGED
    )
    assert (reply["ok"], reply["n"]) == (1, ENTRIES_PER_INSERT)
    assert "writeErrors" not in reply
    assert "writeConcernError" not in reply
    assert await seqs(messages) == list(range(1, ENTRIES_PER_INSERT + 1))


@pytest.mark.parametrize("taken", [{"seq": 3}, {"key": "u1:3"}])
async def test_an_ordered_insert_stops_at_the_first_duplicate_and_keeps_what_came_before(
    messages: MotorCollection, taken: Document
) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/insert/#command-fields: "when an
    insert of a document fails, return without inserting any remaining documents"
    """
    await messages.insert_one({**message(9, key="other"), **taken})
    with pytest.raises(Conflict):
        await Collection(messages).insert_in_order([message(seq) for seq in range(1, 6)])
    assert await seqs(messages, msg={"$ne": "message 9"}) == [1, 2]


async def test_a_duplicate_in_an_ordered_insert_is_told_in_the_reply(
    messages: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/insert/#output: an example with
    code 11000, and `ok` 1, so that the driver raises nothing
    """
    reply = await messages.database.command(
        "insert",
        messages.name,
        documents=[message(1), message(2), message(2, key="other"), message(3)],
        ordered=True,
        writeConcern=ACKNOWLEDGED,
    )
    [error] = reply["writeErrors"]
    assert (reply["ok"], reply["n"]) == (1, 2)
    assert (error["index"], error["code"]) == (2, 11000)


async def test_the_server_gives_ids_that_tell_the_time_to_what_comes_without(
    messages: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.bulkWrite/#_id-field: it
    "will create and populate the _id if the driver or application does not", and
    https://pymongo.readthedocs.io/en/stable/api/bson/objectid.html (generation_time)

    The driver does not for a command that is sent as it is. A minute is for the server's clock.
    """
    await Collection(messages).insert_in_order([message(1), message(2)])
    first, second = await all_of(messages.find({}), "_id")
    assert first != second
    for id_ in (first, second):
        assert isinstance(id_, ObjectId)
        assert abs(id_.generation_time - datetime.now(UTC)) < timedelta(minutes=1)


async def test_one_of_many_concurrent_inserts_of_a_seq_wins(
    messages: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/index-unique/

    The others store nothing at all, so the batches of two processes never mix.
    """

    async def append(collection: MotorCollection, name: str) -> str:
        batch = [message(seq, key=f"{name}:{seq}", msg=name) for seq in range(1, 21)]
        try:
            await Collection(collection).insert_in_order(batch)
        except Conflict:
            return ""
        return name

    both = (messages, other[MESSAGE_COLLECTION])
    names = await asyncio.gather(*(append(both[n % 2], f"u{n}") for n in range(10)))
    [winner] = [name for name in names if name]
    documents = await messages.find({}).sort("seq", 1).to_list(None)
    stored = [(document["seq"], document["msg"]) for document in documents]
    assert stored == [(seq, winner) for seq in range(1, 21)]


async def test_a_reader_during_an_ordered_insert_sees_no_holes(
    messages: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/read-isolation-consistency-recency/

    The manual says that an insert of many documents is not isolated from its readers, and that
    they are stored one after the other. That an ascending scan meets them in this order follows,
    but is not spelled out.
    """
    batch = [message(seq) for seq in range(1, ENTRIES_PER_INSERT + 1)]
    writing = asyncio.create_task(Collection(messages).insert_in_order(batch))
    read: list[int] = []
    while len(read) < ENTRIES_PER_INSERT:
        read = await seqs(other[MESSAGE_COLLECTION], seq={"$gt": 0})
        assert read == list(range(1, len(read) + 1))
    await writing


@pytest.mark.parametrize("field", ["login_key", "look", "email_key"])
async def test_a_taken_name_is_refused_as_a_duplicate(users: MotorCollection, field: str) -> None:
    """https://www.mongodb.com/docs/manual/core/index-unique/ and
    https://pymongo.readthedocs.io/en/stable/api/pymongo/errors.html (DuplicateKeyError)
    """
    await users.insert_one(account("alice", **{field: "taken"}))
    with pytest.raises(DuplicateKeyError):
        await users.insert_one(account("bob", **{field: "taken"}))
    assert await all_of(users.find({}), "login") == ["alice"]


async def test_names_are_the_same_only_if_they_are_written_the_same(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/#strings: "simple
    binary comparison"
    """
    await users.insert_one(account("alice"))
    for other in ("Alice", "alicé", "alice ", "alic", "аlice", "alice\u0301"):
        assert await users.find_one({"login_key": other}) is None
        await users.insert_one(account(other))
        assert (await one(users, login_key=other))["login"] == other


async def test_a_name_is_free_again_when_its_account_is_deleted(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.deleteOne/"""
    first = await users.insert_one(account("alice"))
    await users.delete_one({"_id": first.inserted_id})
    assert await users.find_one({"_id": first.inserted_id}) is None
    await users.insert_one(account("alice"))


async def test_an_id_of_ones_own_is_kept(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/core/document/#the-_id-field"""
    sessions = db[SESSION_COLLECTION]
    await sessions.insert_one({"_id": "a-token_", "user_id": "u1"})
    assert await sessions.find_one({"_id": "a-token_"}) == {"_id": "a-token_", "user_id": "u1"}


@pytest.fixture
async def lossy(imitation: Imitation, settings: Settings) -> AsyncIterator[MotorDatabase]:
    """The test's database by a way on which the answer to every insert is lost."""
    imitation.loses = lambda name, body: name == "insert"
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as database:
        yield database


async def test_an_ordered_insert_whose_answer_is_lost_is_done_and_not_repeated_by_the_driver(
    messages: MotorCollection, imitation: Imitation, lossy: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/retryable-writes/#retryable-write-operations: the
    methods are, a command that is sent as it is is none of them

    So the journal looks by its key for what it stored; its second attempt cannot store it twice
    (https://www.mongodb.com/docs/manual/core/index-unique/).
    """
    with pytest.raises(DatabaseUnavailable):
        async with deadline():
            await Collection(lossy[MESSAGE_COLLECTION]).insert_in_order([message(1), message(2)])
    assert imitation.count("insert") == 1
    assert (await one(messages, key="u1:1"))["seq"] == 1
    with pytest.raises(Conflict):
        await Collection(messages).insert_in_order([message(3, key="u1:1"), message(4, key="u1:2")])
    assert await seqs(messages) == [1, 2]


async def test_an_account_whose_answer_is_lost_is_stored_once(
    users: MotorCollection, imitation: Imitation, lossy: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/retryable-writes/

    Whether or not the driver sends it again, as it does to a replica set.
    """
    with pytest.raises(DatabaseUnavailable):
        async with deadline():
            await lossy[USER_COLLECTION].insert_one(account("alice"))
    assert imitation.count("insert") >= 1
    assert len(await users.find({"login_key": "alice"}).to_list(None)) == 1
    with pytest.raises(DuplicateKeyError):
        await users.insert_one(account("alice"))


# Reading


async def test_what_is_acknowledged_is_what_every_process_reads_next(
    messages: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/reference/read-concern-majority/#read-your-own-writes

    Written with "majority" and read from the primary with "majority", in no session.
    """
    for seq in range(1, 21):
        await Collection(messages).insert_in_order([message(seq)])
        assert await seqs(other[MESSAGE_COLLECTION], seq={"$gt": seq - 1}) == [seq]
        await other[MESSAGE_COLLECTION].update_one({"seq": seq}, {"$set": {"msg": "edited"}})
        document = await one(messages, seq=seq)
        assert document["msg"] == "edited"
        await messages.delete_many({"_id": {"$in": [document["_id"]]}})
        assert await other[MESSAGE_COLLECTION].find_one({"seq": seq}) is None


@pytest.mark.parametrize("query", [{"seq": 2}, {"key": "none"}, {"_id": ObjectId()}])
async def test_find_one_returns_none_without_a_match(
    messages: MotorCollection, query: Document
) -> None:
    """https://pymongo.readthedocs.io/en/stable/api/pymongo/collection.html (find_one): "Returns a
    single document, or None if no matching document is found"
    """
    await messages.insert_one(message(1))
    assert await messages.find_one(query) is None


async def test_a_collection_that_is_not_there_is_empty(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/core/databases-and-collections/: "If a collection does
    not exist, MongoDB creates the collection when you first store data"

    The chat looks for what the tutorial left before it makes any.
    """
    assert await db[MESSAGE_COLLECTION].find({}).sort("seq", 1).limit(1).to_list(None) == []


@pytest.mark.parametrize(
    ("query", "direction", "limit", "numbers"),
    [
        ({}, -1, 3, [9, 8, 7]),
        ({}, -1, 100, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"seq": {"$lt": 5}}, -1, 2, [4, 3]),
        ({"seq": {"$lt": 1}}, -1, 2, []),
        ({"seq": {"$gt": 5}}, 1, 2, [6, 7]),
        ({"seq": {"$gt": 9}}, 1, 2, []),
        ({"seq": {"$gte": 5}}, 1, 2, [5, 6]),
        ({"seq": {"$lt": SEQ_LIMIT}}, -1, 1, [9]),
    ],
)
async def test_messages_are_found_in_order_and_cut(
    messages: MotorCollection, query: Document, direction: int, limit: int, numbers: list[int]
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/cursor.sort/#limit-results,
    and https://www.mongodb.com/docs/manual/reference/operator/query/gt/
    """
    for seq in random.sample(range(1, 10), 9):
        await messages.insert_one(message(seq))
    assert await all_of(messages.find(query).sort("seq", direction).limit(limit), "seq") == numbers


@pytest.mark.parametrize(
    ("query", "direction", "limit", "numbers"),
    [
        ({"message_seq": {"$gt": 0, "$lt": 6}}, -1, 2, [5, 3]),
        ({"message_seq": {"$gt": 0, "$lt": 4}}, -1, 9, [3, 1]),
        ({"message_seq": {"$gte": 2}}, 1, 3, [3, 5, 6]),
        ({}, 1, 1, [7]),  # without the field, as an earlier version stores it
    ],
)
async def test_messages_are_found_between_changes_and_what_lacks_the_field_comes_first(
    messages: MotorCollection, query: Document, direction: int, limit: int, numbers: list[int]
) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/: in ascending order
    null comes before numbers; "a non-existent field" is sorted as null, and $gt only matches
    numbers
    """
    for seq in random.sample(range(1, 8), 7):
        field = {} if seq == 7 else {"message_seq": 0 if seq in (2, 4) else seq}
        await messages.insert_one(message(seq, **field))
    found = messages.find(query).sort("message_seq", direction).limit(limit)
    assert await all_of(found, "seq") == numbers


async def test_the_keys_with_a_beginning_are_found_in_order(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/#strings:
    "simple binary comparison"
    """
    keys = ["a", "a9:x", "a:", "a:1", "a:😀", "a:ä", "a:z", "a;", "b:1", "change:a:1"]
    for seq, key in enumerate(random.sample(keys, len(keys)), 1):
        await messages.insert_one(message(seq, key=key))

    def after(key: str) -> Any:
        return messages.find({"key": {"$gt": key, "$lt": "a;"}}).sort("key", 1).limit(2)

    assert await all_of(after("a:"), "key") == ["a:1", "a:z"]
    assert await all_of(after("a:z"), "key") == ["a:ä", "a:😀"]
    assert await all_of(after("a:😀"), "key") == []


async def test_a_cursor_brings_everything_each_document_once(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/command/getMore/

    The first answer has 101 documents, and the driver asks for the others.
    """
    await fill(messages, [message(seq) for seq in range(1, ENTRIES_PER_QUERY + 1)])
    assert await seqs(messages) == list(range(1, ENTRIES_PER_QUERY + 1))


async def test_a_limit_brings_as_many_as_that_in_any_order(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/cursor.limit/"""
    sessions, ids = db[SESSION_COLLECTION], ["a", "b", "c"]
    for id_ in ids:
        await sessions.insert_one({"_id": id_, "user_id": "u1"})
    some = await sessions.find({"user_id": "u1"}, {"_id": 1}).limit(2).to_list(None)
    assert len(some) == 2
    assert {session["_id"] for session in some} < set(ids)


@pytest.mark.parametrize("has_index", [False, True])
async def test_a_missing_field_sorts_before_every_value(db: MotorDatabase, has_index: bool) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/#non-existent-fields

    So one look at the first document tells whether the tutorial left any.
    """
    users = db[USER_COLLECTION]
    if has_index:
        await users.create_index("login_key", unique=True)
    for user in (account("bob"), {"login": "of the tutorial"}, account(""), account("alice")):
        await users.insert_one(user)
    first = await users.find({}).sort("login_key", 1).limit(1).to_list(None)
    assert [user["login"] for user in first] == ["of the tutorial"]


async def test_many_missing_fields_all_sort_before_every_value(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/#non-existent-fields"""
    messages = db[MESSAGE_COLLECTION]
    for seq in random.sample(range(-5, 6), 11):
        await messages.insert_one({"seq": seq} if seq > 0 else {"user": "of the tutorial"})
    documents = await messages.find({}).sort("seq", 1).limit(8).to_list(None)
    assert [document.get("seq") for document in documents] == [None] * 6 + [1, 2]


async def test_the_sessions_used_last_come_first(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/cursor.sort/#limit-results"""
    sessions = db[SESSION_COLLECTION]
    for seen in random.sample(range(10), 10):
        await sessions.insert_one({"_id": str(seen), "user_id": "u1", "seen": seen})
    last = sessions.find({"user_id": "u1"}).sort("seen", -1).limit(3)
    assert await all_of(last, "_id") == ["9", "8", "7"]
    assert len(await sessions.find({"seen": {"$lt": 4}}, {"_id": 1}).limit(9).to_list(None)) == 4


@pytest.mark.parametrize(
    ("projection", "fields"),
    [
        ({"_id": 1}, {"_id"}),
        ({"password": 1}, {"_id", "password"}),
        ({"login": 1, "read": 1, "banned": 1}, {"_id", "login"}),
    ],
)
async def test_a_projection_brings_the_id_and_those_fields_that_are_there(
    users: MotorCollection, projection: Document, fields: set[str]
) -> None:
    """https://www.mongodb.com/docs/manual/tutorial/project-fields-from-query-results/"""
    await users.insert_one(account("alice", password="secret"))
    user = await users.find_one({"login_key": "alice"}, projection)
    assert user is not None
    assert set(user) == fields


@pytest.mark.parametrize("as_text", [False, True])
async def test_a_thousand_ids_are_looked_up_at_once_and_the_unknown_are_missing(
    db: MotorDatabase, as_text: bool
) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/query/in/"""
    collection = db[SESSION_COLLECTION]
    ids = [str(ObjectId()) if as_text else ObjectId() for _ in range(IDS_PER_QUERY)]
    await fill(collection, [{"_id": id_} for id_ in ids[:-1]])
    documents = await collection.find({"_id": {"$in": ids}}).to_list(None)
    assert sorted(document["_id"] for document in documents) == sorted(ids[:-1])


async def test_no_ids_are_found_as_nothing(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/query/in/: it "selects the documents
    where the value of a field equals any value in the specified array", so none with none
    """
    await users.insert_one(account("alice"))
    assert await users.find({"_id": {"$in": []}}, {"login": 1}).to_list(None) == []


async def test_an_account_is_told_from_the_one_that_asks_by_its_id(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/query/ne/"""
    alice = (await users.insert_one(account("alice"))).inserted_id
    query: Document = {"login_key": "alice", "_id": {"$ne": alice}}
    assert await users.find_one(query, {"_id": 1}) is None
    query["_id"] = {"$ne": ObjectId()}
    assert await users.find_one(query, {"_id": 1}) == {"_id": alice}


# Changing


async def test_an_update_sets_fields_and_leaves_the_others_as_they_are(
    messages: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/update/set/: "If the field does not
    exist, $set will add a new field with the specified value"

    A date among those it leaves; NX-27017 0.8.1 makes text of one that is set, so none is.
    """
    document = message(1)
    await messages.insert_one(document)
    await messages.update_one({"seq": 1}, {"$set": {"msg": "edited", "state": "edited"}})
    assert await messages.find_one({"seq": 1}) == document | {"msg": "edited", "state": "edited"}


async def test_an_update_tells_how_many_documents_it_matched(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.updateOne/
    (matchedCount)
    """
    user = account("alice", password="old")
    await users.insert_one(user)
    read = {"_id": user["_id"], "password": "old"}
    first = await users.update_one(read, {"$set": {"password": "new"}})
    second = await users.update_one(read, {"$set": {"password": "newer"}})
    assert (first.matched_count, second.matched_count) == (1, 0)
    assert (await one(users, _id=user["_id"]))["password"] == "new"


async def test_of_two_updates_with_one_condition_one_matches(
    users: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/write-operations-atomicity/: "The second update
    then fails to match"
    """
    user = account("alice", password="old")
    await users.insert_one(user)
    read = {"_id": user["_id"], "password": "old"}
    both = (users, other[USER_COLLECTION])
    results = await asyncio.gather(
        *(both[n % 2].update_one(read, {"$set": {"password": f"new {n}"}}) for n in range(10))
    )
    [winner] = [n for n, result in enumerate(results) if result.matched_count]
    assert (await one(users, _id=user["_id"]))["password"] == f"new {winner}"


@pytest.mark.parametrize(
    ("stored", "read", "is_matched"),
    [({}, None, True), ({"changed": 6}, None, False), ({"changed": 6}, 6, True),
     ({"changed": 7}, 6, False)],
)  # fmt: skip
async def test_a_message_is_changed_only_if_nobody_has_changed_it_since_it_was_read(
    messages: MotorCollection, stored: Document, read: int | None, is_matched: bool
) -> None:
    """https://www.mongodb.com/docs/manual/tutorial/query-for-null-fields/: "The { item : null }
    query matches documents that either contain the item field whose value is null or that do not
    contain the item field"
    """
    document = message(1) | stored
    await messages.insert_one(document)
    query = {"_id": document["_id"], "changed": read}
    result = await messages.update_one(query, {"$set": {"msg": "new", "changed": 8}})
    assert result.matched_count == is_matched
    expected = document | ({"msg": "new", "changed": 8} if is_matched else {})
    assert await messages.find_one({"seq": 1}) == expected


@pytest.mark.parametrize("way", ["insert", "update"])
@pytest.mark.parametrize(
    ("stored", "read", "is_matched"),
    [({}, None, True), ({"banned": True}, None, False), ({"banned": True}, True, True),
     ({"banned": False}, None, False), ({"banned": False}, False, True),
     ({"banned": False}, True, False)],
)  # fmt: skip
async def test_an_account_is_marked_only_if_its_marks_are_as_they_were_read(
    users: MotorCollection, stored: Document, read: bool | None, is_matched: bool, way: str
) -> None:
    """https://www.mongodb.com/docs/manual/tutorial/query-for-null-fields/, as above"""
    user = account("alice", **(stored if way == "insert" else {}))
    await users.insert_one(user)
    if stored and way == "update":
        await users.update_one({"_id": user["_id"]}, {"$set": stored})
    query = {"_id": user["_id"], "banned": read}
    result = await users.update_one(query, {"$set": {"moderator": True}})
    assert result.matched_count == is_matched


async def test_accounts_with_something_unfinished_are_found_until_it_is_removed(
    users: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.find/: "query operators
    only perform comparisons on fields where the BSON type matches the query value type"
    """
    for login, marks in (("alice", {}), ("bob", {"unfinished": "deletion"}), ("carol", {})):
        await users.insert_one(account(login, **marks))
    await users.update_one({"login": "carol"}, {"$set": {"unfinished": "removal"}})
    unfinished = {"unfinished": {"$gt": ""}}
    found = await all_of(users.find(unfinished, limit=9), "login")
    assert sorted(found) == ["bob", "carol"]
    await users.update_one({"login": "carol"}, {"$unset": {"unfinished": ""}})
    assert await all_of(users.find(unfinished, limit=9), "login") == ["bob"]


async def test_fields_of_many_documents_are_removed_at_once(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/update/unset/: "If the field does not
    exist, then $unset does nothing"
    """
    entry = {"user": "alice", "user_id": "u1", "of": 1}
    documents = [{"_id": ObjectId(), "seq": n, "key": f"c{n}", **entry} for n in (2, 3, 4)]
    texts = [{"text": "new", "state": "edited"}, {"text": "", "state": "deleted"}, {}]
    await Collection(messages).insert_in_order(
        [document | text for document, text in zip(documents, texts, strict=True)]
    )
    ids = [document["_id"] for document in documents]
    await messages.update_many({"_id": {"$in": ids}}, {"$unset": {"text": "", "state": ""}})
    assert await messages.find({}).sort("seq", 1).to_list(None) == documents


async def test_the_text_of_a_change_is_found_by_no_search(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/core/link-text-indexes/: only indexed fields count."""
    change = {"seq": 2, "key": "c2", "user_id": "u1", "of": 1, "text": "needle"}
    await Collection(messages).insert_in_order([message(1, msg="hay"), change])
    assert await messages.find({"$text": {"$search": '"needle"'}}).to_list(None) == []


@pytest.mark.parametrize(("stored", "moved"), [(None, 5), (0, 5), (4, 5), (5, 5), (6, 6)])
async def test_a_mark_only_moves_forwards(
    users: MotorCollection, stored: int | None, moved: int
) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/update/max/: "If the field does not
    exists, the $max operator sets the field to the specified value"
    """
    user = account("alice") | ({} if stored is None else {"read": stored})
    await users.insert_one(user)
    await users.bulk_write([UpdateOne({"_id": user["_id"]}, {"$max": {"read": 5}})], ordered=False)
    assert await users.find_one({"_id": user["_id"]}) == user | {"read": moved}


async def test_marks_of_two_processes_leave_the_highest(
    users: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/write-operations-atomicity/"""
    alice = (await users.insert_one(account("alice"))).inserted_id
    both = (users, other[USER_COLLECTION])
    await asyncio.gather(
        *(
            both[n % 2].bulk_write([UpdateOne({"_id": alice}, {"$max": {"read": n}})])
            for n in random.sample(range(1, 21), 20)
        )
    )
    assert (await one(users, _id=alice))["read"] == 20


async def test_a_mark_of_nobody_stores_nothing_and_does_not_keep_the_others_back(
    users: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.bulkWrite/: "By default,
    upsert is false"
    """
    alice = (await users.insert_one(account("alice"))).inserted_id
    ids = [ObjectId(), alice, ObjectId()]
    updates = [UpdateOne({"_id": id_}, {"$max": {"read": 3}}) for id_ in ids]
    await users.bulk_write(updates, ordered=False)
    stored = [(user["_id"], user["read"]) for user in await users.find({}).to_list(None)]
    assert stored == [(alice, 3)]


async def test_hundreds_of_messages_are_numbered_at_once_unless_they_have_a_number(
    db: MotorDatabase,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.bulkWrite/ and
    https://www.mongodb.com/docs/manual/reference/operator/query/exists/
    """
    messages, ids = db[MESSAGE_COLLECTION], [ObjectId() for _ in range(CHUNK)]
    await Collection(messages).insert_in_order([{"_id": id_, "msg": "old"} for id_ in ids])
    await messages.update_one({"_id": ids[0]}, {"$set": {"seq": 1000}})
    updates = [
        UpdateOne({"_id": id_, "seq": {"$exists": False}}, {"$set": {"seq": seq, "user_id": ""}})
        for seq, id_ in enumerate(ids, 1)
    ]
    for _ in range(2):  # a second attempt does no harm
        await messages.bulk_write(updates, ordered=False)
    assert await seqs(messages) == [*range(2, CHUNK + 1), 1000]
    assert await seqs(messages, user_id="") == list(range(2, CHUNK + 1))


async def test_an_update_that_is_refused_among_others_is_told(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.bulkWrite/#error-handling

    A write that fails in silence would count as done.
    """
    for seq in (1, 2, 3):
        await messages.insert_one(message(seq))
    updates = [
        UpdateOne({"seq": 1}, {"$set": {"seq": 2}}),
        UpdateOne({"seq": 3}, {"$max": {"n": 1}}),
    ]
    with pytest.raises(BulkWriteError) as caught:
        await messages.bulk_write(updates, ordered=False)
    assert isinstance(caught.value, PyMongoError)
    assert await seqs(messages) == [1, 2, 3]


@pytest.mark.parametrize("is_done", [False, True])
async def test_a_document_is_replaced_only_while_the_condition_holds(
    db: MotorDatabase, is_done: bool
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.replaceOne/"""
    users = db[USER_COLLECTION]
    old = {"_id": ObjectId(), "login": "alice", "password": "plain"}
    await users.insert_one(old | ({"login_key": "alice"} if is_done else {}))
    secured = old | {"login_key": "secured", "password": None, "created": now()}
    await users.replace_one({"_id": old["_id"], "login_key": {"$exists": False}}, secured)
    expected = old | {"login_key": "alice"} if is_done else secured
    assert await users.find({}).to_list(None) == [expected]


async def test_a_whole_page_of_messages_gets_another_name_at_once(
    messages: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.updateMany/"""
    await fill(messages, [message(seq) for seq in range(1, ENTRIES_PER_QUERY + 2)])
    documents = await messages.find({}).sort("seq", 1).limit(ENTRIES_PER_QUERY).to_list(None)
    ids = [document["_id"] for document in documents]
    await messages.update_many({"_id": {"$in": ids}}, {"$set": {"user": "deleted user"}})
    assert await seqs(messages, user="deleted user") == list(range(1, ENTRIES_PER_QUERY + 1))
    assert await seqs(messages, user="alice") == [ENTRIES_PER_QUERY + 1]


async def test_delete_many_deletes_only_the_given_ids(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/method/db.collection.deleteMany/

    Named in a tuple, which the driver takes for an array as well.
    """
    sessions = db[SESSION_COLLECTION]
    for id_ in ("a", "b", "c"):
        await sessions.insert_one({"_id": id_, "user_id": "u1"})
    await sessions.delete_many({"_id": {"$in": ("a", "c", "unknown")}})
    assert await all_of(sessions.find({}), "_id") == ["b"]


# Values


async def test_a_time_is_utc_and_cut_off_after_the_millisecond(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-types/#date: "milliseconds since the Unix
    epoch"

    So what was just written compares as it will be read, if it has no more than that: see now().
    """
    for written, read in ((999_000, 999_000), (123_999, 123_000)):
        time = datetime(2026, 7, 31, 23, 59, 59, written, tzinfo=UTC)
        await users.insert_one(account(str(written), created=time))
        created = (await one(users, login=str(written)))["created"]
        assert created == time.replace(microsecond=read)
        assert created.utcoffset() == timedelta(0)
    assert now().microsecond % 1000 == 0


async def test_whole_numbers_of_64_bits_survive(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-types/ (long, 64-bit integer)"""
    for number in (0, 2**31 - 1, 2**31, SEQ_LIMIT, 2**53 + 1, 2**63 - 1):
        await users.insert_one(account(str(number), seen=number))
        await users.update_one({"login": str(number)}, {"$max": {"read": number}})
        user = await one(users, seen=number)
        assert (user["seen"], user["read"]) == (number, number)
        assert isinstance(user["seen"], int)
        assert isinstance(user["read"], int)


TEXTS = [
    *(
        "",
        " \t\n ",
        "𝔸 🫖 👩‍👩‍👧‍👦 🇩🇪",
        "e\u0301 \u00e9 \ufb01",
        "\u202e\u200f العربية",
        "\ufffe\uffff\U0010ffff",
    ),
    *(
        "$set a.b $ . {'$gt': ''}",
        "'; DROP TABLE messages; --",
        "\\\"'`",
        "🫖" * Settings.MESSAGE_LENGTH,
    ),
    *HOSTILE,
]


async def test_a_text_is_read_as_it_was_written(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-types/#string"""
    keys = {seq: f"{seq}:{text[:64]}" for seq, text in enumerate(TEXTS, 1)}
    batch = [message(seq, msg=TEXTS[seq - 1], key=key) for seq, key in keys.items()]
    await Collection(messages).insert_in_order(batch)
    assert await all_of(messages.find({}).sort("seq", 1), "msg") == TEXTS
    for seq, key in keys.items():
        assert await seqs(messages, key=key) == [seq]
        await messages.update_one({"seq": seq}, {"$set": {"msg": TEXTS[-seq]}})
    assert await all_of(messages.find({}).sort("seq", 1), "msg") == TEXTS[::-1]


async def test_half_a_character_is_refused_by_the_driver(users: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-types/#string

    With no error of the database: the chat has to find it first, or its answer is a 500.
    """
    for text in ("\ud800", "x\udfff", "\ude00\ud83d"):
        with pytest.raises(UnicodeEncodeError):
            await users.insert_one(account(text))
    assert await users.find({}).to_list(None) == []


async def test_a_document_keeps_its_fields_in_their_order(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/core/document/#document-field-order: "Fields in BSON
    documents are ordered", and `_id` comes first

    For whoever looks into the database: the chat itself reads every field by its name.
    """
    document = message(1) | {"of": 7, "nothing": None, "yes": True}
    await Collection(messages).insert_in_order([document])
    stored = await one(messages, seq=1)
    del stored["_id"]  # NX-27017 0.8.1 puts it last where the server gave it
    assert stored == document
    assert list(stored) == list(document)


# Finding


def quoted(*words: str) -> Document:
    """Return the query for all of the words, as the page for finding sends it."""
    return {"$text": {"$search": " ".join(f'"{word}"' for word in words)}}


async def found(messages: MotorCollection, *words: str) -> list[int]:
    """Return the numbers of the messages with all of the words."""
    return await seqs(messages, **quoted(*words))


async def said(messages: MotorCollection, *texts: str) -> None:
    """Store messages, numbered from 1."""
    await Collection(messages).insert_in_order(
        [message(seq, msg=text) for seq, text in enumerate(texts, 1)]
    )


SIGNS = [
    "tea,milk", "tea-milk", "tea.milk", "(tea)«milk»", "tea\nmilk", "tea'milk", "tea’milk",
    "tea/milk", "tea…milk!", "“tea”:milk?", "tea—milk", "<b>tea</b><i>milk</i>", "$tea+milk",
]  # fmt: skip
CASES = ("Tea", "tea", "café", "cafe", "Ångström", "Привет", "Ёлка", "ΟΔΟΣ")
MANY = [f"word{number}" for number in range(QUERY_WORDS)]

# The messages, and the numbers of those with all of the words.
WORDS: dict[str, tuple[list[str], dict[str, list[int]]]] = {
    # https://www.mongodb.com/docs/manual/reference/operator/query/text/#exact-strings says so of
    # one string in quotes. That each of several has to be there, in whatever order, is in
    # FTSMatcher::positivePhrasesMatch() of
    # https://github.com/mongodb/mongo/blob/master/src/mongo/db/fts/fts_matcher.cpp
    "of words in quotes all have to be there": (
        ["tea with milk", "tea", "milk", "milk, sugar and tea", "coffee"],
        {"tea": [1, 2, 4], "milk": [1, 3, 4], "tea milk": [1, 4], "milk tea": [1, 4],
         "tea milk sugar": [4], "tea salt": [], "salt": []},
    ),
    "there may be as many words as the page takes": (
        [" ".join(MANY), " ".join(MANY[1:])], {" ".join(MANY): [1]},
    ),
    # https://www.mongodb.com/docs/manual/core/indexes/index-types/index-text/specify-text-index-language/:
    # with `none` it "ignores suffix stemming", and "parses through each word in the field,
    # including stop words". Asked for alone: of several words MongoDB takes all but one for parts
    # of words, too.
    "a word is found only as it is written": (
        ["tea", "blueberry", "it opens at nine", "opening"],
        {word: [] for word in ("te", "ea", "teas", "blue", "blueberries", "open", "opened")},
    ),
    **{
        f"the small word {word} counts as well": (
            [f"hot {word} cups", "hot cups"], {word: [1], f"hot {word}": [1]},
        )
        for word in ("the", "and", "a", "is", "not", "or", "AND", "NOT", "и")
    },
    # https://www.mongodb.com/docs/manual/core/indexes/index-types/index-text/text-index-properties/
    "capitals and accents do not matter": (
        [*(f"so {text}, yes" for text in CASES), "nothing"],
        {f"{word}{yes}": numbers for yes in ("", " yes") for word, numbers in {
            "tea": [1, 2], "TEA": [1, 2], "CAFÉ": [3, 4], "cafe": [3, 4], "café": [3, 4],
            "angstrom": [5], "ПРИВЕТ": [6], "ёлка": [7], "οδοσ": [8]}.items()},
    ),
    # The same page, #tokenization-delimiters; an apostrophe as well, in no language; in English it
    # would not.
    "signs separate words": (
        SIGNS, {words: [*range(1, len(SIGNS) + 1)] for words in ("tea", "milk", "milk tea")},
    ),
    # Not by its parts, which NX-27017 0.8.1 finds and MongoDB does not.
    "a word with an underscore is found whole": (
        ["see foo_bar there", "see foobar", "see foo"], {"foo_bar": [1], "see foo_bar": [1]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("texts", "finds"), WORDS.values(), ids=WORDS)
async def test_messages_are_found_by_their_words(
    messages: MotorCollection, texts: list[str], finds: dict[str, list[int]]
) -> None:
    """The pages are named above."""
    await said(messages, *texts)
    assert {words: await found(messages, *words.split()) for words in finds} == finds


async def test_finds_are_sorted_by_number_and_cut_and_go_on_below_one(
    messages: MotorCollection,
) -> None:
    """https://www.mongodb.com/docs/manual/reference/operator/query/text/: "Combine $text with Other
    Query and Sort Operations"
    """
    texts = [("tea", "milk")[seq % 2] for seq in range(1, 101)]
    await said(messages, *texts)
    cursor = messages.find({**quoted("milk"), "seq": {"$lt": 60}}).sort("seq", -1).limit(21)
    assert await all_of(cursor, "seq") == list(range(59, 18, -2))


async def test_a_changed_text_is_found_by_its_new_words_only(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/core/indexes/index-types/index-text/"""
    await said(messages, "tea with milk", "tea with milk")
    await messages.update_one({"seq": 1}, {"$set": {"msg": "coffee with milk", "state": "edited"}})
    await messages.update_one({"seq": 2}, {"$set": {"msg": "", "state": "deleted"}})
    assert await found(messages, "tea") == []
    assert await found(messages, "milk") == [1]
    assert await found(messages, "coffee") == [1]


async def test_what_was_stored_before_the_index_is_found(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/core/indexes/index-types/index-text/create-text-index/"""
    messages = db[MESSAGE_COLLECTION]
    await Collection(messages).insert_in_order([message(1, msg="tea"), message(2, msg="milk")])
    await create_indexes(Database(db))
    await Collection(messages).insert_in_order([message(3, msg="tea again")])
    assert await found(messages, "tea") == [1, 3]


async def test_an_entry_without_a_text_is_never_found(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/core/indexes/index-types/index-text/

    "Text indexes are always sparse."
    """
    change = message(2, of=1)
    del change["msg"]
    await Collection(messages).insert_in_order([message(1, msg="tea"), change])
    assert await seqs(messages) == [1, 2]
    for word in ("tea", "None", "null", "of"):
        assert await found(messages, word) == ([1] if word == "tea" else [])


# Files


async def test_a_chunk_of_a_file_is_read_as_it_was_stored(db: MotorDatabase) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-types/#binary-data"""
    for n, data in enumerate((bytes(range(256)) * (CHUNK_SIZE // 256), b"\0" * CHUNK_SIZE, b"x")):
        id_ = f"_-Aa09{'x' * 16}:{n}"
        await db[CHUNK_COLLECTION].insert_one({"_id": id_, "data": Binary(data)})
        document = await one(db[CHUNK_COLLECTION], _id=id_)
        assert (document["_id"], bytes(document["data"])) == (id_, data)
        assert (await db[CHUNK_COLLECTION].delete_one({"_id": id_})).deleted_count == 1
        assert (await db[CHUNK_COLLECTION].delete_one({"_id": id_})).deleted_count == 0
    assert await db[CHUNK_COLLECTION].find_one({}) is None


async def test_of_messages_that_claim_a_file_one_gets_it_and_a_removal_after_that_does_not(
    files: MotorCollection, other: MotorDatabase
) -> None:
    """https://www.mongodb.com/docs/manual/core/write-operations-atomicity/, as above"""
    file = {"file_id": "a" * 22, "state": "complete", "key": None, "touched": 1}
    await files.insert_one(file)
    both, read = (files, other[FILE_COLLECTION]), {"_id": file["_id"], "state": "complete"}
    claims = (
        both[n % 2].update_one({**read, "key": None}, {"$set": {"key": f"u:{n}", "touched": 2}})
        for n in range(10)
    )
    removal = files.update_one({**read, "touched": 1}, {"$set": {"state": "gone", "touched": 3}})
    *claimed, removed = [result.matched_count for result in await asyncio.gather(*claims, removal)]
    stored = await one(files, file_id="a" * 22)
    if removed:
        assert (sum(claimed), stored) == (0, {**file, "state": "gone", "touched": 3})
    else:
        winner = f"u:{claimed.index(1)}"
        assert (sum(claimed), stored) == (1, {**file, "key": winner, "touched": 2})
        again = await files.update_one({**read, "key": winner}, {"$set": {"touched": 4}})
        assert again.matched_count == 1


async def test_all_files_are_gone_through_in_the_order_of_their_ids(files: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/#strings: by default
    "a simple binary comparison"
    """
    ids = [random.Random(n).choice("-_AZaz09") * 2 + f"{n:03}" for n in range(300)]
    random.Random(1).shuffle(ids)
    await files.insert_many(
        [{"file_id": id_, "state": ("gone", "complete")[n % 2]} for n, id_ in enumerate(ids)]
    )
    for where, expected in (({}, ids), ({"state": "complete"}, ids[1::2])):
        found, last = list[str](), ""
        while page := await all_of(
            files.find({"file_id": {"$gt": last}, **where}).sort("file_id", 1).limit(50), "file_id"
        ):
            found, last = found + page, page[-1]
        assert found == sorted(expected)
    with pytest.raises(DuplicateKeyError):
        await files.insert_one({"file_id": ids[0]})


async def test_the_file_of_a_message_is_read_without_the_rest(messages: MotorCollection) -> None:
    """https://www.mongodb.com/docs/manual/tutorial/project-fields-from-query-results/"""
    file = {"id": "a" * 22, "name": "фото $a.b.png", "size": 2**33, "width": 4000}
    document = message(1, file=file)
    await messages.insert_one(document)
    found = await messages.find_one({"key": document["key"]}, ["file", "state"])
    assert found == {"_id": document["_id"], "file": file}
    deleted = {"msg": "", "state": "deleted", "file": {"id": file["id"]}}
    await messages.update_one({"_id": document["_id"]}, {"$set": deleted})
    found = await messages.find_one({"key": document["key"]}, ["file", "state"])
    assert found == {"_id": document["_id"], "state": "deleted", "file": {"id": file["id"]}}

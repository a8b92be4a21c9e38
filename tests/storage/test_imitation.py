"""The imitation of a MongoDB, which other tests put in front of the tests' server."""

import pymongo
import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure
from pymongo.uri_parser import parse_uri

from settings import Settings
from storage.address import OURS
from storage.database import Document
from tests.support.databases import database_at, remove
from tests.support.imitation import Imitation, imitate, log_in
from tests.support.waiting import PATIENCE


@pytest.mark.parametrize("kind", ["address", "standalone", "router"])
async def test_it_is_a_mongodb_to_the_driver(
    imitation: Imitation, settings: Settings, kind: str
) -> None:
    """Through each of its addresses."""
    async with database_at(getattr(imitation, kind), settings.MONGO_DB_NAME) as db:
        await db["messages"].insert_many([{"_id": number} for number in range(300)])
        await db["messages"].update_one({"_id": 1}, {"$set": {"n": 1}})
        assert len(await db["messages"].find({}).to_list(None)) == 300
        await db["messages"].create_index("n")
        indexes = await db["messages"].index_information()
        assert [("n", 1)] in [index["key"] for index in indexes.values()]
    assert imitation.count("insert") == 1
    assert "readConcern" in next(it.body for it in imitation.commands if it.name == "find")
    assert all(it.body["lsid"] for it in imitation.commands)


@pytest.mark.parametrize("has_routers", [False, True])
async def test_it_stands_in_front_of_servers_of_several_hosts(
    mongo: str, imitation: Imitation, settings: Settings, has_routers: bool
) -> None:
    """A replica set, whose primary need not be named first, or several routers."""
    with imitate(mongo) as other:
        imitation.step_down()
        address = imitation.address
        if has_routers:
            address = f"mongodb://{imitation.hosts[3]},{other.hosts[3]}/"
        with imitate(address) as front:
            async with database_at(front.address, settings.MONGO_DB_NAME) as db:
                await db["messages"].insert_one({"_id": 1})
            written = [
                it.member for it in imitation.commands + other.commands if it.name == "insert"
            ]
    assert written == [3 if has_routers else 1]


@pytest.mark.parametrize(("path", "source"), [
    ("/", "admin"), ("/talk", "talk"), ("/talk?authSource=all", "all"),
])  # fmt: skip
def test_it_hands_a_log_in_on(path: str, source: str) -> None:
    user, options = log_in(parse_uri(f"mongodb://alice:p%40ss@localhost{path}"))
    assert user == "alice:p%40ss@"
    assert options == f"authSource={source}&authMechanism=SCRAM-SHA-256"


async def test_it_answers_in_the_servers_place(imitation: Imitation, settings: Settings) -> None:
    """And lets it answer again."""
    refusal = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not allowed"}
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        imitation.answers["insert"] = lambda body: refusal
        with pytest.raises(OperationFailure) as caught:
            await db["messages"].insert_one({"_id": 1})
        assert caught.value.code == 13
        del imitation.answers["insert"]
        await db["messages"].insert_one({"_id": 1})
        with pytest.raises(DuplicateKeyError):
            await db["messages"].insert_one({"_id": 1})


async def test_it_loses_replies(imitation: Imitation, settings: Settings) -> None:
    """What was asked is done; the driver asks once more, because that is a retryable write."""
    imitation.loses = lambda name, body: name == "insert"
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        with pytest.raises(AutoReconnect):
            await db["messages"].insert_one({"_id": 1})
        assert await db["messages"].find_one({"_id": 1})
    assert imitation.count("insert") == 2


async def test_it_steps_down(
    imitation: Imitation, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver finds the other member by itself."""
    monkeypatch.setitem(OURS, "serverSelectionTimeoutMS", PATIENCE * 1000)
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        for number in range(4):
            await db["messages"].insert_one({"_id": number})
            imitation.step_down()
    assert {it.member for it in imitation.commands if it.name == "insert"} == {0, 1}


async def test_it_shows_documents_one_by_one(imitation: Imitation, settings: Settings) -> None:
    """And stops at the first that is refused."""
    imitation.is_gradual = True
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        await db["messages"].insert_one({"_id": 2})
        reply = await db.command("insert", "messages", documents=[{"_id": it} for it in range(4)])
        assert (reply["n"], reply["writeErrors"][0]["index"]) == (2, 2)
        assert {it["_id"] for it in await db["messages"].find({}).to_list(None)} == {0, 1, 2}


async def test_a_tests_database_is_emptied_by_a_user_who_may_not_drop_it(
    imitation: Imitation, settings: Settings
) -> None:
    """At the end of each test, where TEST_MONGO_HOST is of such a user."""
    refusal = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not allowed"}
    with pymongo.MongoClient[Document](imitation.address) as client:
        database = client[settings.MONGO_DB_NAME]
        for refused in ("dropDatabase", "drop"):
            imitation.answers[refused] = lambda body: refusal
            database["messages"].insert_one({"_id": 1})
            remove(database)
            assert database["messages"].find_one() is None
    assert imitation.count("dropDatabase") == 2

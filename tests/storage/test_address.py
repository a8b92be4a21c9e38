"""What the address of a MongoDB may decide, and what it may not."""

import warnings
from typing import Any

import pytest
from pymongo.common import URI_OPTIONS_VALIDATOR_MAP

from settings import MESSAGE_COLLECTION, Settings, StartError
from storage.address import NAMES, OPTIONS, Ours, allowed
from storage.database import Database
from storage.indexes import create_indexes, missing_indexes
from storage.mongodb import connect, database_of
from tests.support.databases import database_at
from tests.support.imitation import Imitation

# Values that would do harm, or that would stop the start.
HARMFUL = {
    "readPreference": "secondaryPreferred",
    "readPreferenceTags": "dc:far",
    "maxStalenessSeconds": "120",
    "readConcernLevel": "local",
    "w": "0",
    "wTimeoutMS": "1",
    "journal": "false",
    "fsync": "true",
    "connectTimeoutMS": "1",
    "serverSelectionTimeoutMS": "1",
    "socketTimeoutMS": "1",
    "waitQueueTimeoutMS": "1",
    "timeoutMS": "1",
    "maxAdaptiveRetries": "1000",
    "tz_aware": "false",
    "datetime_conversion": "DATETIME_MS",
    "retryReads": "false",
    "unicode_decode_error_handler": "ignore",
    "uuidRepresentation": "javaLegacy",
    "waitQueueMultiple": "1",
    "appName": "s3cret",
    "connect": "true",
}


def options(address: str) -> dict[str, Any]:
    """Return what the driver makes of the options of an address."""
    client = connect(address)
    made = dict(client.delegate.options._options.items())
    client.close()
    return made


def refusal(address: str) -> str:
    """Return why an address stops the start."""
    with pytest.raises(StartError) as stop:
        connect(address)
    assert "s3cret" not in str(stop.value)
    return str(stop.value)


def test_each_option_that_the_driver_reads_from_an_address_is_decided_with_a_reason() -> None:
    objects = {"driver", "server_api"}  # can't be written in an address
    assert NAMES.keys() == (URI_OPTIONS_VALIDATOR_MAP.keys() | {"tlsinsecure"}) - objects
    assert all(option.why for option in OPTIONS.values())
    assert HARMFUL.keys() == {name for name, each in OPTIONS.items() if isinstance(each, Ours)}


@pytest.mark.parametrize("separator", ["&", ";"])
async def test_nothing_that_is_the_chats_is_decided_by_the_address(separator: str) -> None:
    query = separator.join(f"{name}={value}" for name, value in HARMFUL.items())
    assert options(f"mongodb://127.0.0.1:1/?{query}") == options("mongodb://127.0.0.1:1/")
    assert options(f"mongodb://127.0.0.1:1/?{query.upper()}") == options("mongodb://127.0.0.1:1/")


async def test_the_primary_is_asked_whatever_the_address_says(
    imitation: Imitation, settings: Settings
) -> None:
    wish = "&readPreference=secondary&readPreferenceTags=dc:far&maxStalenessSeconds=120&timeoutMS=0"
    async with database_at(imitation.address + wish, settings.MONGO_DB_NAME) as motor:
        db = Database(motor)
        await create_indexes(db)
        assert await missing_indexes(db) == {}
        await db[MESSAGE_COLLECTION].insert_in_order([{"seq": seq, "key": seq} for seq in (1, 2)])
        assert len(await db[MESSAGE_COLLECTION].find({"seq": {"$gt": 0}}, sort=("seq", 1))) == 2
        assert await motor[MESSAGE_COLLECTION].count_documents({}) == 2
        await db.collection_names()
        await db.command("dbStats")
    assert {"find", "aggregate", "listCollections", "dbStats"} <= {
        command.name for command in imitation.commands
    }
    assert {command.member for command in imitation.commands} == {imitation.primary}
    assert not any("maxTimeMS" in each.body for each in imitation.commands if each.name == "find")


async def test_what_the_address_may_decide_is_as_it_says() -> None:
    made = options(
        "mongodb://u:s3cret@127.0.0.1:1/?retryWrites=false&maxPoolSize=7&authSource=admin"
        "&compressors=zlib&maxIdleTimeMS=120000&replicaSet=rs&tlsInsecure=true&tls=true&appName=@x@"
    )
    expected = {"retrywrites": False, "maxpoolsize": 7, "authsource": "admin", "replicaset": "rs",
                "compressors": ["zlib"], "maxidletimems": 120, "tlsallowinvalidhostnames": True,
                "appname": "chat"}  # fmt: skip
    assert {name: made[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("retryWrite=true", "'retryWrite'"),
        ("proxyHost=s3cret", "'proxyHost'"),
        ("slaveOk=true&w=1", "'slaveOk'"),
        ("server_api=1", "'server_api'"),
        ("retryWrites", "retryWrites"),
        ("retryWrites=s3cret", "retryWrites"),
        ("maxPoolSize=s3cret", "maxPoolSize"),
        ("minPoolSize=9&maxPoolSize=2", "minPoolSize, maxPoolSize"),
        ("heartbeatFrequencyMS=1", "heartbeatFrequencyMS"),
        ("serverMonitoringMode=s3cret", "serverMonitoringMode"),
        ("zlibCompressionLevel=99", "zlibCompressionLevel"),
        ("authMechanism=s3cret", "authMechanism"),
        ("authSource=", "authSource"),
        ("authMechanismProperties=s3cret", "authMechanismProperties"),
        ("tlsCAFile=/s3cret/ca.pem", "tlsCAFile in MONGO_HOST is not valid: No such file"),
        ("tls=false&tlsAllowInvalidHostnames=false", "tls"),
        ("tls=true&ssl=false", "tls, ssl"),
        (f"tls=true&tlsCAFile={__file__}", "tls, tlsCAFile"),
        (f"tls=true&tlsCertificateKeyFile={__file__}", "tls, tlsCertificateKeyFile"),
        ("w=1&authMechanism=MONGODB-OIDC", "authMechanism"),
        ("tlsInsecure=true&tlsAllowInvalidCertificates=true", "tlsInsecure, tlsAllowInvalid"),
        ("directConnection=true&loadBalanced=true", "directConnection, loadBalanced"),
        ("srvMaxHosts=1", "srvMaxHosts"),
    ],
)
async def test_a_wrong_option_stops_the_start_and_is_named(query: str, named: str) -> None:
    with warnings.catch_warnings(action="error"):  # the driver's would be logged
        assert named in refusal(f"mongodb://user:s3cret@127.0.0.1:1/chat?{query}")


@pytest.mark.parametrize(
    "address",
    [
        "mongodb://user:a@s3cret@host/chat",
        "mongodb://user:12/s3cret@host",
        "mongodb://user:a@b/s3cret@host",
        "mongodb://user:12?s3cret=1@host/chat",
        "mongodb://user:a@b?s3cret=1@host/chat",
        "mongodb://user:12?retryWrites=s3cret@host/chat",
        "mongodb://user:s3cret%@host/chat",
        "mongodb://user:s3cret:s3cret@host/chat",
        "mongodb+srv://user:s3cret@a.example.net,b.example.net/chat",
        "mongodb+srv://user:s3cret@a.example.net:27017/chat",
        "mongodb://host/?tlsCertificateKeyFilePassword=a&s3cret=1",
        "mongodb://host/?tlsCertificateKeyFilePassword=a;s3cret=1",
    ],
)
async def test_no_part_of_a_password_is_quoted_wherever_it_ends_up(address: str) -> None:
    with warnings.catch_warnings(action="error"):
        assert "MONGO_HOST" in refusal(address)


async def test_a_compressor_that_is_not_installed_is_left_out_without_a_warning() -> None:
    with warnings.catch_warnings(action="error"):
        made = options("mongodb://127.0.0.1:1/?compressors=snappy,zstd,zlib")
    assert made["compressors"] == ["zlib"]


@pytest.mark.parametrize(
    "address",
    ["mongodb://host", "mongodb://%2Ftmp%2Fa%3Fb.sock", "mongodb://u:p%40%2F%3F@a,b:1/x?tls=true"],
)
def test_an_address_without_options_of_the_chats_stays_as_it_is(address: str) -> None:
    assert allowed(address) == address


@pytest.mark.parametrize("name", ["%00", "a%24b", "a%20b"])
async def test_a_database_that_can_not_be_called_so_stops_the_start(name: str) -> None:
    with pytest.raises(StartError, match="MONGO_HOST"):
        database_of(connect(f"mongodb://127.0.0.1:1/{name}"), Settings())

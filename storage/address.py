"""What the address of a MongoDB may decide, of all the options that it can carry.

https://www.mongodb.com/docs/manual/reference/connection-string-options/ says what they mean; the
driver has some more, in pymongo/common.py. An option that is not here is refused, and so is a value
that the driver does not take: it would go on without, and quote the value in a warning.
"""

import re
from typing import Any, NamedTuple

from pymongo.errors import PyMongoError
from pymongo.uri_parser import split_options

from settings import StartError
from storage.database import ACKNOWLEDGED, CALL_TIMEOUT

SELECT_TIMEOUT = 2  # seconds to connect, or to find a server

MANUAL = "https://www.mongodb.com/docs/manual/reference/connection-string-options/"
ESCAPES = "in a user's name or password, write @ / ? : % as %40 %2F %3F %3A %25"


class Ours(NamedTuple):
    """The chat decides, whatever the address says."""

    why: str
    value: Any = None  # None: the driver's default


class Theirs(NamedTuple):
    """The address decides."""

    why: str


OPTIONS: dict[str, Ours | Theirs] = {
    # Whom and when to believe
    "readPreference": Ours("only the primary has all that was confirmed"),
    "readPreferenceTags": Ours("the same"),
    "maxStalenessSeconds": Ours("the same"),
    "readConcernLevel": Ours("what is shown outlives a failover", "majority"),
    "w": Ours("the same", ACKNOWLEDGED["w"]),
    "wTimeoutMS": Ours("every call has the chat's own deadline"),
    "journal": Ours("the default of a majority, which is the disk"),
    "fsync": Ours("the same"),
    # Time
    "connectTimeoutMS": Ours("a page is answered within five seconds", SELECT_TIMEOUT * 1000),
    "serverSelectionTimeoutMS": Ours("the same", SELECT_TIMEOUT * 1000),
    # It ends the call in Motor's thread, too.
    "socketTimeoutMS": Ours("the same", CALL_TIMEOUT * 1000),
    "waitQueueTimeoutMS": Ours("the same", CALL_TIMEOUT * 1000),
    "timeoutMS": Ours("does what the others do, but makes calls a third slower"),
    "maxAdaptiveRetries": Ours("more would go on after a call's deadline"),
    "heartbeatFrequencyMS": Theirs("a lost server is looked for at once in any case"),
    "serverMonitoringMode": Theirs("some networks cut what streams"),
    # What is read and written
    "tz_aware": Ours("the chat counts on times with a zone", True),
    "datetime_conversion": Ours("the chat counts on datetime"),
    "unicode_decode_error_handler": Ours("a damaged text is an error"),
    "uuidRepresentation": Ours("nothing stored is a UUID"),
    "retryWrites": Theirs("some servers have none; then some writes fail at a change of primary"),
    "retryReads": Ours("a read may always be repeated"),
    # Connections
    "maxPoolSize": Theirs("servers limit connections; with few, calls wait for one another"),
    "minPoolSize": Theirs("costs the server only"),
    "maxConnecting": Theirs("the same"),
    "maxIdleTimeMS": Theirs("some networks drop idle connections"),
    "waitQueueMultiple": Ours("without effect"),
    "compressors": Theirs("saves bytes on long ways; what is not installed is left out"),
    "zlibCompressionLevel": Theirs("the same"),
    "appName": Ours("in the server's log the chat is called so", "chat"),
    "connect": Ours("it connects when it is first used"),
    # Which servers
    "replicaSet": Theirs("a name the operator has given"),
    "directConnection": Theirs("for a tunnel to one member; of several it is no failover"),
    "loadBalanced": Theirs("the servers are behind a balancer"),
    "localThresholdMS": Theirs("chooses among routers, which are equal"),
    "enableOverloadRetargeting": Theirs("the same"),
    "srvServiceName": Theirs("how the servers are found"),
    "srvMaxHosts": Theirs("the same"),
    "srvAllowedHostsSuffix": Theirs("the same"),
    # Who is who
    "authMechanism": Theirs("how the server wants it"),
    "authMechanismProperties": Theirs("the same"),
    "authSource": Theirs("where the user was created"),
    "tls": Theirs("how the server wants it"),
    "ssl": Theirs("another name of tls"),
    "tlsCAFile": Theirs("who vouches for a server of one's own"),
    "tlsCRLFile": Theirs("the same"),
    "tlsCertificateKeyFile": Theirs("some servers ask who the chat is"),
    "tlsCertificateKeyFilePassword": Theirs("the same"),
    "tlsDisableOCSPEndpointCheck": Theirs("not every network lets through to it"),
    "tlsAllowInvalidHostnames": Theirs("for a network of one's own, as REDIS_VERIFY"),
    "tlsAllowInvalidCertificates": Theirs("the same"),
    "tlsInsecure": Theirs("the same"),
}
NAMES = {name.lower(): name for name in OPTIONS}

OURS = {
    name: option.value
    for name, option in OPTIONS.items()
    if isinstance(option, Ours) and option.value is not None
}


def allowed(address: str) -> str:
    """Return an address with those options only that it may decide.

    Raises StartError, which names an option but quotes no value: that may be a password, and so may
    be any part of an address in which a character of the password is not written with `%`.
    """
    place, mark, query = address.partition("?")
    user = place.partition("://")[2].rpartition("@")[0]
    if re.search("[/@]", user) or ("@" in query and not user):
        raise StartError(f"MONGO_HOST is not a MongoDB address: {ESCAPES}.")
    kept = []
    for pair in re.split("[&;]", query):
        written = pair.partition("=")[0]
        name = NAMES.get(written.lower())
        if pair and name is None:
            is_secret = re.search("@|password|properties", query, re.IGNORECASE)
            shown = "an option" if is_secret else f"the option {written!r}"
            raise StartError(f"MONGO_HOST has {shown} that the driver does not know: see {MANUAL}.")
        if name and isinstance(OPTIONS[name], Theirs):
            _check(name, pair)
            kept.append(pair)
    return place + mark + "&".join(kept)


def option_names(address: str) -> str:
    """Return the names of the options of an address that allowed() has returned."""
    return ", ".join(pair.partition("=")[0] for pair in address.partition("?")[2].split("&"))


def _check(name: str, pair: str) -> None:
    try:
        split_options(pair)
    except OSError as error:  # a file that it names
        reason = error.strerror
    except (PyMongoError, ValueError, TypeError):
        reason = f"see {MANUAL}"
    else:
        return
    raise StartError(f"{name} in MONGO_HOST is not valid: {reason}.")

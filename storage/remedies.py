"""What an error of the driver is called, and what an operator can do about it.

MongoDB's codes are in its src/mongo/base/error_codes.yml; 8000 is Atlas' own, for all that its
proxy refuses. The text of an error is read, but never shown: it may quote the address, or a
document.
"""

import re

from dns.exception import DNSException
from pymongo.errors import (
    ConfigurationError,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
)

LOG_IN = "see that the user, the password and authSource in MONGO_HOST are right"
RIGHTS = "MONGO_HOST needs a user who has the role readWrite on the chat's database"
NAME = "see that the host in MONGO_HOST is right, and that this machine can look up names"
ACCESS = "see that the network access list of the database has this machine's address"
OPTIONS = (
    "see that the server is MongoDB 7 or 8 and suits the options of MONGO_HOST, "
    "and that what they need is installed"
)
PRIMARY = "if that lasts, name all members of the replica set in MONGO_HOST, not one directly"
SPACE = "make room, or let the database grow"
MAJORITY = "see that a majority of the members of the replica set is there and keeps up"
NO_RETRIES = "put retryWrites=false into MONGO_HOST"
CERTIFICATE = (
    "see that the server's certificate is valid for the host in MONGO_HOST, "
    "and name by tlsCAFile who vouches for it"
)

REFUSALS = (  # a server's code, words that its text has, and the remedy
    (11, "", LOG_IN),  # UserNotFound
    (13, "", RIGHTS),  # Unauthorized, also of a client that has not logged in
    (18, "", LOG_IN),  # AuthenticationFailed
    (20, "retryable writes|Transaction numbers", NO_RETRIES),  # IllegalOperation
    (64, "", MAJORITY),  # WriteConcernTimeout
    (100, "", MAJORITY),  # UnsatisfiableWriteConcern
    (334, "", "see that authMechanism in MONGO_HOST is right"),  # MechanismUnavailable
    (14031, "", SPACE),  # OutOfDiskSpace
    (8000, "quota", SPACE),
    (8000, "not allowed|not authorized", RIGHTS),
    (8000, "auth", LOG_IN),
    (8000, "", "see in Atlas whether the cluster is up, and what it allows"),
)
UNREACHED = (  # words of the driver's text if it finds no server, and the remedy
    (r"\.sock'", ""),  # on this machine, as the embedded one is: no network is in between
    ("CERTIFICATE_VERIFY_FAILED", CERTIFICATE),
    ("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE", "the server speaks no TLS: set tls=false"),
    # Atlas accepts a connection from a strange address, and ends it with an alert of TLS.
    (r"SSL handshake failed|\[SSL: ", ACCESS),
    (r"\[Errno -\d+\]", NAME),  # of getaddrinfo()
    ("for replica set name", "see that replicaSet in MONGO_HOST is right"),
    ("No primary|match selector", "see that the replica set has a primary"),
    ("timed out|No servers found yet", f"see that the server runs; {ACCESS}"),
    ("connection closed|reset by peer", "see that the server runs, and whether it needs tls=true"),
)


def name_of(error: Exception) -> str:
    """Return the name of an error, as the server gives it, with its code, or the driver."""
    kind = type(error).__name__
    if isinstance(error, OperationFailure):
        name = (error.details or {}).get("codeName", kind)
        return f"{name}, code {error.code}" if error.code else name
    if isinstance(error.__cause__, DNSException):
        return type(error.__cause__).__name__
    reason = re.search(r"\[SSL: (\w+)\]", str(error))
    return f"{kind}, {reason[1]}" if reason else kind


def remedy_for(error: Exception) -> str:
    """Return what an operator can do about an error, "" if there is nothing special."""
    text = str(error)
    if isinstance(error, OperationFailure):
        known = [(words, remedy) for code, words, remedy in REFUSALS if code == error.code]
    elif isinstance(error, ServerSelectionTimeoutError):
        known = list(UNREACHED)
    elif isinstance(error, ConfigurationError):
        known = [("", NAME if isinstance(error.__cause__, DNSException) else OPTIONS)]
    else:
        known = [("", PRIMARY)] if isinstance(error, NotPrimaryError) else []
    return next((remedy for words, remedy in known if re.search(words, text)), "")

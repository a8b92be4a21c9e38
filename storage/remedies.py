"""What an error of the driver means: its name, whether it passes, and what an operator can do.

MongoDB's codes are in its src/mongo/base/error_codes.yml; 8000 is Atlas' own, for all that its
proxy refuses. The text of an error is read, but never shown: it may quote the address, or a
document.
"""

import re
from typing import NamedTuple

from dns.exception import DNSException
from pymongo.errors import (
    ConfigurationError,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)

from storage.embedded_files import FAULT

DUPLICATE = 11000  # another document has the same value in a unique field
NAMESPACE_NOT_FOUND = 26  # there is no such collection
PASSING = {  # the server can't now, but soon: after an election, or with less to do
    *(6, 7, 89, 202, 9001),  # a router or a member does not reach another one
    *(91, 189, 10058, 10107, 11600, 11602, 13435, 13436),  # it ends, or is no primary any more
    *(64, 100, 133, 134),  # no majority confirms, or no member can be read
    *(24, 46, 50, 112, 262, 290, 365, 11601),  # locks, time limits, conflicts
    *(402, 407, 433, 449, 450, 462),  # too much to do
    *(43, 175, 237, 453, 91331, 10045600),  # what was ended, as a failover does
}

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
SEE_ROOM = "see that its disk or quota has room, and which documents it is set up to refuse"
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
    (r"\.sock'", ""),  # as the embedded database's: there is no network in between
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


class Diagnosis(NamedTuple):
    """What is wrong with the database."""

    name: str
    remedy: str  # "" if there is nothing special to do
    is_passing: bool  # whether the same call may succeed soon; else the server has refused it


def diagnose(error: Exception) -> Diagnosis:
    """Return what an error of the driver means, or that a call took too long."""
    if isinstance(error, OperationFailure):
        error = _single(error)
    name, remedy = _name_of(error), _remedy_for(error)
    if not isinstance(error, OperationFailure) or error.code in PASSING:
        return Diagnosis(name, remedy, is_passing=True)
    if error.code == FAULT:  # the embedded database's own text, which may be shown
        name = (error.details or {}).get("errmsg", name)
    elif isinstance(error, WriteError) and error.code != DUPLICATE:
        name, remedy = f"it refuses a write ({name})", remedy or SEE_ROOM
    return Diagnosis(name, remedy, is_passing=False)


def _single(error: OperationFailure) -> OperationFailure:
    """Return the server's answer: of several in one error the first that does not pass."""
    details = error.details or {}
    for kind, answers in (
        (WriteError, details.get("writeErrors")),
        (WriteConcernError, details.get("writeConcernErrors")),
    ):
        if answers:
            first = next((it for it in answers if it.get("code") not in PASSING), answers[0])
            return kind(first.get("errmsg", ""), first.get("code"), first)
    return error


def _name_of(error: Exception) -> str:
    """Return the server's name of an error, with its code, or else the driver's."""
    kind = type(error).__name__
    if isinstance(error, OperationFailure):
        name = (error.details or {}).get("codeName", kind)
        return f"{name}, code {error.code}" if error.code else name
    if isinstance(error.__cause__, DNSException):
        return type(error.__cause__).__name__
    reason = re.search(r"\[SSL: (\w+)\]", str(error))
    return f"{kind}, {reason[1]}" if reason else kind


def _remedy_for(error: Exception) -> str:
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

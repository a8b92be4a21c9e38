"""A trial of what an account of the database's may do, because not all servers tell it."""

from collections.abc import Awaitable, Callable

from pymongo.errors import OperationFailure

from storage.database import Database, DatabaseFails, MotorCollection, deadline
from storage.staging import NAMESPACE_NOT_FOUND

# Always the same two, so that no more are left behind where none may be dropped.
TRIAL_COLLECTION = "chat_check"
RENAMED_COLLECTION = "chat_check_renamed"


async def refused_steps(db: Database) -> dict[str, str]:
    """Make an index of a new, empty collection, rename the collection, and drop it.

    Returns which of these the server has refused: "index", "rename", "drop", each with the name of
    the error. Raises DatabaseUnavailable.
    """
    trial, renamed = db.motor[TRIAL_COLLECTION], db.motor[RENAMED_COLLECTION]
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "index": lambda: trial.create_index("field"),
        "rename": lambda: trial.rename(renamed.name, dropTarget=True),
        "drop": lambda: _drop(trial, renamed),
    }
    refused = {}
    for step, carry_out in steps.items():
        try:
            async with deadline():
                await _unless_missing(carry_out())
        except DatabaseFails as error:
            refused[step] = str(error).partition(": ")[0]
    return refused


async def _unless_missing(call: Awaitable[object]) -> None:
    """Await a call on a collection that may be missing: another `check` may have renamed it."""
    try:
        await call
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise


async def _drop(*collections: MotorCollection) -> None:
    for collection in collections:
        await collection.drop()

"""A trial of what an account of the database's may do, because not all servers tell it."""

from collections.abc import Awaitable, Callable

from pymongo.errors import OperationFailure

from storage.database import Database, MotorCollection, deadline
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
        async with deadline():
            try:
                await carry_out()
            except OperationFailure as error:
                # There may be none: the index was refused, or another check has renamed it.
                if error.code != NAMESPACE_NOT_FOUND:
                    refused[step] = (error.details or {}).get("codeName", f"code {error.code}")
    return refused


async def _drop(*collections: MotorCollection) -> None:
    for collection in collections:
        await collection.drop()

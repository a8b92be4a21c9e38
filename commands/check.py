"""check: look at everything that the chat needs, and say what to do about what is wrong."""

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator

from commands.accounts import printable
from commands.check_database import Finding, look_at_database
from commands.room import CommandError, open_room
from security.data_dir import check_data_dir, unwritable
from security.keys import NoKey, read_key
from settings import (
    Settings,
    StartError,
    Variable,
    each_setting,
    load_settings,
    read_environment,
)
from storage.database import DatabaseFails, DatabaseUnavailable
from storage.embedded_files import DEFAULT_NAME, Fault, databases, find_fault
from storage.redis_client import FAILURES, connect_redis

AS_THE_USER = "run this as the user of the chat, and see that what is there may be read"


async def check(arguments: Namespace) -> None:
    """Print a line for everything that was looked at. Raises CommandError if anything is wrong."""
    wrong = 0
    async for finding in findings():
        wrong += finding.kind == "wrong"
        text = ": ".join(filter(None, (finding.what, finding.remedy)))
        print(f"{finding.kind:6}", printable(text))
    if wrong:
        raise CommandError(f"Found wrong: {wrong}.")


async def findings() -> AsyncIterator[Finding]:
    """Yield the findings; checks that need something that is wrong are left out."""
    try:
        environment = read_environment()
        for note in environment.notes:
            yield Finding(*note, is_note=True)
        for mistake in environment.mistakes:
            yield Finding(*mistake)
        if environment.mistakes:
            return
        values = list(each_setting())
        for variable, value in values:
            yield setting(variable, value)
        if any(isinstance(value, StartError) for _, value in values):
            return
        settings = load_settings()
    except StartError as error:
        yield Finding("settings", str(error))
        return
    for finding in file_limits(settings):
        yield finding
    if not (settings.SECRET_KEY and settings.MONGO_HOST):
        try:
            check_data_dir(settings.DATA_DIR)
        except StartError as error:
            yield Finding("folder", str(error))
            return
    yield key(settings)
    if settings.REDIS_URL:
        yield await redis(settings)
    if not settings.MONGO_HOST:
        try:
            paths = databases(settings.DATA_DIR, settings.MONGO_DB_NAME or DEFAULT_NAME)
            fault = await asyncio.to_thread(find_fault, paths)
        except OSError as error:
            yield Finding(f"files: {error}", AS_THE_USER)
            return
        yield files(fault)
        if fault and fault.is_damage:
            return
    try:
        async with open_room(settings) as room:
            async for finding in look_at_database(room.db, settings):
                yield finding
    except (StartError, CommandError, DatabaseFails) as error:
        yield Finding("database", str(error))
    except DatabaseUnavailable as error:
        usual = "see that it runs, and that MONGO_HOST is right"
        if not settings.MONGO_HOST:
            usual = "see that no other program, such as sqlite3, is using its files, and try again"
        yield Finding(f"database: {error.why}", error.remedy or usual)


def setting(variable: Variable, value: object) -> Finding:
    """Return what is found about a setting."""
    if isinstance(value, StartError):
        what, _, remedy = str(value).partition(": ")
        return Finding(what, remedy)
    if not value and not isinstance(value, bool | int):
        return Finding(f"{variable.name} is not set")
    if variable.is_secret:
        return Finding(f"{variable.name} is set")
    shown = ", ".join(value) if isinstance(value, tuple) else value
    return Finding(f"{variable.name} = {shown}")


def file_limits(settings: Settings) -> Iterator[Finding]:
    """Yield what is found about limits of files that are of no use."""
    largest = settings.FILE_SIZE_LIMIT
    for name in ("FILES_PER_USER", "FILES_IN_ALL"):
        limit = getattr(settings, name)
        if 0 < limit < largest:
            what = f"files: FILE_SIZE_LIMIT = {largest} is more than {name} = {limit}"
            yield Finding(what, f"lower it, or raise {name}", is_note=True)


def key(settings: Settings) -> Finding:
    """Return what is found about the key of the session cookies."""
    if settings.SECRET_KEY:
        return Finding("key: SECRET_KEY")
    path = settings.DATA_DIR / "secret_key"
    try:
        read_key(path)
    except FileNotFoundError:
        return Finding(f"key: {path} is made when the chat starts")
    except OSError as error:
        return Finding("key", str(unwritable(settings.DATA_DIR, error)))
    except NoKey as error:
        return Finding("key", str(error))
    return Finding(f"key: {path}")


async def redis(settings: Settings) -> Finding:
    """Return what is found about Redis."""
    try:
        async with connect_redis(settings) as client:
            await client.ping()
    except FAILURES as error:
        remedy = "see that it runs, and that REDIS_URL and REDIS_VERIFY are right"
        return Finding(f"Redis: {type(error).__name__}", remedy)
    return Finding("Redis: answers")


def files(fault: Fault | None) -> Finding:
    """Return what is found about the files of the embedded database."""
    if fault:
        return Finding(f"files: {fault.path} {fault.what}", fault.remedy)
    return Finding("files: sound")

"""The embedded database's files: what SQLite has to say against them, and what to do about it.

The database's process watches its connections: NX-27017 0.8.1 takes some errors of SQLite for "no
such document", and reports others as the refusal of one document.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

FAULT = 27017  # the code of the answer to a command that failed because of the file
DEFAULT_NAME = "chat"  # of the database, unless MONGO_HOST or MONGO_DB_NAME has another
ADMIN = "admin"  # the database of drivers' greetings; has nothing of the chat's
ADMIN_FILE = f"{ADMIN}.db"
REPAIR = "stop the chat, and restore a backup or recover the file, as docs/repair.md says"
END_OTHER = "end the program that uses it besides the chat"
SEE_DISK = "see that its disk has room and works, and that the chat may write there"
STEPS_PER_LOOK = 100_000  # of SQLite's machine, after which a check looks at the clock

# SQLite's primary codes (sqlite.org/rescode.html) that tell of the file, the disk or the memory,
# not of a statement that is wrong or a document that is refused.
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
FAULTS = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}

T = TypeVar("T")


class Fault(NamedTuple):
    """What is wrong with a file, and what to do about it."""

    path: Path
    what: str  # with SQLite's own words
    remedy: str
    is_damage: bool = False  # nothing may be written to the file any more

    def __str__(self) -> str:
        return f"{self.path} {self.what}: {self.remedy}"


def damage(path: Path, reason: str) -> Fault:
    """Return the fault of a file in which SQLite does not find its way any more."""
    return Fault(path, f"is damaged ({reason})", REPAIR, is_damage=True)


def unreadable(path: Path, reason: str) -> Fault:
    """Return the fault of a file in which one document is damaged."""
    return Fault(path, f"has a document that can't be read ({reason})", REPAIR)


def fault_of(path: Path, error: Exception) -> Fault | None:
    """Return what an error says against a file, None if it says nothing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more exactly where
    if code in DAMAGE:
        return damage(path, str(error))
    if code in FAULTS:
        remedy = END_OTHER if code == sqlite3.SQLITE_BUSY else SEE_DISK
        return Fault(path, f"can't be used ({error})", remedy)
    # Without the error's own text, which quotes the document.
    if "decode to UTF-8" in str(error):
        return unreadable(path, "not UTF-8")
    if "malformed JSON" in str(error):
        return unreadable(path, "not JSON")
    return None


class WatchedCursor(sqlite3.Cursor):
    """A cursor that tells its connection of errors."""

    connection: "WatchedConnection"

    def execute(self, *arguments: Any) -> "WatchedCursor":
        """Carry out a statement. Raises sqlite3.Error."""
        self.connection.watch(super().execute, *arguments)
        return self

    def executemany(self, *arguments: Any) -> "WatchedCursor":
        """Carry out a statement with each of several values. Raises sqlite3.Error."""
        self.connection.watch(super().executemany, *arguments)
        return self

    def __next__(self) -> Any:
        """Return the next row. Raises sqlite3.Error."""
        return self.connection.watch(super().__next__)

    def fetchone(self) -> Any:
        """Return the next row, None without one. Raises sqlite3.Error."""
        return self.connection.watch(super().fetchone)

    def fetchmany(self, *arguments: Any) -> list[Any]:
        """Return the next rows. Raises sqlite3.Error."""
        return self.connection.watch(super().fetchmany, *arguments)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left. Raises sqlite3.Error."""
        return self.connection.watch(super().fetchall)


class WatchedConnection(sqlite3.Connection):
    """A connection that keeps in mind what SQLite has said against the file.

    After it has reported damage, nothing is read or written any more: what is read may be wrong,
    and what is written may destroy what could be recovered.
    """

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self.path = Path(path)
        self.fault: Fault | None = None
        self._file: tuple[int, int] | None = None  # see _file_at()

    def begin_command(self) -> None:
        """Forget what was wrong and may be over, and see that the file is still in its place.

        SQLite goes on with a file that was removed, and all that is written is lost with it.
        """
        if self.fault and not self.fault.is_damage:
            self.fault = None
        file = _file_at(self.path)
        self._file = self._file or file
        if file != self._file:
            what = "was removed or replaced while it was in use"
            self.fault = Fault(self.path, what, REPAIR, is_damage=True)

    def watch(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call one of SQLite's functions. Raises sqlite3.Error."""
        if self.fault and self.fault.is_damage:
            raise sqlite3.DatabaseError(str(self.fault))
        try:
            return function(*arguments)
        except sqlite3.Error as error:
            self.fault = fault_of(self.path, error) or self.fault
            raise

    def cursor(self, factory: Any = WatchedCursor) -> Any:
        """Return a new cursor."""
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> WatchedCursor:
        """Carry out a statement in a new cursor. Raises sqlite3.Error."""
        return super().cursor(WatchedCursor).execute(*arguments)

    def executemany(self, *arguments: Any) -> WatchedCursor:
        """Carry out a statement with each of several values. Raises sqlite3.Error."""
        return super().cursor(WatchedCursor).executemany(*arguments)

    def commit(self) -> None:
        """End the transaction. Raises sqlite3.Error."""
        self.watch(super().commit)


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at a path from others, None without one."""
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def databases(data_dir: Path, name: str = DEFAULT_NAME) -> list[Path]:
    """Return the files that a chat uses; a folder may have others, such as a damaged copy."""
    return [path for path in (data_dir / ADMIN_FILE, data_dir / f"{name}.db") if path.exists()]


def find_damage(paths: Iterable[Path], *, within: float) -> Fault | None:
    """Return the damage that SQLite's quick check finds in databases.

    It takes 0.05 s for 100,000 messages, and ends unfinished `within` about so many seconds.
    """
    give_up = time.monotonic() + within
    faults = (_fault(path, _quick_check, give_up) for path in paths)
    return next((fault for fault in faults if fault and fault.is_damage), None)


def find_fault(paths: Iterable[Path]) -> Fault | None:
    """Return what can be found against databases.

    Reads all indexes and documents, in half a second for 100,000 messages. The chat may run
    meanwhile.
    """
    return next(filter(None, (_fault(path, _check_everything) for path in paths)), None)


def _fault(
    path: Path, check: Callable[[sqlite3.Connection], str], give_up: float = inf
) -> Fault | None:
    # SQLite would take an empty file for a new database, and the next to come for its owner.
    if not path.stat().st_size and path.name != ADMIN_FILE:
        return damage(path, "it is empty")
    try:
        # Read-only, so that closing it does not move the write-ahead log into a damaged file.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            opened.set_progress_handler(lambda: time.monotonic() > give_up, STEPS_PER_LOOK)
            found = check(opened)
            return damage(path, found) if found else None
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return None
        return fault_of(path, error) or damage(path, str(error))


def _quick_check(connection: sqlite3.Connection) -> str:
    return _result(connection, "quick_check")


def _check_everything(connection: sqlite3.Connection) -> str:
    if found := _result(connection, "integrity_check"):
        return found
    collections = connection.execute(
        "SELECT tables.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns"
        " WHERE tables.type = 'table' AND columns.name = 'data'"
    )
    for (name,) in collections.fetchall():
        for _ in connection.execute(f'SELECT json(data) FROM "{name}"'):
            pass  # an unreadable one raises
    return ""


def _result(connection: sqlite3.Connection, check: str) -> str:
    """Return what one of SQLite's checks finds first, "" if it finds nothing."""
    [text] = connection.execute(f"PRAGMA {check}(1)").fetchone()
    return "" if text == "ok" else " ".join(text.split())

"""Passwords: which ones are strong enough, and their Argon2id hashes."""

import asyncio
import os
import re
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from aiohttp import web
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from auth.spelling import fold
from pages.forms import BadInput
from security.limits import Busy, Turns

MIN_LENGTH, MAX_LENGTH = 8, 256  # code points

# OWASP's second choice for Argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes.
MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
PARAMETERS = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"

# A stored hash says how much memory and time its check takes; more than this could end the process.
# RFC 9106's second choice (64 MiB, 3 passes, 4 lanes) is within.
MOST_MEMORY_KIB, MOST_PASSES, MOST_LANES = 65_536, 10, 8
HASH = re.compile(
    r"\$argon2id\$v=19\$m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})"
    r"\$[A-Za-z0-9+/]{1,86}\$[A-Za-z0-9+/]{1,86}"  # at most 64 bytes of salt, and of hash
)

THREADS = 2  # Argon2 releases the GIL; more threads than cores would only cost memory
NICE = 10  # how much lower the priority of these threads is
MAX_WAITING = 40  # hashes that may wait, about a second's work; beyond that Busy is raised

COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text("utf-8").split())

T = TypeVar("T")


def check_strength(password: str, *own: str) -> None:
    """Check a new password; `own` is what it must not equal. Raises BadInput."""
    if len(password) < MIN_LENGTH:
        raise BadInput("password", f"Password must have at least {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH:
        raise BadInput("password", f"Password must have at most {MAX_LENGTH} characters")
    folded = fold(password)
    if folded in COMMON or folded in map(fold, own) or len(set(folded)) < 3:
        raise BadInput("password", "This password is too common, please choose another")


def is_checkable(phc: str) -> bool:
    """Return whether this is a hash whose check takes no more memory and time than it may."""
    match = HASH.fullmatch(phc)
    if match is None:
        return False
    memory, passes, lanes = map(int, match.groups())
    return memory <= MOST_MEMORY_KIB and passes <= MOST_PASSES and lanes <= MOST_LANES


class Hasher:
    """Hashes and checks passwords in two threads, so that the event loop never waits for them.

    One password of each `name` at a time: whoever logs in again and again delays nobody else.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(
            THREADS, thread_name_prefix="argon2", initializer=_lower_priority
        )
        self._waiting = 0  # hashes, those under way included; of each name at most one
        self._turns = Turns(at_once=1, waiting=MAX_WAITING)  # by name
        self._dummy = _dummy_hash()

    async def hash(self, password: str, name: Hashable) -> str:
        """Return the hash of a password, as a PHC string. Raises Busy."""
        return await self._run(name, lambda: _derive(_bytes(password)))

    async def matches(self, password: str, phc: str | None, name: Hashable) -> bool:
        """Return whether the hash is of this password. Raises Busy.

        Takes the same time with None, and with a hash that is not checkable: nothing matches those.
        """
        # A faster answer without a hash would reveal that the login does not exist.
        stored = phc if phc and is_checkable(phc) else None
        matches = await self._run(name, lambda: _verify(_bytes(password), stored or self._dummy))
        return matches and stored is not None

    def check_room(self) -> None:
        """Check that another password may wait. Raises Busy."""
        if self._waiting >= MAX_WAITING:
            raise Busy

    async def _run(self, name: Hashable, work: Callable[[], T]) -> T:
        self.check_room()
        async with self._turns.turn(name):
            self._waiting += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
            finally:
                self._waiting -= 1

    def close(self) -> None:
        """End the threads without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)


HASHER = web.AppKey("hasher", Hasher)


async def hasher_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the hashing threads while the application runs."""
    app[HASHER] = hasher = Hasher()
    yield
    hasher.close()


def _lower_priority() -> None:
    """Let the event loop go first."""
    if sys.platform == "linux":  # elsewhere this would lower the priority of the whole process
        with suppress(OSError):
            os.nice(NICE)


def _bytes(password: str) -> bytes:
    # Two systems may compose the same characters differently (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password).encode()


def _derive(secret: bytes) -> str:
    return Argon2id(
        salt=os.urandom(16), length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    ).derive_phc_encoded(secret)


@cache
def _dummy_hash() -> str:
    """Return a hash that no password matches, to check against when there is no account."""
    return _derive(os.urandom(16))


def _verify(secret: bytes, phc: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(secret, phc)
    except (InvalidKey, ValueError):  # the latter for parameters that are too low
        return False
    return True

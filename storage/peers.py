"""The processes that write this database, and how one of them proves it to the others.

A process on a copy of the database, such as a restored backup, may have the same SECRET_KEY and the
same Redis. The others must not believe it, and nothing that was said in the past. So each process
keeps a token in the database, renews it all the time, and puts it into what it says. The others
believe a token if they have seen it appear in their own database, and for a few seconds only.

A copy has the tokens of the moment at which it was made. They are there when a process first reads
the copy, so it believes none of them. Each process goes by its own clock.
"""

import asyncio
import secrets
from dataclasses import dataclass, field

from storage.database import Collection

PROCESS_COLLECTION = "processes"  # has a document for each process, with its last tokens

RENEW_EVERY = 1  # seconds between rounds; each reads all tokens and writes one
TOKENS_KEPT = 4  # so that a process that reads seldom misses none
BELIEVED_FOR = 10  # seconds after a token is read
USED_FOR = 8  # seconds after a token is written; what is said with it needs time to arrive
FORGOTTEN_AFTER = 60  # seconds without a new token, until a process counts as ended
MOST_PROCESSES = 1000  # that are read; the others are not believed


@dataclass
class Token:
    """A token of this process."""

    text: str = ""
    written_at: float = -float("inf")


@dataclass
class Peer:
    """A process that has a token in this database."""

    tokens: list[str]  # as last read
    renewed_at: float  # when they were read first
    believed_until: dict[str, float] = field(default_factory=dict)  # by token
    last_number: int = 0  # of what it has said


class Peers:
    """Knows which processes write this database, and proves that this one does."""

    def __init__(self, own_id: str, collection: Collection) -> None:
        """Set up; nobody is believed before renew() is called again and again."""
        self._id = own_id
        self._collection = collection
        self._peers: dict[str, Peer] = {}  # by the process's id, this one included
        self._read_at = -float("inf")  # when the last read began
        self._written = (Token(), Token())  # the last two; the second is stored, or else the first
        self._usable = self._next = Token()

    @property
    def token(self) -> str:
        """The token to say something with, "" if the others do not know one."""
        return self._usable.text if _now() < self._usable.written_at + USED_FOR else ""

    @property
    def is_up_to_date(self) -> bool:
        """Whether each process that uses a token has been read."""
        return _now() < self._read_at + 2 * RENEW_EVERY

    def is_stranger(self, process: str) -> bool:
        """Return whether a process that uses a token writes another database."""
        return self.is_up_to_date and process not in self._peers

    def believe(self, process: str, token: str, number: int) -> bool:
        """Return whether a process of this database says something now, and for the first time.

        A process numbers what it says. What comes after something later is not believed.
        """
        peer = self._peers.get(process)
        if not peer or peer.believed_until.get(token, 0) < _now() or number <= peer.last_number:
            return False
        peer.last_number = number
        return True

    async def renew(self) -> None:
        """Read the tokens of all processes, and write a new one. Raises DatabaseUnavailable."""
        began = _now()
        found = await self._collection.find({}, sort=("_id", 1), limit=MOST_PROCESSES)
        self._read_at = began
        tokens: dict[str, list[str]] = {each["_id"]: each["tokens"] for each in found}
        own = tokens.get(self._id, [])
        stored = next((token for token in self._written if [token.text] == own[-1:]), None)
        if stored:
            self._note(tokens)
            # A token is used two rounds after it is written: by then the others have read it.
            self._usable, self._next = self._next, stored
        else:
            # This is the first read, or another database has taken the place of the one before. Or
            # there are so many processes that this one is not among those read.
            known = self._peers
            self._peers = {process: Peer(old, _now()) for process, old in tokens.items()}
            for process, peer in self._peers.items():
                if process in known and known[process].tokens == peer.tokens:
                    peer.renewed_at = known[process].renewed_at
            self._usable = self._next = Token()
        await self._write(stored, own)
        await self._remove_ended()

    def _note(self, tokens: dict[str, list[str]]) -> None:
        now = _now()
        self._peers = {process: self._peers.get(process) or Peer([], now) for process in tokens}
        for process, peer in self._peers.items():
            until = {token: end for token, end in peer.believed_until.items() if end > now}
            if new := set(tokens[process]).difference(peer.tokens):
                peer.tokens, peer.renewed_at = tokens[process], now
                until |= dict.fromkeys(new, now + BELIEVED_FOR)
            peer.believed_until = until

    async def _write(self, stored: Token | None, own: list[str]) -> None:
        new = Token(secrets.token_hex(8), _now())
        self._written = (stored or new, new)
        tokens = [*own, new.text][-TOKENS_KEPT:] if stored else [new.text]
        if not await self._collection.update_one({"_id": self._id}, {"$set": {"tokens": tokens}}):
            await self._collection.insert_one({"_id": self._id, "tokens": tokens})

    async def _remove_ended(self) -> None:
        before = _now() - FORGOTTEN_AFTER
        ended = [process for process, peer in self._peers.items() if peer.renewed_at < before]
        if ended:
            await self._collection.delete_many({"_id": {"$in": ended}})


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Links that somebody gets once: invitations, and links with which to set a new password.

A link holds a token; the database has only its hash. Whether a token is unknown, expired
or used up takes one look-up, so neither the answer nor its time tells which.
"""

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from auth.models import DAY, User
from auth.sessions import Identity
from settings import LINK_COLLECTION
from storage.database import Database, Document

INVITATION, PASSWORD = "invitation", "password"  # kinds of links
PATHS = {INVITATION: "/signin?invitation=", PASSWORD: "/password?link="}
INVITATION_DAYS = 7
PASSWORD_DAYS = 1  # less, because such a link is as good as the password
MOST_USES, MOST_DAYS = 1000, 365  # more would be an open room
MOST_LISTED = 100  # invitations on the page


def read_number(text: str, highest: int) -> int:
    """Return a number of uses or days, from 1 on. Raises ValueError."""
    # Not by int() alone, which takes the digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= highest):
        raise ValueError(f"a number from 1 to {highest}")
    return int(text)


class UsedUp(Exception):
    """The link has been used as often as it may be."""


class Links:
    """The links that are stored. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._collection = db[LINK_COLLECTION]
        self._users = User(db)

    async def create_invitation(self, maker: Identity | None, *, days: int, uses: int) -> str:
        """Store an invitation and return its path; `maker` is None for the operator."""
        return await self._create(INVITATION, maker, days, uses=uses)

    async def create_password_link(self, maker: Identity | None, user: Document) -> str:
        """Store a link to set an account's password, return its path; `maker` may be None, too."""
        return await self._create(PASSWORD, maker, PASSWORD_DAYS, user_id=str(user["_id"]))

    async def find(self, kind: str, token: str, moderators: Sequence[str]) -> Document | None:
        """Return the link with this token, None if it can't be used.

        `moderators` are the logins of the setting MODERATORS.
        """
        link = await self._collection.find_one({"_id": _hash(token)})
        if link is None or link["kind"] != kind:
            return None
        if link["uses"] < 1 or link["expires"] <= time.time():
            return None
        # A ban by the operator's command reaches sessions within seconds. Links that were made in
        # that time must not work.
        is_operator_s = not link["maker_id"]
        if is_operator_s or await self._users.moderates(link["maker_id"], moderators):
            return link
        return None

    @asynccontextmanager
    async def used(self, link: Document) -> AsyncIterator[None]:
        """Use a link once for what a block does; if that fails, it can be used again.

        So in an outage one use of an invitation may make two accounts. Raises UsedUp if others have
        used it since it was found, even in the same moment.
        """
        usable = {"_id": link["_id"], "uses": {"$gt": 0}}
        if not await self._collection.update_one(usable, {"$inc": {"uses": -1}}):
            raise UsedUp
        try:
            yield
        except BaseException:
            await self._collection.update_one({"_id": link["_id"]}, {"$inc": {"uses": 1}})
            raise

    async def invitations(self) -> list[Document]:
        """Return the invitations that can still be used, those that expire first at the top."""
        usable = {"expires": {"$gt": int(time.time())}, "kind": INVITATION, "uses": {"$gt": 0}}
        return await self._collection.find(usable, sort=("expires", 1), limit=MOST_LISTED)

    async def revoke(self, link_id: str) -> None:
        """Take an invitation back; `link_id` is the hash of its token."""
        await self._collection.delete_one({"_id": link_id, "kind": INVITATION})

    async def revoke_made_by(self, user_id: str) -> None:
        """Take back the links that a user made."""
        await self._collection.delete_many({"maker_id": user_id})

    async def revoke_passwords(self, user_id: str) -> None:
        """Take back the links with which a user's password can be set."""
        await self._collection.delete_many({"user_id": user_id})

    async def _create(
        self, kind: str, maker: Identity | None, days: int, *, uses: int = 1, user_id: str = ""
    ) -> str:
        """Store a link and return its path, which nobody can read again."""
        await self._collection.delete_many({"expires": {"$lt": int(time.time())}})
        token = secrets.token_urlsafe(24)
        document = {
            "_id": _hash(token),
            "kind": kind,
            "user_id": user_id,
            "maker_id": maker.user_id if maker else "",
            "by": maker.login if maker else "",
            "uses": uses,
            "expires": int(time.time()) + days * DAY,
        }
        await self._collection.insert_one(document)
        return PATHS[kind] + token


def _hash(token: str) -> str:
    # A fast hash is enough: nobody can guess 24 random bytes.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()

"""User: an account in the database."""

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from bson import ObjectId

from auth.logins import are_alike, look, looks_to_compare
from auth.passwords import PARAMETERS, Hasher, is_checkable
from auth.spelling import fold
from pages.forms import BadInput
from security.limits import Busy
from settings import USER_COLLECTION
from storage.database import Conflict, Database, DatabaseUnavailable, Document
from storage.lookup import IDS_PER_QUERY

log = logging.getLogger(__name__)

EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
DAY = 86400  # seconds
ALIKE_AT_MOST = 100  # accounts that were alike already
NAMES_READ = 100  # accounts; some of them may be banned or deleted
LAST_CHARACTER = "\U0010ffff"  # comes after every other one

# The id of the first account of a room. Of several that register at once only one can have it.
FIRST_ID = ObjectId("000000000000000000000001")

# What may be unfinished with an account: both are done again later (chat/departures.py).
DELETION, REMOVAL = "deletion", "removal"
MARKS = ("moderator", "banned", "unfinished")


class UserExists(Exception):
    """The login, one that looks like it, or the e-mail address is taken."""


class Changed(Exception):
    """Somebody else has changed an account's marks since it was read."""


def check_email(email: str) -> None:
    """Check a new e-mail address. Raises BadInput."""
    if not EMAIL.fullmatch(email) or len(email) > EMAIL_LENGTH or not email.isprintable():
        raise BadInput("email", "This is not an e-mail address")


def is_moderator(user: Document, logins: Iterable[str]) -> bool:
    """Return whether an account moderates; `logins` are those of the setting MODERATORS."""
    return user.get("moderator", False) or is_named(user["login"], logins)


def may_moderate(user: Document, logins: Iterable[str]) -> bool:
    """Return whether a moderator's account can be used."""
    return is_moderator(user, logins) and not user.get("banned") and not is_deleted(user)


def is_deleted(user: Document) -> bool:
    """Return whether an account's owner has deleted it; its login is still taken."""
    return user.get("unfinished") == DELETION


def is_named(login: str, logins: Iterable[str]) -> bool:
    """Return whether a login is among others, in any of its spellings."""
    return fold(login) in map(fold, logins)


class User:
    """Reads and changes accounts. Every method may raise DatabaseUnavailable.

    Whatever looks for one account finds none that is deleted.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self.collection = db[USER_COLLECTION]

    async def find(self, name: str) -> Document | None:
        """Return the account with this login or e-mail address."""
        field = "email_key" if "@" in name else "login_key"
        return await self._find({field: fold(name)})

    async def find_login(self, login: str) -> Document | None:
        """Return the account with this login."""
        return await self._find({"login_key": fold(login)})

    async def get(self, user_id: str) -> Document | None:
        """Return the account with this id."""
        return await self._find({"_id": ObjectId(user_id)})

    async def moderates(self, user_id: str, logins: Iterable[str]) -> bool:
        """Return whether an account may moderate now; `logins` are those of MODERATORS."""
        user = await self.get(user_id)
        return user is not None and may_moderate(user, logins)

    async def has_login_like(self, login: str) -> bool:
        """Return whether there is an account whose login looks like this one."""
        for alike in looks_to_compare(login):
            # Accounts that looked alike before that counted have their ids behind " #": migrate.py.
            has_alike = {"look": {"$gte": alike, "$lt": alike + " $"}}
            users = await self.collection.find(has_alike, ["login"], limit=ALIKE_AT_MOST)
            if any(are_alike(login, user["login"]) for user in users):
                return True
        return False

    async def check_user(
        self, user: Document | None, password: str, hasher: Hasher, name: str
    ) -> bool:
        """Return whether the password is the user's; takes as long without a user. Raises Busy.

        `name` is what was typed: not the account, so that nobody without one is told by the time.
        If its hash was made with parameters of old, a new one is stored, also in `user`.
        """
        phc = user["password"] if user else None
        if user and phc is not None and not is_checkable(phc):
            # Imported, or written by another program.
            log.warning("account %s: its password's hash can't be used, set a new one", user["_id"])
        if not await hasher.matches(password, phc, name):
            return False
        if user and not user["password"].startswith(PARAMETERS):  # it was hashed with former ones
            with suppress(Busy, DatabaseUnavailable):  # the next log-in tries again
                await self.change_password(user, password, hasher)
        return True

    async def change_password(self, user: Document, password: str, hasher: Hasher) -> bool:
        """Set a new password; return False if it was changed since `user` was read. Raises Busy."""
        unchanged = {"_id": user["_id"], "password": user["password"]}
        phc = await hasher.hash(password, user["login_key"])
        has_changed = await self.collection.update_one(unchanged, {"$set": {"password": phc}})
        if has_changed:
            user["password"] = phc
        return has_changed

    async def mark(self, user: Document, **marks: bool | str) -> None:
        """Mark an account: whether it is `banned`, or a `moderator`; what is `unfinished`.

        Raises Changed if its marks are not those of `user` any more, because it was by those that
        the caller decided whether this may be done.
        """
        unchanged = {"_id": user["_id"], **{name: user.get(name) for name in MARKS}}
        if not await self.collection.update_one(unchanged, {"$set": marks}):
            raise Changed
        user |= marks

    async def reinstate(self, user: Document) -> None:
        """Make an account a moderator again, whatever has happened to it meanwhile."""
        await self.collection.update_one({"_id": user["_id"]}, {"$set": {"moderator": True}})
        user["moderator"] = True

    async def unfinished(self, count: int) -> list[Document]:
        """Return at most `count` accounts of which something is unfinished, deleted ones too."""
        return await self.collection.find({"unfinished": {"$gt": ""}}, limit=count)

    async def finish_removal(self, user: Document) -> None:
        """Note that nothing is left of what a moderator has removed."""
        done = {"_id": user["_id"], "unfinished": REMOVAL}
        await self.collection.update_one(done, {"$unset": {"unfinished": "", "remover": ""}})

    async def finish_deletion(self, user: Document) -> None:
        """Delete an account for good; anybody may register its login then."""
        await self.collection.delete_one({"_id": user["_id"]})

    async def create_user(
        self,
        login: str,
        email: str,
        password: str,
        hasher: Hasher,
        *,
        is_first: bool = False,
        moderates: bool = False,
        invitation: str | None = None,
    ) -> Document:
        """Store a new account with a checked login and address, return it.

        `invitation` is the id of the link that lets it in.
        Raises UserExists, also if it is to be the first one and another has become that; Busy.
        """
        if await self.has_login_like(login):
            raise UserExists
        now = datetime.now(UTC)
        user: Document = {
            "_id": FIRST_ID if is_first else ObjectId(),
            "login": login,
            "login_key": fold(login),
            "look": look(login),
            "email": email,
            "email_key": fold(email),
            "password": await hasher.hash(password, fold(login)),
            "created": now,
            "seen": int(now.timestamp()),
            **({"moderator": True} if moderates else {}),
            **({"invitation": invitation} if invitation else {}),
        }
        try:
            await self.collection.insert_one(user)
        except Conflict:
            raise UserExists from None
        return user

    async def get_login(self, user_ids: Iterable[str]) -> dict[str, Document]:
        """Return {login, moderator, seen} of those users who may use the chat, by id."""
        ids = [ObjectId(user_id) for user_id in set(user_ids) if ObjectId.is_valid(user_id)]
        if not ids:
            return {}
        fields = ["login", "seen", *MARKS]
        users = await self.collection.find({"_id": {"$in": ids}}, fields)
        return {
            str(user["_id"]): user for user in users if not (user.get("banned") or is_deleted(user))
        }

    async def gone(self, user_ids: Iterable[str]) -> set[str]:
        """Return those ids of which there is no account any more."""
        ids = [ObjectId(user_id) for user_id in user_ids if ObjectId.is_valid(user_id)]
        gone = set(map(str, ids))
        for start in range(0, len(ids), IDS_PER_QUERY):
            some = {"_id": {"$in": ids[start : start + IDS_PER_QUERY]}}
            gone -= {str(user["_id"]) for user in await self.collection.find(some, ["_id"])}
        return gone

    async def saw(self, users: Iterable[Document], time: int) -> None:
        """Note when users were last seen, once a day; `time` is in seconds since 1970."""
        midnight = time - time % DAY
        ids = [user["_id"] for user in users if user.get("seen", 0) < midnight]
        if ids:
            await self.collection.update_many({"_id": {"$in": ids}}, {"$set": {"seen": time}})

    async def page(self, after: str, count: int) -> list[Document]:
        """Return at most `count` accounts whose `login_key` comes after `after`, in that order.

        Deleted ones are among them.
        """
        following = {"login_key": {"$gt": after}}
        return await self.collection.find(following, sort=("login_key", 1), limit=count)

    async def count(self) -> int:
        """Return how many accounts there are, banned and deleted ones included."""
        answer = await self._db.command("count", USER_COLLECTION)
        return int(answer["n"])

    async def logins(self, beginning: str, count: int) -> tuple[list[str], bool]:
        """Return at most `count` logins that begin like this, in any case, and if there are more.

        Those of banned and deleted accounts are not among them.
        """
        key = fold(beginning)
        following = {"login_key": {"$gte": key, "$lt": key + LAST_CHARACTER}}
        fields, sort = ["login", "banned", "unfinished"], ("login_key", 1)
        found = await self.collection.find(following, fields, sort=sort, limit=NAMES_READ)
        logins = [u["login"] for u in found if not (u.get("banned") or is_deleted(u))]
        return logins[:count], len(logins) > count or len(found) == NAMES_READ

    async def _find(self, where: Document) -> Document | None:
        user = await self.collection.find_one(where)
        return None if user and is_deleted(user) else user

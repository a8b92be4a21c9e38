"""Moderation: what moderators, and the operator's commands, do to other people's accounts."""

from auth.links import INVITATION, PASSWORD, PASSWORD_DAYS, Links
from auth.models import User
from auth.sessions import Sessions
from database import Database, Document


class Moderation:
    """Bans, appoints and helps. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database, sessions: Sessions) -> None:
        self._users = User(db)
        self._links = Links(db)
        self._sessions = sessions

    async def ban(self, user: Document) -> None:
        """Ban an account: its sessions end, its links can't be used, and it can't log in."""
        await self._users.ban(user)
        await self._links.revoke_all(str(user["_id"]))
        await self._sessions.end_all(str(user["_id"]))

    async def unban(self, user: Document) -> None:
        """Let a banned account log in again."""
        await self._users.ban(user, banned=False)

    async def appoint(self, user: Document) -> None:
        """Make an account a moderator."""
        await self._users.appoint(user, moderates=True)

    async def dismiss(self, user: Document) -> None:
        """Make a moderator an ordinary account, which has to log in again."""
        await self._users.appoint(user, moderates=False)
        # Open sockets still have a moderator's rights. Invitations are a moderator's to make.
        await self._links.revoke_all(str(user["_id"]))
        await self._sessions.end_all(str(user["_id"]))

    async def password_link(self, user: Document, by: str = "") -> str:
        """Return the token of a link with which somebody can set a new password for an account."""
        return await self._links.create(PASSWORD, str(user["_id"]), days=PASSWORD_DAYS, by=by)

    async def invite(self, days: int, uses: int, user_id: str = "", by: str = "") -> str:
        """Return the token of an invitation; `user_id` and `by` are a moderator's."""
        return await self._links.create(INVITATION, user_id, days=days, uses=uses, by=by)

"""Moderation: what moderators, and the operator's commands, do to other people's accounts."""

from auth.links import INVITATION, PASSWORD, PASSWORD_DAYS, Links
from auth.models import User
from auth.sessions import Identity, Sessions
from storage.database import Database, Document


class Moderation:
    """Bans, appoints and helps. Every method may raise DatabaseUnavailable.

    `maker` is the moderator who makes a link, None for the operator.
    """

    def __init__(self, db: Database, sessions: Sessions) -> None:
        self._users = User(db)
        self._links = Links(db)
        self._sessions = sessions

    async def ban(self, user: Document) -> None:
        """Ban an account: its sessions and links end, and it can't log in."""
        await self._users.mark(user, banned=True)
        await self._links.revoke_passwords(str(user["_id"]))
        await self._end(user)

    async def unban(self, user: Document) -> None:
        """Let a banned account log in again."""
        await self._users.mark(user, banned=False)

    async def appoint(self, user: Document) -> None:
        """Make an account a moderator."""
        await self._users.mark(user, moderator=True)
        # Whoever has a link that was made for a member must not get a moderator's rights.
        await self._links.revoke_passwords(str(user["_id"]))

    async def dismiss(self, user: Document) -> None:
        """Make a moderator an ordinary member, who has to log in again."""
        await self._users.mark(user, moderator=False)
        await self._end(user)

    async def password_link(self, user: Document, maker: Identity | None = None) -> str:
        """Return the path of a link with which somebody can set a new password for an account."""
        user_id = str(user["_id"])
        return await self._links.create(PASSWORD, maker, days=PASSWORD_DAYS, user_id=user_id)

    async def invite(self, days: int, uses: int, maker: Identity | None = None) -> str:
        """Return the path of an invitation."""
        return await self._links.create(INVITATION, maker, days=days, uses=uses)

    async def _end(self, user: Document) -> None:
        """End what somebody could go on doing: open sockets keep their rights, links theirs."""
        await self._links.revoke_made_by(str(user["_id"]))
        await self._sessions.end_all(str(user["_id"]))

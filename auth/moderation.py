"""Moderation: bans, appoints and dismisses, and ends what would keep the old rights."""

from collections.abc import Sequence

from auth.links import Links
from auth.models import User
from auth.sessions import Identity, Sessions
from storage.database import Database, Document


class NotModerator(Exception):
    """Whoever wants to moderate has just been dismissed or banned."""


class Moderation:
    """Bans, unbans, appoints and dismisses. Every method may raise Changed, DatabaseUnavailable."""

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
        """Let an account log in again; what it says from now on stays."""
        await self._users.mark(user, banned=False)
        await self._users.finish_removal(user)

    async def appoint(self, user: Document) -> None:
        """Make an account a moderator."""
        await self._users.mark(user, moderator=True)
        # Whoever has a link that was made for a member must not get a moderator's rights.
        await self._links.revoke_passwords(str(user["_id"]))

    async def dismiss(self, user: Document, moderator: Identity, named: Sequence[str]) -> None:
        """Make a moderator an ordinary member, who has to log in again.

        Raises NotModerator, so that one is left if two dismiss each other, or several in a circle;
        `named` are the logins of the setting MODERATORS.
        """
        await self._users.mark(user, moderator=False)
        # After the mark: before it, of two who dismiss each other both would still be moderators.
        if not await self._users.moderates(moderator.user_id, named):
            await self._users.reinstate(user)
            raise NotModerator
        await self._end(user)

    async def _end(self, user: Document) -> None:
        """End an account's sessions and links: both keep the rights they were made with."""
        await self._links.revoke_made_by(str(user["_id"]))
        await self._sessions.end_all(str(user["_id"]))

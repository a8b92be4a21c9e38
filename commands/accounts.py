"""The operator's commands for accounts: invite, users, ban, unban, password."""

import sys
from argparse import Namespace
from datetime import UTC, datetime

from auth.links import Links
from auth.models import is_deleted, is_moderator
from auth.moderation import Moderation
from commands.room import CommandError, open_room
from security.address import is_loopback, own_address
from settings import Settings, load_settings
from storage.database import Document


async def invite(arguments: Namespace) -> None:
    """Print a link with which somebody can create an account."""
    settings = load_settings()
    if settings.REGISTRATION == "closed":
        raise CommandError("Nobody can register: set REGISTRATION=invite.")
    origin = origin_for_links(settings)
    async with open_room(settings) as room:
        days, uses = arguments.days, arguments.uses
        print(origin + await Links(room.db).create_invitation(None, days=days, uses=uses))
    note_reach(settings)
    if settings.REGISTRATION == "open":
        print("Nobody needs it as long as REGISTRATION is open.", file=sys.stderr)


async def users(arguments: Namespace) -> None:
    """Print every account."""
    settings = load_settings()
    async with open_room(settings) as room:
        async for user in room.accounts():
            print(describe(user, settings))


async def ban(arguments: Namespace) -> None:
    """Ban an account."""
    async with open_room(load_settings()) as room:
        user = await room.find(arguments.login)
        await Moderation(room.db, room.sessions).ban(user)
        is_moderated = not is_moderator(user, room.moderators) or await room.has_moderator()
    print(f"{user['login']} is banned.")
    if not is_moderated:
        text = "Nobody moderates the room now: undo the ban, or name somebody in MODERATORS."
        print(text, file=sys.stderr)


async def unban(arguments: Namespace) -> None:
    """Let a banned account log in again."""
    async with open_room(load_settings()) as room:
        user = await room.find(arguments.login)
        await Moderation(room.db, room.sessions).unban(user)
    print(f"{user['login']} can log in again.")


async def password(arguments: Namespace) -> None:
    """Print a link with which somebody can set a new password."""
    settings = load_settings()
    origin = origin_for_links(settings)
    async with open_room(settings) as room:
        user = await room.find(arguments.login)
        if user.get("banned"):
            raise CommandError(f"{user['login']} is banned: undo that first, with unban.")
        print(origin + await Links(room.db).create_password_link(None, user))
    note_reach(settings)


def describe(user: Document, settings: Settings) -> str:
    """Return a line about an account: login, e-mail address, role, and the day it was last seen."""
    role = "moderator" if is_moderator(user, settings.MODERATORS) else "member"
    if user.get("banned"):
        role += ", banned"
    if is_deleted(user):
        role += ", deleted"
    day = f"{datetime.fromtimestamp(user['seen'], UTC):%Y-%m-%d}" if "seen" in user else "-"
    return "\t".join(map(printable, (user["login"], user.get("email") or "-", role, day)))


def printable(text: object) -> str:
    """Return a text without characters that could change the terminal."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def origin_for_links(settings: Settings) -> str:
    """Return the origin of links. Raises CommandError if nobody could open them."""
    if settings.PUBLIC_ORIGINS:
        return settings.PUBLIC_ORIGINS[0]
    if not is_loopback(settings.SITE_HOST):
        raise CommandError("Set PUBLIC_ORIGINS to the address at which others reach the chat.")
    return own_address(settings)


def note_reach(settings: Settings) -> None:
    """Say so if a link leads to this machine only."""
    if not settings.PUBLIC_ORIGINS:
        text = "The link works on this machine only; for others set PUBLIC_ORIGINS."
        print(text, file=sys.stderr)

"""The operator's commands for accounts: invite, users, ban, unban, password."""

import sys
from argparse import Namespace
from datetime import UTC, datetime

from auth.links import INVITATION, PASSWORD
from auth.models import User, is_moderator
from commands.room import CommandError, open_room
from database import Document
from settings import Settings, load_settings

PATHS = {INVITATION: "/signin?invitation=", PASSWORD: "/password?link="}
USERS_PER_QUERY = 100


async def invite(arguments: Namespace) -> None:
    """Print a link with which somebody can create an account."""
    settings = load_settings()
    if settings.REGISTRATION == "closed":
        raise CommandError("Nobody can register: set REGISTRATION=invite.")
    async with open_room(settings) as room:
        token = await room.moderation.invite(arguments.days, arguments.uses)
    print_link(settings, INVITATION, token)
    if settings.REGISTRATION == "open":
        note("Nobody needs it as long as REGISTRATION is open.")


async def users(arguments: Namespace) -> None:
    """Print every account."""
    settings = load_settings()
    async with open_room(settings) as room:
        after = ""
        while page := await User(room.db).page(after, USERS_PER_QUERY):
            for user in page:
                print(describe(user, settings))
            after = page[-1]["login_key"]


async def ban(arguments: Namespace) -> None:
    """Ban an account."""
    async with open_room(load_settings()) as room:
        user = await room.find(arguments.login)
        await room.moderation.ban(user)
    print(f"{user['login']} is banned.")


async def unban(arguments: Namespace) -> None:
    """Let a banned account log in again."""
    async with open_room(load_settings()) as room:
        user = await room.find(arguments.login)
        await room.moderation.unban(user)
    print(f"{user['login']} can log in again.")


async def password(arguments: Namespace) -> None:
    """Print a link with which somebody can set a new password."""
    settings = load_settings()
    async with open_room(settings) as room:
        user = await room.find(arguments.login)
        if user.get("banned"):
            raise CommandError(f"{user['login']} is banned: undo that first, with unban.")
        token = await room.moderation.password_link(user)
    print_link(settings, PASSWORD, token)


def describe(user: Document, settings: Settings) -> str:
    """Return a line about an account: login, e-mail address, role, and the day it was last seen."""
    role = "moderator" if is_moderator(user, settings.MODERATORS) else "member"
    day = f"{datetime.fromtimestamp(user['seen'], UTC):%Y-%m-%d}" if "seen" in user else "-"
    texts = user["login"], user.get("email"), "banned" if user.get("banned") else role, day
    return "\t".join(map(printable, texts))


def printable(text: object) -> str:
    """Return a text without characters that could change the terminal."""
    return "".join(it if it.isprintable() else "?" for it in str(text))


def print_link(settings: Settings, kind: str, token: str) -> None:
    """Print a link alone on its line, for the address at which others reach the chat."""
    scheme = "https" if settings.SECURE_COOKIES else "http"
    host = f"[{settings.SITE_HOST}]" if ":" in settings.SITE_HOST else settings.SITE_HOST
    origins = [*settings.PUBLIC_ORIGINS, f"{scheme}://{host}:{settings.SITE_PORT}"]
    print(origins[0] + PATHS[kind] + token)
    if not settings.PUBLIC_ORIGINS:
        note("If others reach the chat at another address, set PUBLIC_ORIGINS.")


def note(text: str) -> None:
    """Print what is not part of the answer."""
    print(text, file=sys.stderr)

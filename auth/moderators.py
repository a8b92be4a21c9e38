"""Moderators: whom the setting MODERATORS names."""

from aiohttp import web

from auth.models import fold
from settings import SETTINGS


def is_moderator(app: web.Application, login: str) -> bool:
    """Tell whether a login is a moderator's, however it is spelt."""
    return fold(login) in map(fold, app[SETTINGS].MODERATORS)

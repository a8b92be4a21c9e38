"""Renders messages as HTML; cached, because most readers of a page get the same fifty."""

import sys
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from auth.sessions import Identity
from chat.entry import MessageEntry
from chat.folding import fold_class
from chat.models import is_changeable
from chat.rich_text import parts
from chat.sized_cache import SizedCache

CACHED = 16 * 1024 * 1024  # bytes of HTML


class Rendering(NamedTuple):
    """A message, as some of its readers see it."""

    env: jinja2.Environment
    entry: MessageEntry
    is_own: bool
    may_change: bool
    is_target: bool


class Renderer:
    """Renders messages for one reader."""

    def __init__(self, env: jinja2.Environment, reader: Identity, target: int | None) -> None:
        """Set up; `target` is the number of the message that a search result linked to."""
        self._env = env
        self._reader = reader
        self._target = target

    def message(self, entry: MessageEntry) -> Markup:
        """Return a message as HTML."""
        return _rendered.get(
            Rendering(
                self._env,
                entry,
                is_own=entry.user_id == self._reader.user_id,
                may_change=self._reader.is_moderator or is_changeable(entry, self._reader),
                is_target=entry.seq == self._target,
            )
        )


def _render(rendering: Rendering) -> Markup:
    template = rendering.env.get_template("chat/message.html")
    msg = rendering.entry.msg
    context = rendering._asdict() | {"parts": parts(msg), "fold_class": fold_class(msg)}
    return Markup(template.render(context))


_rendered = SizedCache(_render, sys.getsizeof, CACHED)

"""Renders messages as HTML; cached, because most readers of a page get the same fifty."""

from functools import lru_cache

import jinja2
from markupsafe import Markup

from auth.sessions import Identity
from chat.entry import MessageEntry
from chat.models import is_changeable


class Renderer:
    """Renders messages for one reader."""

    def __init__(
        self, env: jinja2.Environment, reader: Identity, is_moderator: bool, target: int | None
    ) -> None:
        """Set up; `target` is the number of the message that a search result linked to."""
        self._env = env
        self._reader = reader
        self._is_moderator = is_moderator
        self._target = target

    def message(self, entry: MessageEntry) -> Markup:
        """Return a message as HTML."""
        return _render(
            self._env,
            entry,
            is_own=entry.user_id == self._reader.user_id,
            may_change=self._is_moderator or is_changeable(entry, self._reader),
            is_target=entry.seq == self._target,
        )

    def empty_message(self) -> Markup:
        """Return the HTML of a message that scripts fill."""
        return _render(self._env, None, is_own=False, may_change=True, is_target=False)


@lru_cache(maxsize=4096)
def _render(env: jinja2.Environment, entry: MessageEntry | None, **flags: bool) -> Markup:
    return Markup(env.get_template("chat/message.html").render(entry=entry, **flags))

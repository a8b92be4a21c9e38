"""Renders messages as HTML, each once for all readers who see it the same: a page has fifty."""

from functools import lru_cache

import jinja2
from markupsafe import Markup

from auth.sessions import Identity
from chat.entry import Entry
from chat.models import is_changeable


class Renderer:
    """Renders messages for one reader."""

    def __init__(
        self, env: jinja2.Environment, reader: Identity, is_moderator: bool, target: int | None
    ) -> None:
        """Set up; `target` is the number of the message that a search has led to."""
        self._env = env
        self._reader = reader
        self._is_moderator = is_moderator
        self._target = target

    def render(self, entry: Entry | None = None) -> Markup:
        """Return a message as HTML; without one, the empty copy that scripts fill."""
        if entry is None:
            return _render(self._env, None, False, True, False)
        is_own = entry.user_id == self._reader.user_id
        may_change = self._is_moderator or is_changeable(entry, self._reader)
        return _render(self._env, entry, is_own, may_change, entry.seq == self._target)


@lru_cache(maxsize=4096)
def _render(
    env: jinja2.Environment, entry: Entry | None, is_own: bool, may_change: bool, is_target: bool
) -> Markup:
    template = env.get_template("chat/message.html")
    return Markup(
        template.render(entry=entry, is_own=is_own, may_change=may_change, is_target=is_target)
    )

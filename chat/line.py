"""A message's line of the page, rendered once for all who see it alike: a page has fifty."""

from functools import lru_cache

import jinja2
from markupsafe import Markup

from auth.sessions import Identity
from chat.entry import Entry
from chat.models import is_changeable


class Lines:
    """Renders messages for one reader."""

    def __init__(
        self, env: jinja2.Environment, reader: Identity, is_moderator: bool, target: int | None
    ) -> None:
        self._env = env
        self._reader = reader
        self._is_moderator = is_moderator
        self._target = target  # where a search has led to

    def render(self, entry: Entry | None = None) -> Markup:
        """Return a message as HTML; without one, the copy that scripts fill."""
        if entry is None:
            return _render(self._env, None, False, True, False)
        is_own = entry.user_id == self._reader.user_id
        has_more = self._is_moderator or (is_own and is_changeable(entry, self._reader))
        return _render(self._env, entry, is_own, has_more, entry.seq == self._target)


@lru_cache(maxsize=4096)
def _render(
    env: jinja2.Environment, entry: Entry | None, is_own: bool, has_more: bool, is_target: bool
) -> Markup:
    template = env.get_template("chat/message.html")
    looks = {"is_own": is_own, "has_more": has_more, "is_target": is_target}
    return Markup(template.render(entry=entry, **looks))

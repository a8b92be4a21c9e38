"""Renders messages as HTML; cached, because most readers of a page get the same fifty."""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

import jinja2
from markupsafe import Markup

from auth.sessions import Identity
from chat.emoji import is_only_emoji
from chat.entry import MessageEntry
from chat.folding import fold_class
from chat.formatting import drawn_parts, formatted
from chat.models import is_changeable
from chat.rich_text import quoted_lines
from chat.shown_file import shown_file
from chat.sized_cache import SizedCache

COLOURS = 8  # of people, in avatar.css
GROUPED_WITHIN = timedelta(minutes=5)
CACHED = 16 * 1024 * 1024  # bytes of HTML


class Renderer:
    """Renders messages for one reader."""

    def __init__(
        self,
        env: jinja2.Environment,
        reader: Identity,
        target: int | None,
        zone: tzinfo | None = None,
    ) -> None:
        """Set up; `target` is the number of the message that a search result linked to.

        Times are in `zone`, in UTC if that is not known.
        """
        self._env = env
        self._zone = zone or UTC
        self._reader = reader
        self._target = target

    @property
    def reader_colour(self) -> int:
        """The number of the reader's own colour."""
        return colour(self._reader.login)

    def messages(
        self, entries: Iterable[MessageEntry], first_unread: int | None
    ) -> Iterator[tuple[MessageEntry, bool, Markup]]:
        """Yield messages, each with whether it is the first of its day, and as HTML.

        In the template, each of the three calls would take 2 µs more.
        """
        last: MessageEntry | None = None
        day: date | None = None
        for entry in entries:
            former_day, day = day, self.local(entry.time).date()
            begins_day = day != former_day
            follows = (
                last is not None
                and not begins_day
                and entry.user == last.user
                and entry.time - last.time < GROUPED_WITHIN
                and entry.seq not in (self._target, first_unread)
            )
            yield entry, begins_day, self.message(entry, follows=follows)
            last = entry

    def message(self, entry: MessageEntry, *, follows: bool) -> Markup:
        """Return a message as HTML; if it follows one of the same person, without the name."""
        is_own = entry.user_id == self._reader.user_id
        may_change = self._reader.is_moderator or is_changeable(entry, self._reader)
        is_target = entry.seq == self._target
        return _rendered.get((self._env, entry, is_own, may_change, is_target, follows, self._zone))

    def local(self, time: datetime) -> datetime:
        """Return a time in the reader's zone."""
        return time.astimezone(self._zone)


def colour(user: str) -> int:
    """Return the number of a person's colour, which is the same on every page."""
    number = 0
    for character in user:
        number = (number * 31 + ord(character)) % 65_521
    return number % COLOURS


def _render(
    how: tuple[jinja2.Environment, MessageEntry, bool, bool, bool, bool, tzinfo],
) -> Markup:
    env, entry, is_own, may_change, is_target, follows, zone = how
    html = env.get_template("chat/message.html").render(
        entry=entry,
        time=entry.time.astimezone(zone),
        is_own=is_own,
        may_change=may_change,
        is_target=is_target,
        follows=follows,
        colour=colour,
        parts=drawn_parts(entry.msg),
        quoted_lines=quoted_lines,
        formatted=formatted,
        is_only_emoji=is_only_emoji(entry.msg),
        fold_class=fold_class(entry.msg),
        file=entry.file,
        shown=entry.file and shown_file(entry.file),
    )
    return Markup(html)


_rendered = SizedCache(_render, sys.getsizeof, CACHED)

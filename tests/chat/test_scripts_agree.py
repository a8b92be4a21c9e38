"""What scripts do again in the browser: the same cases are in tests/js."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import aiohttp_jinja2
import pytest
from markupsafe import Markup

from app import create_app
from auth.sessions import Identity
from chat.cleaning import clean
from chat.emoji import is_only_emoji
from chat.entry import File, MessageEntry
from chat.folding import fold_class
from chat.models import CHANGEABLE_FOR
from chat.render import Renderer
from chat.rich_text import mentions_all, parts, quoted_lines
from chat.shown_file import PLAYED, shown_file
from chat.unread import NOTHING_UNREAD
from settings import ROOT, Settings


def cases(name: str) -> Any:
    """Return the cases of a file."""
    return json.loads((ROOT / "tests/js/cases" / f"{name}.json").read_text())


CLEANED = cases("cleaned")


@pytest.mark.parametrize(("text", "quoted"), cases("quotes"))
def test_lines_are_quoted(text: str, quoted: list[str]) -> None:
    assert [part.text for part in parts(text) if part.is_quote] == quoted
    assert "".join(part.text for part in parts(text)) == text


@pytest.mark.parametrize(("text", "authors"), cases("authors"))
def test_quotes_show_who_is_quoted(text: str, authors: list[list[str]]) -> None:
    env, reader = aiohttp_jinja2.get_env(create_app(Settings())), Identity("1", "s", "alice")
    entry = MessageEntry(
        seq=1, key="2:n", user="bob", user_id="2", msg=text, time=datetime.now(UTC)
    )
    html = Renderer(env, reader, target=None).message(entry, follows=True)
    _, _, said = html.partition('<span class="message__text" dir="auto">')
    said, _, _ = said.partition('<span class="message__state">')
    links = r'<a class="quote__author [^>]*>([^<]+)<span class="quote__number"> #(\d+)</span></a>'
    assert [list(found) for found in re.findall(links, said)] == authors
    assert Markup(re.sub("<[^>]*>", "", said)).unescape().strip() == text.strip()


@pytest.mark.parametrize(("part", "times", "end", "name"), cases("folds"))
def test_long_messages_are_folded(part: str, times: int, end: str, name: str) -> None:
    assert fold_class(part * times + end) == name


@pytest.mark.parametrize(("text", "is_large"), cases("emoji"))
def test_a_few_emoji_alone_are_large(text: str, is_large: bool) -> None:
    assert is_only_emoji(text) == is_large


@pytest.mark.parametrize(("file", "shown"), cases("files"))
def test_a_message_shows_its_file(file: dict[str, Any], shown: list[Any]) -> None:
    assert list(shown_file(File(id="x", **file))) == shown


@pytest.mark.parametrize("kind", sorted(PLAYED | {"audio/midi", "video/x-msvideo", "text/plain"}))
def test_a_message_has_a_player_for_what_the_server_lets_browsers_play(kind: str) -> None:
    script = (ROOT / "static/js/log/file.js").read_text()
    played = re.search(r"^const PLAYED = /(.*)/$", script, re.MULTILINE)
    assert played
    assert bool(re.search(played[1], kind)) == (kind in PLAYED)
    assert bool(shown_file(File(id="x", name="a", type=kind)).player) == (kind in PLAYED)


@pytest.mark.parametrize("part", ["> ", ">\n", "> \n", "> a\n>\n", "> a\n>  \n", "``` ", "`", "\n"])
def test_quotes_are_found_in_the_most_hostile_text_in_no_time(part: str) -> None:
    for start in ("", "> a\n", "```"):
        text = start + part * 20_000  # not linear, this would take minutes: no test's deadline
        assert "".join(piece.text for piece in parts(text)) == text
        assert all(line.sign for line in quoted_lines("> a #1: " + text))


@pytest.mark.parametrize(("text", "is_mentioned"), cases("all"))
def test_all_is_recognized(text: str, is_mentioned: bool) -> None:
    assert mentions_all(text) == is_mentioned


HOSTILE = (
    *(
        "`",
        "``` ",
        "(",
        "@",
        "*",
        "_",
        "> ",
        "> a\n>\n",
        "\\",
        "\\*a",
        "\\`a",
        ".",
        "-",
        "王",
        "@a.",
    ),
    *("*a|", " *a", "(*a|", "*a*a", "_a| ", "http://a", "王http://a。", "www.a", "a@", "a@a.aa "),
)


@pytest.mark.parametrize("part", HOSTILE)
def test_all_is_looked_for_in_the_most_hostile_text_in_no_time(part: str) -> None:
    for start in ("", "http://a/", "@alice", "> ", " *a", "\\_a"):
        mentions_all(start + part * 20_000 + "@all")  # not linear, this would take minutes


@pytest.mark.parametrize(("typed", "stored"), CLEANED["texts"])
def test_a_text_is_stored_without_what_could_deceive(typed: str, stored: str) -> None:
    assert clean(typed, Settings.MESSAGE_LENGTH) == stored


def test_each_character_is_dropped_replaced_or_stored() -> None:
    for character in map(chr, range(0xD800)):
        if any(first <= character <= last for first, last in CLEANED["dropped"]):
            stored = ""
        else:
            stored = "\n" if character in CLEANED["newlines"] else character
        assert clean(f"a{character}b", Settings.MESSAGE_LENGTH) == f"a{stored}b", hex(
            ord(character)
        )


def test_templates_lead_to_the_same_addresses_as_scripts() -> None:
    app = create_app(Settings())
    env, alice = aiohttp_jinja2.get_env(app), Identity("1", "a session", "alice", is_moderator=True)
    entry = MessageEntry(
        seq=12, key="2:n", user="bob", user_id="2", msg="hi", time=datetime.now(UTC)
    )
    context = {
        "messages": [entry],
        "older": 12,
        "newer": 12,
        "user": alice,
        "changeable_for": CHANGEABLE_FOR,
        "now": entry.time,
        "unread": NOTHING_UNREAD,
    }
    page = env.get_template("chat/history.html").render(
        context, app=app, renderer=Renderer(env, alice, target=None)
    )
    expected = cases("addresses")
    assert f'id="{expected.pop("id")}"' in page
    for address in expected.values():
        assert f'href="{address}"' in page, address

"""The theme that a reader has chosen, as the server sends pages in it."""

import re

import pytest

from tests.support.house import House
from tests.support.people import Person
from tests.support.raw_requests import ask
from tests.support.sessions import held_by

LIGHT, DARK = "#ffffff", "#18191e"


async def page_with(house: House, cookies: str, path: str = "/login") -> str:
    """Return a page as a browser with these cookies gets it."""
    return (await ask(house, f"Cookie: {cookies}", path=path)).body.decode()


def theme_of(page: str) -> tuple[str, list[str]]:
    """Return the theme that a page names, and the colours for what the browser draws around it."""
    html = re.search(r"<html[^>]*>", page)
    assert html is not None
    named = re.search(r' data-theme="(.*?)"', html[0])
    colours = re.findall(r'name="theme-color" content="(.*?)".* media="(.*?)"', page)
    return named[1] if named else "", [colour for colour, media in colours if media != "not all"]


@pytest.mark.parametrize(
    ("cookies", "theme", "colours"),
    [
        ("theme=dark", "dark", [DARK]),
        ("theme=light", "light", [LIGHT]),
        ("other=1; theme=dark", "dark", [DARK]),
        ("theme=", "", [LIGHT, DARK]),
        ("other=1", "", [LIGHT, DARK]),
        ("theme=system", "", [LIGHT, DARK]),
        ("theme=Dark", "", [LIGHT, DARK]),
        ('theme="><script>', "", [LIGHT, DARK]),
        ("theme=darkest", "", [LIGHT, DARK]),
    ],
)
async def test_a_page_comes_in_the_theme_of_the_cookie_and_ignores_unknown_ones(
    house: House, cookies: str, theme: str, colours: list[str]
) -> None:
    assert theme_of(await page_with(house, cookies)) == (theme, colours)


@pytest.mark.parametrize("path", ["/", "/?before=1", "/account", "/people", "/search", "/nothing"])
async def test_every_page_comes_in_the_theme_and_the_menu_has_it_checked(
    house: House, alice: Person, path: str
) -> None:
    await alice.talk(1)
    page = await page_with(house, f"chat_session={held_by(alice)}; theme=dark", path)
    assert theme_of(page) == ("dark", [DARK])
    if path == "/":
        assert re.findall(r'value="(\w+)" autocomplete="off" checked', page) == ["dark"]

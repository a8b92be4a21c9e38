"""The room's colour and logo: on pages, in the static files, and whether they can be read."""

import json
import re
import zlib
from itertools import product

import pytest

from pages.accent import TINT, Tones, contrast, mix, read_colour, tones
from pages.assets import FOREVER
from pages.branding import ICON_COLOUR
from settings import ROOT, Logo
from tests.support.house import House, OpenHouse
from tests.support.raw_requests import ask

LEVELS = ("00", "33", "66", "99", "cc", "ff")
SWEEP = ["#" + "".join(levels) for levels in product(LEVELS, repeat=3)]
TOKENS = dict(
    re.findall(r"--([\w-]+): light-dark\((.*)\);", (ROOT / "static/css/base.css").read_text())
)
BASE = "css/base.css"
SCRIPTED = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="alert(1)">'
    b'<script>alert(1)</script><rect width="1" height="1" fill="#0a7d55"/></svg>'
)
PNG = (ROOT / "static/img/icon-192.png").read_bytes()


def surfaces(theme: int) -> list[tuple[int, int, int]]:
    """Return what texts in the room's colour stand on; `theme` is 0 for light, 1 for dark."""
    colours = {name: read_colour(pair.split(", ")[theme]) for name, pair in TOKENS.items()}
    plain = [colours[name] for name in ("background", "surface", "code")]
    # A message for the reader is a mixture of two (message.css).
    return [*plain, mix(colours["surface"], colours["mention"], 0.3)]


@pytest.mark.parametrize("theme", [0, 1], ids=Tones._fields)
def test_every_colour_can_be_read_everywhere(theme: int) -> None:
    on_buttons = read_colour(TOKENS["accent-text"].split(", ")[theme])
    for colour in SWEEP:
        tone = read_colour(tones(colour)[theme])
        assert contrast(tone, on_buttons) >= 4.5, colour
        for surface in surfaces(theme):
            assert contrast(tone, surface) >= 4.5, colour
            assert contrast(tone, mix(surface, tone, TINT)) >= 4.5, colour


@pytest.mark.parametrize(
    ("colour", "light", "dark"),
    [
        ("#0A5F40", "#0a5f40", None),
        ("#93a8ff", None, "#93a8ff"),
        ("#000000", "#000000", None),
        ("#ffffff", None, "#ffffff"),
    ],
)
def test_a_colour_that_can_be_read_stays_as_it_is(
    colour: str, light: str | None, dark: str | None
) -> None:
    found = tones(colour)
    assert light in (None, found.light)
    assert dark in (None, found.dark)
    assert found.light != found.dark


def test_contrasts_are_those_of_the_standard() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == 21
    assert round(contrast((119, 119, 119), (255, 255, 255)), 2) == 4.48
    assert contrast((1, 2, 3), (1, 2, 3)) == 1


async def static_files(house: House, page: str) -> dict[str, str]:
    """Return the static files that a page links to: addresses by their names in the folder."""
    addresses = re.findall(r'(?:href|src|content)="(/static/[^"]+)"', page)
    return {re.sub("/static/(v-[0-9a-f]+/)?", "", address): address for address in addresses}


@pytest.mark.parametrize("debug", [False, True])
async def test_the_room_s_colour_reaches_styles_icons_and_the_browser_s_bar(
    open_house: OpenHouse, debug: bool
) -> None:
    house = await open_house(ROOM_COLOR="#ffff00", DEBUG=debug)
    light, dark = tones("#ffff00")
    visitor = await house.visitor()
    page = await visitor.page("/login")
    assert re.findall('name="theme-color" content="(.*?)"', page) == [light]
    files = await static_files(house, page)
    rule = f"--accent: light-dark({light}, {dark});"
    style = files["css/pages/card.css"]
    assert rule in await visitor.page(style.replace("pages/card", "base") if debug else style)
    icon = await visitor.page(files["img/icon.svg"])
    assert light in icon
    assert ICON_COLOUR not in icon
    manifest = json.loads(await visitor.page(files["manifest.webmanifest"]))
    assert manifest["theme_color"] == light
    assert len(manifest["icons"]) == 3


async def test_without_a_colour_everything_is_as_in_the_files(house: House) -> None:
    visitor = await house.visitor()
    page = await visitor.page("/login")
    assert len(re.findall('name="theme-color"', page)) == 2
    files = await static_files(house, page)
    for name in ("img/icon.svg", "img/favicon.png", "img/apple-touch-icon.png"):
        response = await visitor.get(files[name])
        assert await response.read() == (ROOT / "static" / name).read_bytes()
    assert ICON_COLOUR in (ROOT / "static/img/icon.svg").read_text()
    assert ICON_COLOUR in TOKENS["accent"]


@pytest.mark.parametrize("name", ["apple-touch-icon", "icon-192", "icon-512"])
async def test_an_icon_in_another_colour_is_a_whole_image(open_house: OpenHouse, name: str) -> None:
    house = await open_house(ROOM_COLOR="#0a5f40")
    response = await (await house.visitor()).get(f"/static/img/{name}.png")
    png, original = await response.read(), (ROOT / f"static/img/{name}.png").read_bytes()
    assert len(png) == len(original)
    start = png.index(b"PLTE")
    piece, crc = png[start : start + 4 + 48], png[start + 52 : start + 56]
    assert int.from_bytes(crc) == zlib.crc32(piece)
    assert bytes.fromhex("0a5f40") in piece
    assert bytes.fromhex("ffffff") in piece
    assert bytes.fromhex(ICON_COLOUR[1:]) not in piece
    assert png[start + 56 :] == original[start + 56 :]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("logo", "content_type", "sizes"),
    [(Logo("svg", SCRIPTED), "image/svg+xml", "any"), (Logo("png", PNG), "image/png", "192x192")],
    ids=["svg", "png"],
)
async def test_the_logo_stands_for_the_room_everywhere(
    open_house: OpenHouse, logo: Logo, content_type: str, sizes: str, debug: bool
) -> None:
    house = await open_house(ROOM_LOGO=logo, DEBUG=debug)
    visitor, alice = await house.visitor(), await house.sign_in("alice")
    name = f"img/logo.{logo.kind}"
    for person, path in [
        (visitor, "/login"), (visitor, "/signin"), (alice, "/"), (alice, "/account"),
        (alice, "/search"), (alice, "/people"), (visitor, "/nothing-here"),
    ]:  # fmt: skip
        page = await person.page(path, 404 if path == "/nothing-here" else 200)
        files = await static_files(house, page)
        assert f'src="{files[name]}"' in page, path
        assert f'<link rel="icon" href="{files[name]}" type="{content_type}">' in page
        assert ("apple-touch-icon" in page) is (logo.kind == "png")
        assert "img/icon" not in page
    response = await visitor.get(files[name])
    assert (response.status, response.content_type) == (200, content_type)
    assert await response.read() == logo.content
    assert response.headers["Cache-Control"] == ("no-cache" if debug else FOREVER)
    manifest = json.loads(await visitor.page(files["manifest.webmanifest"]))
    assert manifest["icons"] == [{"src": f"/static/{name}", "sizes": sizes, "type": content_type}]
    assert (await visitor.get(f"/static/{name}")).status == 200


@pytest.mark.parametrize("known", ["", "*"])
@pytest.mark.parametrize("path", ["/static/img/logo.svg", "/static/img/icon.svg"])
async def test_an_svg_that_is_opened_by_itself_runs_nothing(
    open_house: OpenHouse, path: str, known: str
) -> None:
    house = await open_house(ROOM_LOGO=Logo("svg", SCRIPTED))
    headers = [f"If-None-Match: {known}"] if known else []
    answer = await ask(house, *headers, path=path)
    assert answer.status == (304 if known else 200)
    policy = answer.headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "image/svg+xml"


async def test_another_logo_has_another_address(open_house: OpenHouse) -> None:
    first, second = await open_house(ROOM_LOGO=Logo("svg", SCRIPTED)), await open_house()
    page, other = [await (await house.visitor()).page("/login") for house in (first, second)]
    old, new = await static_files(first, page), await static_files(second, other)
    assert old["css/pages/card.css"] != new["css/pages/card.css"]
    assert (await (await second.visitor()).get("/static/img/logo.svg")).status == 404

"""The static files: what browsers keep, what comes compressed, and that nothing else is sent."""

import gzip
import re
import shutil
from pathlib import Path

import pytest

from chat.journal import JOURNAL
from pages.assets import FOREVER
from settings import ROOT
from tests.support.house import House, OpenHouse
from tests.support.log import say
from tests.support.people import Person
from tests.support.raw_requests import ask
from tests.support.sessions import held_by


@pytest.mark.parametrize(
    "path", ["/static/js/main.js", "/static/css/base.css", "/static/img/favicon.png"]
)
async def test_a_static_file_is_asked_for_again_and_sent_once(visitor: Person, path: str) -> None:
    first = await visitor.get(path)
    assert first.status == 200
    assert first.headers["Cache-Control"] == "no-cache"
    again = await visitor.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "no-cache"
    weak = await visitor.get(path, headers={"If-None-Match": f"W/{first.headers['ETag']}"})
    assert weak.status == 304
    changed = await visitor.get(path, headers={"If-None-Match": '"of yesterday"'})
    assert changed.status == 200


async def test_what_a_page_links_to_is_kept_for_ever_and_changes_its_address(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def script_of(house: House) -> str:
        page = await (await (await house.visitor()).get("/login")).text()
        [address] = re.findall(r'<script type="module" src="([^"]+/login.js)"', page)
        return str(address)

    house = await open_house()
    visitor, address = await house.visitor(), await script_of(house)
    kept = await visitor.get(address)
    assert (kept.status, kept.headers["Cache-Control"]) == (200, FOREVER)
    # With the modules that it imports, so that a page is one request.
    script = await kept.text()
    assert "function emptyField" in script
    assert "import" not in script
    # A page of an earlier version imports it.
    module = await visitor.get(address.replace("login.js", "forms/checks.js"))
    assert (module.status, module.headers["Cache-Control"]) == (200, FOREVER)

    shutil.copytree(ROOT / "static", tmp_path, dirs_exist_ok=True)
    (tmp_path / "js/forms/checks.js").write_text("// changed")
    monkeypatch.setattr("pages.assets.FOLDER", tmp_path)
    after_a_deploy = await open_house()
    assert await script_of(after_a_deploy) != address
    again = await (await after_a_deploy.visitor()).get(address)  # by a page of before
    assert (again.status, again.headers["Cache-Control"]) == (200, "no-cache")


async def test_a_developer_s_page_links_to_files_that_may_change(open_house: OpenHouse) -> None:
    house = await open_house(DEBUG=True)
    page = await (await (await house.visitor()).get("/login")).text()
    assert '"/static/js/login.js"' in page
    source = await ask(house, path="/static/js/login.js")
    assert source.body == (ROOT / "static/js/login.js").read_bytes()
    assert (await ask(house, path="/static/js/login.js")).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("identity", False), ("gzip;q=0", False),
     ("gzip;q=0.0, br", False), ("", False)],
)  # fmt: skip
async def test_a_static_file_is_compressed_for_whoever_takes_that(
    house: House, accepted: str, is_compressed: bool
) -> None:
    answer = await ask(house, f"Accept-Encoding: {accepted}", path="/static/js/log/log.js")
    assert (answer.headers["Content-Encoding"] == "gzip") is is_compressed
    body = gzip.decompress(answer.body) if is_compressed else answer.body
    assert b"export const { Log } = " in body
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Content-Type"] == "text/javascript"


async def test_a_developer_sees_a_changed_static_file_at_once(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    house = await open_house(DEBUG=True)
    monkeypatch.setattr("pages.assets.FOLDER", tmp_path)
    for text in ("new", "changed"):
        (tmp_path / "some.txt").write_text(text)
        assert (await ask(house, path="/static/some.txt")).body == text.encode()
    assert (await ask(house, path="/static/../app.py")).status == 404


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd",
     "/static/%2fetc/passwd", "/static/v-000000000000/../app.py", "/static/v-000000000000/js",
     "/static/js/v-000000000000/main.js", "/static/js/%00", "/static/" + "x" * 5000],
)  # fmt: skip
async def test_nothing_but_static_files_is_static(house: House, path: str) -> None:
    answer = await ask(house, path=path)
    assert answer.status in (400, 403, 404)
    assert b"create_app" not in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize("path", ["/static/", "/static/js"])
async def test_a_static_folder_is_not_refused_as_cross_site(house: House, path: str) -> None:
    response = await (await house.visitor()).get(path)
    assert response.status in (403, 404)
    assert "another site" not in await response.text()


@pytest.mark.parametrize(("accepted", "is_compressed"), [("gzip, br", True), ("identity", False)])
async def test_a_long_page_is_compressed_for_whoever_takes_that(
    house: House, alice: Person, accepted: str, is_compressed: bool
) -> None:
    await alice.talk(50)
    headers = (f"Accept-Encoding: {accepted}", f"Cookie: chat_session={held_by(alice)}")
    answer = await ask(house, *headers, path="/")
    assert ("Content-Encoding" in answer.headers) is is_compressed
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    page = gzip.decompress(answer.body) if is_compressed else answer.body
    assert page.count(b"<article") == 50 + 1
    assert len(answer.body) < len(page) / 4 or not is_compressed
    short = await ask(house, *headers, path="/nothing-here")
    assert "Content-Encoding" not in short.headers


@pytest.mark.parametrize(
    ("path", "site", "is_compressed"),
    [("/?around=9", "cross-site", False), ("/?around=9", "same-site", False),
     ("/?around=9", "same-origin", True), ("/?around=9", "none", True), ("/", "cross-site", True)],
)  # fmt: skip
async def test_what_another_site_may_have_chosen_is_not_compressed_with_the_rest(
    house: House, alice: Person, path: str, site: str, is_compressed: bool
) -> None:
    await alice.talk(50)
    headers = ("Accept-Encoding: gzip", f"Cookie: chat_session={held_by(alice)}")
    answer = await ask(house, *headers, f"Sec-Fetch-Site: {site}", path=path)
    assert ("Content-Encoding" in answer.headers) is is_compressed


async def test_the_head_of_a_compressed_page_is_that_of_the_page(
    house: House, alice: Person
) -> None:
    await alice.talk(50)
    accepted = {"Accept-Encoding": "gzip"}
    page = await alice.get("/", headers=accepted)
    head = await alice.client.head("/", headers=accepted)
    assert head.headers["Content-Encoding"] == page.headers["Content-Encoding"] == "gzip"
    assert abs(int(head.headers["Content-Length"]) - int(page.headers["Content-Length"])) < 50
    assert await head.read() == b""


async def test_the_longest_page_is_compressed_too(house: House, alice: Person) -> None:
    for number in range(20):
        await say(house.app[JOURNAL], "bob", f"{number} " + "0123456789" * 990)
    page = await alice.get("/", headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    assert (await page.text()).count("0123456789") == 20 * 990

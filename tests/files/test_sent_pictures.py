"""Pictures from the upload to the browser, and files that curl sends, as the docs say."""

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from settings import ROOT
from tests.support.house import House
from tests.support.people import Person
from tests.support.pictures import corners, encoded
from tests.support.sessions import held_by
from tests.support.uploads import part, send_form, uploaded

CURL = re.compile(r"^    curl -b jar (.*file=@.*|--data-binary.*)$", re.MULTILINE)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
async def test_a_picture_is_shown_by_a_preview_and_opens_in_full(
    alice: Person, bob: Person, form: str
) -> None:
    content = encoded(corners((1200, 800)), form)
    response = await send_form(alice, part("file", content, "photo"), part("msg", "look"))
    file = await response.json()
    assert (file["width"], file["height"]) == (1200, 800)
    assert file["type"] == f"image/{form.lower()}"
    full = await bob.get(f"/file/{file['id']}")
    assert full.headers["Content-Type"] == file["type"]
    assert full.headers["Content-Disposition"].startswith("inline;")
    with Image.open(io.BytesIO(await full.read())) as picture:
        assert (picture.format, picture.size) == (form, (1200, 800))
    preview = await bob.get(file["preview"])
    assert (preview.status, preview.headers["Content-Type"]) == (200, "image/webp")
    assert preview.headers["Cache-Control"].startswith("private, max-age=")
    assert preview.headers["ETag"] != full.headers["ETag"]
    with Image.open(io.BytesIO(await preview.read())) as picture:
        assert (picture.format, picture.size) == ("WEBP", (960, 640))
    known = {"If-None-Match": preview.headers["ETag"]}
    assert (await bob.get(file["preview"], headers=known)).status == 304
    head = await bob.client.head(file["preview"])
    assert head.headers["Content-Length"] == preview.headers["Content-Length"]


async def test_what_can_t_be_shown_has_no_preview_and_is_only_saved(alice: Person) -> None:
    content = encoded(corners(), "PNG")[:-50]
    file = await uploaded(alice, content, "photo.png")
    assert "preview" not in file
    assert (await alice.get(f"/file/{file['id']}/preview")).status == 404
    response = await alice.get(f"/file/{file['id']}")
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert await response.read() == content


async def test_a_preview_is_seen_by_those_who_may_see_the_file(alice: Person, bob: Person) -> None:
    file = await uploaded(alice, encoded(corners(), "PNG"), "photo.png")
    assert (await alice.get(file["preview"])).status == 200
    assert (await bob.get(file["preview"])).status == 404


async def test_curl_sends_files_as_the_docs_say(
    house: House, alice: Person, tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(encoded(corners(), "PNG"))
    (tmp_path / "notes.txt").write_text("one\ntwo")
    jar = f"127.0.0.1\tFALSE\t/\tFALSE\t0\tchat_session\t{held_by(alice)}\n"
    (tmp_path / "jar").write_text(jar)
    commands = CURL.findall((ROOT / "docs" / "terminal.md").read_text())
    answers = []
    for command in commands:
        command = command.replace("http://127.0.0.1:8080", house.url)
        process = await asyncio.create_subprocess_shell(
            f"curl -s -b jar {command}", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        answers.append(json.loads((await process.communicate())[0]))
    message, alone = answers
    assert (message["name"], message["seq"], message["width"]) == ("photo.png", 1, 120)
    assert (alone["name"], alone["width"]) == ("photo.png", 120)
    page = await alice.page()
    assert "at the beach" in page
    assert "notes.txt" in page

"""The documents refer to what exists: their links, and the files that they name."""

import re
from pathlib import Path

import pytest

from settings import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "tests").rglob("*.md")]
ELSEWHERE = {"data/", ".venv/bin/python"}  # `make run` makes these
FILE = re.compile(r"[\w*-]*\.(py|js|md|html|css|txt)")  # without a folder
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)+/?")  # neither a URL nor an absolute path

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page: Path) -> str:
    """Return a page without its code blocks, whose paths are often of another machine."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the fragments that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for groups in re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', text_of(page)):
        link = "".join(groups)
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    for code in re.findall(r"`([^`\n]+)`", text_of(page)):
        for word in re.split(r"[\s=]", code):
            if PATH.fullmatch(word) and word not in ELSEWHERE:
                assert any(ROOT.glob(word)), code
            elif FILE.fullmatch(word):
                assert any(ROOT.glob(word)) or any(find(word)), code


def find(name: str) -> list[Path]:
    """Return the project's files with a name."""
    folders = (folder for folder in ROOT.iterdir() if folder.is_dir() and folder.name[0] != ".")
    return [path for folder in folders for path in folder.rglob(name)]

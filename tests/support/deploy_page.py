"""What docs/deploy.md tells to type and to write, so that tests do what the page says.

It needs nothing but Python, because .ci/deployment.py imports it before anything is installed.
"""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"
SEVERAL = "Several processes"  # a section


@dataclass
class Block:
    """A code block."""

    section: str
    language: str
    text: str
    path: str  # of the file that the words before the block name, "" if they name none


def page() -> list[Block]:
    """Return the page's code blocks, in order."""
    found, section = [], ""
    heading = r"^##+ (?P<heading>.+)$"
    block = r"(?:^(?P<before>.+)\n\n)?^```(?P<language>\w+)\n(?P<text>(?:.*\n)*?)^```$"
    for match in re.finditer(f"{heading}|{block}", PAGE.read_text(), re.MULTILINE):
        if match["heading"]:
            section = match["heading"]
        else:
            path = re.search(r"`(/etc/[\w./-]+)`", match["before"] or "")
            name = path[1] if path else ""
            found.append(Block(section, match["language"], match["text"], name))
    return found


def blocks(language: str, section: str = "") -> list[str]:
    """Return the blocks of a language, on the page or in one of its sections."""
    return [
        block.text
        for block in page()
        if block.language == language and section in ("", block.section)
    ]

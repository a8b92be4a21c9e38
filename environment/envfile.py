"""The file `.env`: its lines are read as people write them, or named as mistakes.

Read is what can mean one thing only: `NAME=value` with or without `export`, spaces around the
equals sign, quotes, and a comment behind it, from any editor. Everything else is a mistake, because
a line that is passed over may be the one that closes the room. No mistake shows a value.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from environment.names import LONG, resembled

SAVE = "save the file as UTF-8"
LINE_END = re.compile(rb"\r\n?|\n")
ASSIGNMENT = re.compile(r"""(?:export\s+)?(["']?)([^\W\d][\w.-]*)\1\s*=(?![=>])(.*)""")
# What a value consists of. A # with a space beside it begins a comment.
PIECE = re.compile(
    r"""'(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | \\(?P<escaped>.)
    | (?P<comment>\s\#.* | \#(?:\s.*)?$) | (?P<plain>[^'"\\])""",
    re.VERBOSE,
)
UNFINISHED = {
    "#": ("has a # within the value", "put the value in quotes, or a space before the comment"),
    "\\": ("ends with a backslash", "put the value in single quotes"),
    "'": ("has a quote that is not closed", 'close it, or put the value in quotes as in "Bob\'s"'),
    '"': ("has a quote that is not closed", "close it, or put the value in single quotes"),
}
COLOUR = re.compile(r"\s*(#[0-9A-Fa-f]{3,8})(?!\S)")
TYPOGRAPHIC = re.compile(r"\s*[“”„«»‘’‚].*[“”«»‘’]")


class Mistake(NamedTuple):
    """What is wrong, or odd, and what to do about it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}."


class Envfile(NamedTuple):
    """What a file says, and what is to be said of it."""

    values: dict[str, str]  # of several lines with a name, the last that has a value counts
    mistakes: list[Mistake]
    notes: list[Mistake]


class Unclear(Exception):
    """A line can't be read; the arguments are those of Mistake."""


def read_envfile(path: Path, names: Collection[str]) -> Envfile:
    """Read a file, if it is there; `names` are those of the settings. Raises OSError."""
    found = Envfile({}, [], [])
    if not path.exists() and not path.is_symlink():
        if path.with_name(f"{path.name}.txt").exists():
            found.notes.append(Mistake(f"{path}.txt is not read", f"call it {path.name}"))
        return found
    if path.is_fifo():  # reading it might never end
        raise OSError(0, "it is a pipe")
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        found.mistakes.append(Mistake(f"{path} is in UTF-16, as PowerShell writes it", SAVE))
        return found
    numbers: dict[str, int] = {}
    for number, line in enumerate(LINE_END.split(content), 1):
        where = f"{path}, line {number}"
        try:
            name, value = _read_line(line, names)
        except Unclear as unclear:
            what, remedy = unclear.args
            found.mistakes.append(Mistake(f"{where} {what}", remedy))
            continue
        if not value:  # as if it was not set
            continue
        if name not in names:
            what = f"{where} sets {name}, which is no setting of the chat"
            found.notes.append(Mistake(what, "see that it is meant for another program"))
        elif value != found.values.get(name, value):
            what = f"{where} sets {name} again, and counts"
            found.notes.append(Mistake(what, f"remove line {numbers[name]}"))
        found.values[name], numbers[name] = value, number
    return found


def _read_line(line: bytes, names: Collection[str]) -> tuple[str, str]:
    """Return a line's name and value, both "" if it has none. Raises Unclear."""
    if b"\0" in line:
        raise Unclear("has NUL bytes, as where PowerShell has added to the file", SAVE)
    try:
        text = line.decode().replace("\ufeff", "").strip()
    except UnicodeDecodeError:
        raise Unclear("is not in UTF-8", SAVE) from None
    if not text or text[0] in "#;":
        _check_for_others(text, r"[^\W_]", names)
        return "", ""
    found = ASSIGNMENT.fullmatch(text)
    if not found:
        known = re.search(rf"\b({'|'.join(names)})\b", text.partition("=")[0], re.IGNORECASE)
        name = known[1].upper() if known else "NAME"
        raise Unclear("is not understood", f"write {name}=value, or # before a comment")
    _, name, text = found.groups()
    if name not in names and text.strip() and (meant := resembled(name, names)):
        raise Unclear(f"sets {name}", f"{meant} is meant")
    if not name.isascii() and text.strip():  # all letters may be of another alphabet
        raise Unclear(f"sets {name}", "type the name anew, in the letters A to Z")
    if name in names and TYPOGRAPHIC.fullmatch(text):
        raise Unclear("has typographic quotes", "use straight ones, \" or '")
    return name, _read_value(text, names, is_ours=name in names)


def _read_value(text: str, names: Collection[str], is_ours: bool) -> str:
    """Return a value without its quotes and the comment behind it. Raises Unclear.

    Of other programs a # may be within the value.
    """
    value = ""
    if colour := COLOUR.match(text):
        value, text = colour[1], text[colour.end() :]
    bare, at = "", 0
    while at < len(text):
        piece = PIECE.match(text, at)
        if not piece or (piece["plain"] == "#" and is_ours):
            raise Unclear(*UNFINISHED[text[at]])
        at = piece.end()
        bare += piece["escaped"] or piece["plain"] or ""
        value += piece["escaped"] or piece["plain"] or piece["single"] or ""
        value += re.sub(r'\\(["\\])', r"\1", piece["double"] or "")
        _check_for_others(piece["comment"] or "", r"[^\W_]", names)
    _check_for_others(bare, "(?<!_)", names)
    # As envparse does, which read this file before.
    return value.strip().replace(r"\n", "\n").replace(r"\t", "\t")


def _check_for_others(text: str, before: str, names: Collection[str]) -> None:
    """Raise Unclear if a comment or a value has a setting behind what matches `before`.

    `echo NAME=value >> .env` puts it there if the file has no line end at its end.
    """
    long = "|".join(name for name in names if "_" in name or len(name) >= LONG)
    if found := re.search(rf"{before}({long})\s*=", text):
        raise Unclear(f"has {found[1]} behind something else", "give it a line of its own")

"""Kinds: what a file is by its bytes, what it is called, and how it may be served."""

import codecs
import mimetypes
import re
import unicodedata
from contextlib import suppress
from pathlib import PurePosixPath
from urllib.parse import quote

from chat.cleaning import BIDI_CONTROLS, SURROGATES, clean
from chat.refused import Refused
from chat.shown_file import PLAYED

# What is decoded and encoded anew (decoder.py).
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"}
UNKNOWN = "application/octet-stream"

# By their first bytes. An ISO file (ftyp) lists its brands, each of four letters.
SIGNATURES = [
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF.{4}WEBP", "image/webp"),
        (rb".{4}ftyp(.{4}){0,9}?avi[fs]", "image/avif"),
        (rb".{4}ftyp(.{4}){0,9}?(hei[cxms]|hev[cxms]|mif1)", "image/heic"),
        (rb".{4}ftypM4[AB]", "audio/mp4"),
        (rb".{4}ftypqt", "video/quicktime"),
        (rb".{4}ftyp(iso[m2-9]|mp4[12]|avc1|M4V|dash|MSNV|mmp4|3g[p2])", "video/mp4"),
        (rb"\x1aE\xdf\xa3.{0,60}?webm(?!.*V_(VP|AV))", "audio/webm"),
        (rb"\x1aE\xdf\xa3.{0,60}?webm", "video/webm"),
        (rb"OggS.{24}\x80theora", "video/ogg"),
        (rb"OggS", "audio/ogg"),
        (rb"fLaC", "audio/flac"),
        (rb"RIFF.{4}WAVE", "audio/wav"),
        (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", "audio/mpeg"),
        (rb"\xff[\xf0\xf1\xf8\xf9]", "audio/aac"),
    )
]
RECOGNIZED = {kind for _, kind in SIGNATURES}
BY_EXTENSION = mimetypes.MimeTypes().types_map[True]  # Python's own, the same on every machine

NAME_LENGTH, EXTENSION_LENGTH = 200, 20  # characters
NAMELESS = "file"
NOT_IN_NAMES = re.compile(f"[{BIDI_CONTROLS}\u200b\ufeff]|{SURROGATES.pattern}")
# A text has none of these; an escape colours the lines of many logs.
BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]|^(%PDF|%!PS|{\\\\rtf)")
LINES, TEXT_LENGTH = 10, 1_000  # of the beginning of a text


def kind_of(name: str, head: bytes) -> str:
    """Return the MIME type of a file with this name and these first bytes, 4 KiB if it has them.

    Pictures, sound and video are known by their bytes alone, everything else by its name.
    """
    for pattern, kind in SIGNATURES:
        if pattern.match(head):
            return kind
    named = BY_EXTENSION.get(PurePosixPath(name).suffix.lower())
    if named and named not in RECOGNIZED:  # or its bytes would have said the same
        return named
    return "text/plain" if first_lines(head) else UNKNOWN


def is_inline(kind: str, is_shown: bool) -> bool:
    """Return whether a browser may show a file itself; all others are served as UNKNOWN, to save.

    A picture has to be shown, which means that it was encoded anew: one that could not be is as it
    came.
    """
    return kind in PLAYED or (kind in PICTURES and is_shown)


def first_lines(head: bytes) -> str:
    """Return the first lines of a text file that begins like this, "" if it is something else."""
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    with suppress(UnicodeDecodeError, Refused):  # Refused: it shows nothing
        # Incrementally, because the last character may be cut off.
        text = codecs.getincrementaldecoder(encoding)().decode(head).removeprefix("\ufeff")
        if not BINARY.search(text):
            lines = text.splitlines()[:LINES]
            return clean("\n".join(lines)[:TEXT_LENGTH], TEXT_LENGTH)
    return ""


def clean_name(name: str) -> str:
    """Return a file's name in one line, without its folder and without signs that mislead.

    Its end is kept if it is too long: it says what the file is.
    """
    name = re.split(r"[/\\]", name.rstrip("/\\ "))[-1]
    name = " ".join(unicodedata.normalize("NFC", NOT_IN_NAMES.sub("", name)).split())
    try:
        name = clean(name, len(name)).rstrip(". ")
    except Refused:  # nothing is left that can be seen
        return NAMELESS
    stem, dot, extension = name.rpartition(".")
    if len(name) > NAME_LENGTH and stem and len(extension) <= EXTENSION_LENGTH:
        return stem[: NAME_LENGTH - len(dot + extension)] + dot + extension
    return name[:NAME_LENGTH] or NAMELESS


def content_disposition(name: str, inline: bool) -> str:
    """Return the header that names a file (RFC 6266), for old clients also in ASCII."""
    # Some of these take an escape or a percent sign for the beginning of another character.
    ascii_name = re.sub(r'[^ -~]|["\\%]', "_", name)
    how = "inline" if inline else "attachment"
    return f"{how}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"

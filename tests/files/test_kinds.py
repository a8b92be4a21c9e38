"""What a file is, what it is called, and how it may be served."""

import codecs
from email.message import EmailMessage

import pytest

from chat.shown_file import PLAYED
from files.kinds import (
    NAME_LENGTH,
    PICTURES,
    UNKNOWN,
    clean_name,
    content_disposition,
    first_lines,
    is_inline,
    kind_of,
)

FTYP = b"\x00\x00\x00\x20ftyp"
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webmB\x87\x81\x04"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\x00", "image/gif"),
        (b"RIFF\x00\x01\x00\x00WEBPVP8 ", "image/webp"),
        (FTYP + b"avif\x00\x00\x00\x00avifmif1", "image/avif"),
        (FTYP + b"mif1\x00\x00\x00\x00mif1avif", "image/avif"),
        (FTYP + b"heic\x00\x00\x00\x00mif1heic", "image/heic"),
        (FTYP + b"M4A \x00\x00\x02\x00isomiso2", "audio/mp4"),
        (FTYP + b"qt  \x00\x00\x02\x00qt  ", "video/quicktime"),
        (FTYP + b"isom\x00\x00\x02\x00isomavc1", "video/mp4"),
        (FTYP + b"crx \x00\x00\x00\x01crx isom", UNKNOWN),  # a camera's raw picture
        (WEBM + b"V_VP9...A_OPUS", "video/webm"),
        (WEBM + b"A_OPUS", "audio/webm"),
        (b"OggS" + bytes(24) + b"\x80theora", "video/ogg"),
        (b"OggS" + bytes(24) + b"OpusHead", "audio/ogg"),
        (b"fLaC\x00\x00\x00\x22", "audio/flac"),
        (b"RIFF\x00\x01\x00\x00WAVEfmt ", "audio/wav"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
    ],
)
@pytest.mark.parametrize("name", ["it", "it.png", "it.html"])
def test_pictures_sound_and_video_are_known_by_their_bytes(
    name: str, head: bytes, kind: str
) -> None:
    assert kind_of(name, head) == (kind if kind != UNKNOWN or name != "it.html" else "text/html")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.GIF", "a.webp", "a.mp3", "a.mp4", "a.webm"])
def test_what_is_only_called_a_picture_sound_or_video_is_none(name: str) -> None:
    assert kind_of(name, b"<html><script>alert(1)</script>") == "text/plain"
    assert kind_of(name, b"PK\x03\x04\x14\x00") == UNKNOWN
    assert kind_of(name, b"") == UNKNOWN


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("page.html", b"<p>", "text/html"),
        ("drawing.SVG", b"<svg/>", "image/svg+xml"),
        ("report.pdf", b"%PDF-1.7", "application/pdf"),
        ("data.zip", b"PK\x03\x04", "application/zip"),
        ("Makefile", b"run:\n\tpython app.py\n", "text/plain"),
        ("a.unknown", b"\x00\x01", UNKNOWN),
    ],
)
def test_all_else_is_known_by_its_name(name: str, head: bytes, kind: str) -> None:
    assert kind_of(name, head) == kind


def test_only_pictures_that_were_encoded_anew_sound_and_video_are_shown_by_the_browser() -> None:
    inline = PICTURES | PLAYED
    assert {kind.partition("/")[0] for kind in inline} == {"image", "audio", "video"}
    assert not any(word in kind for kind in inline for word in ("svg", "xml", "heic"))
    assert not any(is_inline(kind, is_shown=False) for kind in PICTURES)
    assert all(is_inline(kind, is_shown=True) for kind in inline)
    for kind in (UNKNOWN, "text/html", "text/plain", "image/svg+xml", "application/pdf"):
        assert not is_inline(kind, is_shown=True)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\photo.png", "photo.png"),
        ("folder/", "folder"),
        ("two\r\nlines\u2028of.txt", "two lines of.txt"),
        ("nul\x00 and escape\x1b.txt", "nul and escape.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u2067a\u200fb\u061c.txt", "ab.txt"),
        ("  two   spaces .txt  ", "two spaces .txt"),
        ("dots...", "dots"),
        (".bashrc", ".bashrc"),
        ("half \ud83d of an emoji.png", "half of an emoji.png"),
        ("👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿.png", "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿.png"),
        ("u\u0308ber.txt", "\u00fcber.txt"),
        ("x" + "\u0301" * 50 + ".txt", "x" + "\u0301" * 5 + ".txt"),
        *((nothing, "file") for nothing in ("", "/", "..", " . ", "\u200b\u3164", "\n", "../..")),
    ],
)
def test_a_name_is_one_line_that_misleads_nobody(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


@pytest.mark.parametrize(
    ("name", "end"),
    [("x" * 300 + ".tar.gz", "xx.gz"), ("x" * 300, "xx"), ("." + "x" * 300, "xx")],
)
def test_a_long_name_is_cut_before_its_extension(name: str, end: str) -> None:
    assert len(clean_name(name)) == NAME_LENGTH
    assert clean_name(name).endswith(end)


@pytest.mark.parametrize(
    "name",
    ["photo.png", 'say "cheese".png', "50 % off\\.txt", "Über 写真 👋.png", "a'b*c;d=e.txt"],
)
def test_a_download_has_its_name_and_one_in_ascii(name: str) -> None:
    header = content_disposition(name, inline=False)
    assert header.isascii()
    assert header.isprintable()
    message = EmailMessage()
    message["Content-Disposition"] = header.replace("filename=", "ascii=")
    assert message.get_filename() == name
    assert message.get_content_disposition() == "attachment"
    assert message.get_param("ascii", header="Content-Disposition") == "".join(
        sign if sign.isascii() and sign not in '"\\%' else "_" for sign in name
    )
    assert content_disposition(name, inline=True).startswith("inline; ")


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"one\r\ntwo\n", "one\ntwo"),
        ("ü\n写".encode(), "ü\n写"),
        ("ü\n写".encode()[:-1], "ü"),  # cut off within a character
        (codecs.BOM_UTF8 + b"excel;csv", "excel;csv"),
        ("Notepad ü".encode("utf-16"), "Notepad ü"),
        (b"\x1b[31mred\x1b[0m", "[31mred[0m"),
        (b"an \xe2\x80\xaeoverride", "an override"),
        (b"%PDF-1.4\nall in ASCII", ""),
        (b"{\\rtf1 text}", ""),
        (b"\x00\x01\x02", ""),
        (b"caf\xe9 au lait", ""),  # Latin-1 or anything else
        (b"\n \n", ""),
        (b"", ""),
    ],
)
def test_a_text_shows_its_beginning(head: bytes, text: str) -> None:
    assert first_lines(head) == text


def test_a_long_text_shows_ten_lines_and_a_thousand_characters() -> None:
    assert first_lines(b"line\n" * 100) == "\n".join(["line"] * 10)
    assert first_lines(b"x" * 4_000) == "x" * 1_000

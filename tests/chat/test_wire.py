"""Reading what clients send, and the bytes of the frames."""

import json
import re
import sys
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import cleaning, wire
from chat.entry import DELETED, EDITED, ChangeEntry, MessageEntry
from chat.refused import Refused

NOON = datetime(2026, 11, 21, 12, 0, 0, 123000, UTC)
LENGTH = 2000  # characters of a message
# Fillers of Hangul, blanks of Braille, music and hieroglyphs, selectors of variants, tags, joiners.
BLANKS = (
    "\u3164\u2800\u115f\u1160\uffa0\ufe0f\ufe00\u034f\u17b4\u180b\u180f\u2065\U0001d159"
    "\U00013441\U00016fe4\U000e0041\U000e0100\U000e0080\u2063\u00ad\u200d"
)


def entry(msg: str, user: str = "alice") -> MessageEntry:
    return MessageEntry(seq=7, key="u1:n1", user=user, user_id="u1", msg=msg, time=NOON)


def payload(frame: bytes) -> str:
    """Return the text of an unmasked text frame, checking its header."""
    assert frame[0] == 0x81
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(frame[2:10], "big"), 10
    assert len(frame) == start + size
    return frame[start:].decode()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=3000))
def test_clean_text_has_no_controls_and_cleaning_again_changes_nothing(text: str) -> None:
    try:
        clean = cleaning.clean(text, LENGTH)
    except Refused:
        return
    assert 0 < len(clean) <= LENGTH
    assert not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in clean)
    assert not any(unicodedata.bidirectional(c) in ("LRE", "RLO", "PDF", "LRI") for c in clean)
    assert cleaning.clean(clean, LENGTH) == clean


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("x" * 1999 + "\r\n" + "y", None),
        ("x" * 1998 + "\r\n" + "y", "x" * 1998 + "\ny"),
        ("👍" * 2000, "👍" * 2000),
        ("", None),
        (" \n\t ", None),
        ("\u202e", None),
        ("\u200b \ufeff", None),
        *((blank * 3 + " \n" + blank, None) for blank in BLANKS),
        *((f"{blank}a{blank}", f"{blank}a{blank}") for blank in BLANKS),
        ("❤\ufe0f", "❤\ufe0f"),
        ("\u0301", "\u0301"),  # fonts draw it on a dotted circle
        ("half \ud83d a pair", None),
    ],
)
def test_only_a_text_that_is_too_long_invisible_or_broken_is_refused(
    typed: str, stored: str | None
) -> None:
    if stored is None:
        with pytest.raises(Refused):
            cleaning.clean(typed, LENGTH)
    else:
        assert cleaning.clean(typed, LENGTH) == stored


@pytest.mark.parametrize(
    "data",
    [
        *("", "hi", "null", "[]", '"message"', "1e999", "{}", '{"type":"message"}'),
        *('{"type":"Message","msg":"hi"}', '{"type":["message"],"msg":"hi"}'),
        *(f'{{"type":"message","msg":{msg}}}' for msg in ("null", "1", '["hi"]', "NaN")),
        *(
            f'{{"type":"message","msg":"hi","nonce":{nonce}}}'
            for nonce in ("1", '""', '"a\\u0000"', '"\\ud800"', '"' + "n" * 65 + '"')
        ),
        *('{"type":"message","msg":"hi"', "[" * 20_000, '{"a":' * 5_000 + "1" + "}" * 5_000),
        "9" * 10_000,
    ],
)
def test_a_frame_that_is_no_message_is_invalid(data: str) -> None:
    with pytest.raises(wire.BadFrame) as caught:
        wire.read_chat_v1(data)
    assert caught.value.code == "invalid"
    assert caught.value.text.startswith("The ")  # frame, or nonce, and what is wrong with it


@given(st.text())
def test_any_text_is_read_or_refused(data: str) -> None:
    for read in (wire.read_chat_v1, wire.read_classic):
        try:
            assert isinstance(read(data), wire.Incoming)
        except wire.BadFrame as bad:
            wire.error(bad)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=70_000))
def test_a_message_arrives_as_it_is_stored(msg: str) -> None:
    frame = json.loads(payload(wire.message_frames(entry(msg)).chat_v1))
    assert frame["msg"] == msg
    assert frame["time"] == "2026-11-21T12:00:00.123Z"


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_the_length_of_a_frame_is_written_as_rfc_6455_has_it(size: int) -> None:
    line = payload(wire.message_frames(entry("x" * (size - len("(alice) ")))).classic)
    assert len(line) == size


def test_every_event_has_its_frame_in_both_formats() -> None:
    said = {"type": "message", "seq": 7, "user": "alice", "msg": "hi\nyou", "nonce": "n1",
            "time": "2026-11-21T12:00:00.123Z"}  # fmt: skip
    new, edited = entry("hi\nyou"), entry("hi\nyou")._replace(state=EDITED)
    deleted = entry("")._replace(state=DELETED)
    edit = ChangeEntry(8, "change:u2:n2", "bob", "u2", edited)
    change = {"type": "change", "seq": 8, "of": 7, "user": "bob", "nonce": "n2"}
    many = ["alice", "bob"]
    refused = Refused("too_long", "Too long")
    error = {"type": "error", "code": "too_long", "text": "Too long"}
    for frames, event, line in [
        (wire.entry_frames(new), said, "(alice) hi ⏎ you"),
        (wire.entry_frames(edited), {**said, "state": EDITED}, "(alice) hi ⏎ you"),
        (wire.entry_frames(deleted), {**said, "state": DELETED, "msg": ""}, "(alice) deleted"),
        (wire.entry_frames(edit), {**change, "state": EDITED, "msg": "hi\nyou"},
         "bob edited: hi ⏎ you"),
        (wire.entry_frames(edit._replace(message=deleted)),
         {**change, "state": DELETED, "msg": ""}, "bob deleted a message of alice"),
        (wire.hello("alice", 7, 2, many, True), {"type": "hello", "user": "alice", "seq": 7,
         "people": 2, "online": many, "truncated": True}, ""),
        (wire.people(2, many), {"type": "people", "people": 2, "online": many}, ""),
        (wire.typing("bob"), {"type": "typing", "user": "bob"}, ""),
        (wire.joined("bob"), {"type": "joined", "user": "bob"}, "bob joined"),
        (wire.left("bob"), {"type": "left", "user": "bob"}, "bob disconnected"),
        (wire.error(refused), error, "error: too long"),
        (wire.error(refused, ""), {**error, "nonce": ""}, "error: too long"),
    ]:  # fmt: skip
        assert json.loads(payload(frames.chat_v1)) == event
        assert payload(frames.classic) == line if line else frames.classic == b""


@pytest.mark.parametrize(
    ("data", "incoming"),
    [
        ('{"type":"message","msg":""}', wire.Incoming("message", "")),
        ('{"type":"message","msg":"hi","of":3}', wire.Incoming("message", "hi")),
        ('{"type":"message","msg":"hi","nonce":"n"}', wire.Incoming("message", "hi", "n")),
        ('{"type":"edit","of":1,"msg":"hi","nonce":"n"}', wire.Incoming("edit", "hi", "n", 1)),
        ('{"type":"delete","of":7,"msg":"hi"}', wire.Incoming("delete", seq=7)),
        ('{"type":"delete","of":1000000000000000}', wire.Incoming("delete", seq=10**15)),
        (f'{{"type":"delete","of":1,"nonce":"{"n" * 64}"}}',
         wire.Incoming("delete", "", "n" * 64, 1)),
        ('{"type":"typing","seq":3}', wire.Incoming("typing")),
        ('{"type":"read","seq":7,"nonce":null}', wire.Incoming("read", seq=7)),
    ],
)  # fmt: skip
def test_a_frame_is_read_with_what_its_type_has(data: str, incoming: wire.Incoming) -> None:
    assert wire.read_chat_v1(data) == incoming


def test_a_classic_line_is_a_message_whatever_it_says() -> None:
    assert wire.read_classic('{"type":"typing"}') == wire.Incoming("message", '{"type":"typing"}')


@pytest.mark.parametrize(
    "fields",
    [
        '"type":"shout","msg":"hi"', '"msg":"hi"', '"type":"message"',
        '"type":"edit","of":1', '"type":"edit","of":1,"msg":null', '"type":"edit","msg":"hi"',
        *(f'"type":"edit","of":{of},"msg":"hi"' for of in ("0", '"1"', "true", "1.0", "1e30")),
        '"type":"delete"', '"type":"delete","of":-1', '"type":"delete","of":null',
        '"type":"delete","of":1000000000000001', '"type":"read","seq":true', '"type":"read"',
    ],
)  # fmt: skip
def test_a_frame_that_is_refused_is_answered_with_its_nonce(fields: str) -> None:
    with pytest.raises(wire.BadFrame) as caught:
        wire.read_chat_v1(f'{{{fields},"nonce":"n1"}}')
    assert (caught.value.code, caught.value.nonce) == ("invalid", "n1")
    assert caught.value.text.startswith("The frame")


def test_a_nonce_that_is_refused_is_not_sent_back() -> None:
    with pytest.raises(wire.BadFrame) as caught:
        wire.read_nonce("n" * 65)
    assert caught.value.nonce is None
    assert caught.value.text.startswith("The nonce")


def test_a_control_frame_is_written_as_rfc_6455_has_it() -> None:
    assert wire.control_frame(8, b"\x03\xe8bye") == b"\x88\x05\x03\xe8bye"
    assert wire.control_frame(9, b"") == b"\x89\x00"


def test_the_first_look_for_marks_passes_over_none() -> None:
    look = re.compile(cleaning.SURPLUS_MARKS.pattern.partition(")")[0] + ")")
    marks = re.compile(f"[{cleaning.MARKS}]")
    for character in map(chr, range(sys.maxunicode + 1)):
        if marks.match(character):
            assert look.match(character), hex(ord(character))

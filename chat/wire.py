"""What goes over a WebSocket: reading a client's text, and the frames of both formats."""

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from chat.entry import Entry

CHAT_V1 = "chat.v1"  # the page's subprotocol; without one a socket speaks the tutorial's format

MESSAGE_LENGTH = 2000  # code points
NONCE_LENGTH = 64  # characters

# Unicode's bidirectional controls can make a message read as another's (Trojan Source, 2021).
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
UNWANTED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI_CONTROLS}]")
SURROGATES = re.compile("[\ud800-\udfff]")
NEWLINES = re.compile("\r\n|[\r\x85\u2028\u2029]")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON


# Made once: json.loads() and json.dumps() would make them anew for each frame.
decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class BadFrame(Exception):
    """What a client sent can't be taken; it gets an error frame, and the socket stays open."""

    def __init__(self, code: str, text: str, nonce: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.nonce = nonce


class Incoming(NamedTuple):
    """A message from a client, checked."""

    msg: str
    nonce: str | None


class Frames(NamedTuple):
    """One event as bytes for the transport, in each format; empty where a format has none."""

    chat_v1: bytes
    classic: bytes


def clean(text: str, nonce: str | None = None) -> str:
    """Return a message's text as it may be stored. Raises BadFrame."""
    text = UNWANTED.sub("", NEWLINES.sub("\n", text)).strip("\n")
    if not any(map(_is_visible, text)):
        raise BadFrame("invalid", "Please write something", nonce)
    if len(text) > MESSAGE_LENGTH:
        raise BadFrame("too_long", f"A message has at most {MESSAGE_LENGTH} characters", nonce)
    if not _is_unicode(text):
        raise BadFrame("invalid", "The message is not valid Unicode", nonce)
    return text


def read_classic(data: str) -> Incoming:
    """Read a text frame of the tutorial's format: the message itself. Raises BadFrame."""
    return Incoming(clean(data), None)


def read_chat_v1(data: str) -> Incoming:
    """Read a JSON text frame of `chat.v1`. Raises BadFrame."""
    try:
        frame = decode(data)
    except (ValueError, RecursionError):
        raise BadFrame("invalid", "The frame is not JSON") from None
    if not isinstance(frame, dict):
        raise BadFrame("invalid", "The frame is not a JSON object")
    nonce = read_nonce(frame.get("nonce"))
    if frame.get("type") != "message":
        raise BadFrame("invalid", "The frame's type is unknown", nonce)
    if not isinstance(frame.get("msg"), str):
        raise BadFrame("invalid", "The frame has no msg, or it is not text", nonce)
    return Incoming(clean(frame["msg"], nonce), nonce)


def read_nonce(value: Any) -> str | None:
    """Return a client's nonce, None where it sent none. Raises BadFrame."""
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= NONCE_LENGTH and value.isprintable():
        return value
    raise BadFrame("invalid", f"The nonce is not text of 1 to {NONCE_LENGTH} printable characters")


@lru_cache(maxsize=1024)  # a replay to 2,000 people encodes each entry once
def message(entry: Entry) -> Frames:
    """Return the frames of a message."""
    line = entry.msg.replace("\n", " ⏎ ")  # or a message could forge a line of somebody else
    return _frames(
        {
            "type": "message",
            "seq": entry.seq,
            "user": entry.user,
            "msg": entry.msg,
            "time": iso_time(entry),
            "nonce": entry.nonce,
        },
        f"({entry.user}) {line}",
    )


def hello(login: str, seq: int, people: int, online: Sequence[str], truncated: bool) -> Frames:
    """Return the first frame of a socket: who it speaks for, and where the log stands."""
    return _frames(
        {
            "type": "hello",
            "user": login,
            "seq": seq,
            "people": people,
            "online": online,
            "truncated": truncated,
        }
    )


def joined(login: str) -> Frames:
    """Return the notice that somebody came."""
    return _frames({"type": "joined", "user": login}, f"{login} joined")


def left(login: str) -> Frames:
    """Return the notice that somebody went."""
    return _frames({"type": "left", "user": login}, f"{login} disconnected")


def census(people: int, online: Sequence[str]) -> Frames:
    """Return who is here, in place of many notices."""
    return _frames({"type": "people", "people": people, "online": online})


def error(bad: BadFrame) -> Frames:
    """Return what is wrong with a client's frame."""
    frame = {"type": "error", "code": bad.code, "text": bad.text}
    if bad.nonce is not None:
        frame["nonce"] = bad.nonce
    return _frames(frame, f"error: {bad.code.replace('_', ' ')}")


def iso_time(entry: Entry) -> str:
    """Return an entry's time as in 2026-11-21T10:00:00.123Z."""
    return entry.time.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def control_frame(opcode: int, payload: bytes) -> bytes:
    """Return a close, ping or pong frame; its payload has at most 125 bytes (RFC 6455, 5.5)."""
    return bytes((0x80 | opcode, len(payload))) + payload


def _frames(event: dict[str, Any], line: str = "") -> Frames:
    text = encode(event)
    return Frames(_text_frame(text), _text_frame(line) if line else b"")


def _text_frame(text: str) -> bytes:
    """Return an unmasked, unfragmented text frame (RFC 6455, 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) != "Cf"


def _is_unicode(text: str) -> bool:
    # JSON can escape half a surrogate pair, which no database and no browser takes.
    return SURROGATES.search(text) is None

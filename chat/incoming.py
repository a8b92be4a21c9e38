"""What a client's text means: one frame read and checked, or why it can't be taken."""

import json
import re
import unicodedata
from typing import Any, NamedTuple, NoReturn

MESSAGE_LENGTH = 2000  # code points
NONCE_LENGTH = 64  # characters
SEQ_LIMIT = 10**15  # far beyond any log, and exact in every reader's numbers

# Unicode's bidirectional controls can make a message read as another's (Trojan Source, 2021).
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
UNWANTED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI_CONTROLS}]")
SURROGATES = re.compile("[\ud800-\udfff]")
NEWLINES = re.compile("\r\n|[\r\x85\u2028\u2029]")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON


# Made once: json.loads() would make it anew for each frame.
decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


class BadFrame(Exception):
    """What a client sent can't be taken; it gets an error frame, and the socket stays open."""

    def __init__(self, code: str, text: str, nonce: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.nonce = nonce


class Incoming(NamedTuple):
    """What a client wants, checked; `type` says which of the other fields count."""

    type: str  # message, edit, delete, typing, read
    msg: str = ""
    nonce: str | None = None
    seq: int = 0  # the message to change, or the last one that was read


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
    return Incoming("message", clean(data))


def read_chat_v1(data: str) -> Incoming:
    """Read a JSON text frame of `chat.v1`. Raises BadFrame."""
    try:
        frame = decode(data)
    except (ValueError, RecursionError):
        raise BadFrame("invalid", "The frame is not JSON") from None
    if not isinstance(frame, dict):
        raise BadFrame("invalid", "The frame is not a JSON object")
    nonce = read_nonce(frame.get("nonce"))
    match frame.get("type"):
        case "message":
            return Incoming("message", _read_msg(frame, nonce), nonce)
        case "edit":
            return Incoming("edit", _read_msg(frame, nonce), nonce, _read_seq(frame, "of", nonce))
        case "delete":
            return Incoming("delete", "", nonce, _read_seq(frame, "of", nonce))
        case "typing":
            return Incoming("typing")
        case "read":
            return Incoming("read", seq=_read_seq(frame, "seq", nonce))
    raise BadFrame("invalid", "The frame's type is unknown", nonce)


def read_nonce(value: Any) -> str | None:
    """Return a client's nonce, None where it sent none. Raises BadFrame."""
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= NONCE_LENGTH and value.isprintable():
        return value
    raise BadFrame("invalid", f"The nonce is not text of 1 to {NONCE_LENGTH} printable characters")


def _read_msg(frame: dict[str, Any], nonce: str | None) -> str:
    if not isinstance(frame.get("msg"), str):
        raise BadFrame("invalid", "The frame has no msg, or it is not text", nonce)
    return clean(frame["msg"], nonce)


def _read_seq(frame: dict[str, Any], name: str, nonce: str | None) -> int:
    seq = frame.get(name)
    if type(seq) is not int or not 0 < seq <= SEQ_LIMIT:  # True is an int, too
        raise BadFrame("invalid", f"The frame's {name} is no number of a message", nonce)
    return seq


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) != "Cf"


def _is_unicode(text: str) -> bool:
    # JSON can escape half a surrogate pair, which no database and no browser takes.
    return SURROGATES.search(text) is None

"""The wire: every frame of the WebSocket, in both directions and in both formats.

A socket without a subprotocol speaks the tutorial's format, one line of plain text per event. The
page asks for the subprotocol `chat.v1`, which is JSON:

    client: {type: message, msg, nonce, file?}  save a message; `file` is the id of an upload
            {type: edit, of, msg, nonce}        change message number `of`
            {type: delete, of, nonce}           delete it
            {type: typing}, {type: read, seq}   the user is typing; has read up to number `seq`
    server: {type: hello, user, seq, people, online, truncated}
                                                first of all; `truncated`: too much was missed for a
                                                replay, so load the page again
            {type: message, seq, user, msg, time, nonce, state?, all?, file?}
            {type: change, seq, of, user, state, msg, nonce, all?, file?}
                                                `all`: true if the message notifies everybody by
                                                @all, false if its author did so within the minute
                                                `file`: {id, name, type, size, width?, height?,
                                                preview?, text?}, see File in entry.py
            {type: joined, user}, {type: left, user}, {type: typing, user}
            {type: people, people, online}      how many are here, and a hundred of their logins
            {type: read, seq}                   the user has read up to `seq`, here or elsewhere
            {type: error, code, text, nonce?}   a frame was refused

A client must ignore types that it does not know.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from chat.entry import DELETED, ChangeEntry, Entry, MessageEntry, nonce_of
from chat.refused import Refused
from chat.sized_cache import SizedCache
from pages.sizes import size_text
from pages.times import iso_time

CHAT_V1 = "chat.v1"
NONCE_LENGTH = 64  # characters
FILE_ID = re.compile("[A-Za-z0-9_-]{1,64}")
SEQ_LIMIT = 10**15  # larger than any log, and exact in JavaScript's numbers
CACHED = 8 * 1024 * 1024  # bytes of frames, for replays: more than the longest few hundred entries


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON


# Made once: with options, json.loads() and json.dumps() make new ones for each call.
decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class BadFrame(Refused):
    """A client's frame, or its nonce, can't be read."""

    def __init__(self, text: str, nonce: str | None = None) -> None:
        super().__init__("invalid", text)
        self.nonce = nonce


class Incoming(NamedTuple):
    """A frame of a client; `type` says which of the other fields it has.

    The frame is valid, but Message still has to check the text.
    """

    type: str  # message, edit, delete, typing, read
    msg: str = ""
    nonce: str | None = None
    seq: int = 0  # the message to change, or the last one that was read
    file_id: str = ""  # of the file that the message carries


class Frames(NamedTuple):
    """One event as bytes for the transport in both formats; empty if a format does not have it."""

    chat_v1: bytes
    classic: bytes


def read_classic(data: str) -> Incoming:
    """Read a text frame of the tutorial's format: the message itself."""
    return Incoming("message", data)


def read_chat_v1(data: str) -> Incoming:
    """Read a JSON text frame of `chat.v1`. Raises BadFrame."""
    try:
        frame = decode(data)
    except (ValueError, RecursionError):
        raise BadFrame("The frame is not JSON") from None
    if not isinstance(frame, dict):
        raise BadFrame("The frame is not a JSON object")
    nonce = read_nonce(frame.get("nonce"))
    match frame.get("type"):
        case "message":
            file_id = read_file_id(frame.get("file"), nonce)
            return Incoming("message", _read_msg(frame, nonce), nonce, file_id=file_id)
        case "edit":
            return Incoming("edit", _read_msg(frame, nonce), nonce, _read_seq(frame, "of", nonce))
        case "delete":
            return Incoming("delete", "", nonce, _read_seq(frame, "of", nonce))
        case "typing":
            return Incoming("typing")
        case "read":
            return Incoming("read", seq=_read_seq(frame, "seq", nonce))
    raise BadFrame("The frame's type is unknown", nonce)


def read_nonce(value: Any) -> str | None:
    """Return a client's nonce, None if it sent none. Raises BadFrame."""
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= NONCE_LENGTH and value.isprintable():
        return value
    raise BadFrame(f"The nonce must be text of 1 to {NONCE_LENGTH} printable characters")


def read_file_id(value: Any, nonce: str | None = None) -> str:
    """Return the id of a file, "" if a client sent none. Raises BadFrame."""
    if value is None:
        return ""
    if isinstance(value, str) and FILE_ID.fullmatch(value):
        return value
    raise BadFrame("The message's file must be the id of one that was sent before", nonce)


def entry_frames(entry: Entry) -> Frames:
    """Return the frames of a message or a change."""
    return _of_messages.get(entry) if isinstance(entry, MessageEntry) else change_frames(entry)


def message_frames(message: MessageEntry) -> Frames:
    """Return the frames of a message."""
    event = {
        "type": "message",
        "seq": message.seq,
        "user": message.user,
        "msg": message.msg,
        "time": iso_time(message.time),
        "nonce": nonce_of(message),  # a part of its key
    }
    if message.state:
        event["state"] = message.state
    if message.to_all is not None:
        event["all"] = message.to_all
    if message.file:
        event["file"] = message.file.to_document()
    return _frames(event, f"({message.user}) {_classic_text(message) or message.state}")


# So that a replay to 2,000 people encodes each message once.
_of_messages = SizedCache(message_frames, lambda frames: sum(map(len, frames)), CACHED)


def change_frames(change: ChangeEntry) -> Frames:
    """Return the frames of a change, with the text that the message has now."""
    message = change.message
    event = {
        "type": "change",
        "seq": change.seq,
        "of": message.seq,
        "user": change.user,
        "state": message.state,
        "msg": message.msg,
        "nonce": nonce_of(change),
    }
    if message.to_all is not None:
        event["all"] = message.to_all
    if message.file:
        event["file"] = message.file.to_document()
    if message.state != DELETED:
        return _frames(event, f"{change.user} edited: {_classic_text(message)}")
    return _frames(event, f"{change.user} deleted a message of {message.user}")


def hello(login: str, seq: int, people: int, online: Sequence[str], truncated: bool) -> Frames:
    """Return the first frame of a socket: its user, the number of the newest entry, who is here."""
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


def typing(login: str) -> Frames:
    """Return the notice that somebody is typing."""
    return _frames({"type": "typing", "user": login})


def joined(login: str) -> Frames:
    """Return the notice that somebody came."""
    return _frames({"type": "joined", "user": login}, f"{login} joined")


def left(login: str) -> Frames:
    """Return the notice that somebody left."""
    return _frames({"type": "left", "user": login}, f"{login} disconnected")


def people(people: int, online: Sequence[str]) -> Frames:
    """Return the list of who is here, which replaces many notices."""
    return _frames({"type": "people", "people": people, "online": online})


def read(seq: int) -> Frames:
    """Return the notice to a user's own sockets of how far they have read."""
    return _frames({"type": "read", "seq": seq})


def error(refused: Refused, nonce: str | None = None) -> Frames:
    """Return the answer to a refused frame, which says why."""
    frame = {"type": "error", "code": refused.code, "text": refused.text}
    if nonce is not None:
        frame["nonce"] = nonce
    return _frames(frame, f"error: {refused.code.replace('_', ' ')}")


def nobody_notified() -> Frames:
    """Return what tells the author of the classic format that @all had no effect."""
    return Frames(b"", _text_frame("nobody was notified: @all works once a minute"))


def control_frame(opcode: int, payload: bytes) -> bytes:
    """Return a close, ping or pong frame; its payload has at most 125 bytes (RFC 6455, 5.5)."""
    return bytes((0x80 | opcode, len(payload))) + payload


def _read_msg(frame: dict[str, Any], nonce: str | None) -> str:
    msg = frame.get("msg")
    if not isinstance(msg, str):
        raise BadFrame("The frame has no msg, or it is not text", nonce)
    return msg


def _read_seq(frame: dict[str, Any], name: str, nonce: str | None) -> int:
    seq = frame.get(name)
    if type(seq) is not int or not 0 < seq <= SEQ_LIMIT:  # True is an int, too
        raise BadFrame(f"The frame's {name} must be the number of a message", nonce)
    return seq


def _classic_text(message: MessageEntry) -> str:
    """Return what a message says in one line, as in `[photo.png, 1.2 MB] at the beach`."""
    file, text = message.file, _on_one_line(message.msg)
    return f"[{file.name}, {size_text(file.size)}] {text}".rstrip() if file else text


def _on_one_line(msg: str) -> str:
    # A line break would let a message forge a line of somebody else.
    return msg.replace("\n", " ⏎ ")


def _frames(event: dict[str, Any], classic: str = "") -> Frames:
    return Frames(_text_frame(encode(event)), _text_frame(classic) if classic else b"")


def _text_frame(text: str) -> bytes:
    """Return an unmasked, unfragmented text frame (RFC 6455, 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload

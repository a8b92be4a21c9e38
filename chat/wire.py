"""The frames that go out over a WebSocket, in both formats."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from chat.entry import Change, Entry
from chat.incoming import BadFrame

CHAT_V1 = "chat.v1"  # the page's subprotocol; without one a socket speaks the tutorial's format


# Made once: json.dumps() would make it anew for each frame.
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Frames(NamedTuple):
    """One event as bytes for the transport, in each format; empty where a format has none."""

    chat_v1: bytes
    classic: bytes


def entry(entry: Entry | Change) -> Frames:
    """Return the frames of an entry of the log."""
    return message(entry) if isinstance(entry, Entry) else change(entry)


@lru_cache(maxsize=1024)  # a replay to 2,000 people encodes each entry once
def message(entry: Entry) -> Frames:
    """Return the frames of a message."""
    event = {
        "type": "message",
        "seq": entry.seq,
        "user": entry.user,
        "msg": entry.msg,
        "time": iso_time(entry.time),
        "nonce": entry.nonce,
    }
    if entry.state:
        event["state"] = entry.state
    return _frames(event, f"({entry.user}) {_line(entry.msg) or entry.state}")


def change(change: Change) -> Frames:
    """Return the frames of a change: how the message reads now, whatever it was changed to then."""
    message = change.message
    event = {
        "type": "change",
        "seq": change.seq,
        "of": message.seq,
        "user": change.user,
        "state": message.state,
        "msg": message.msg,
        "nonce": change.nonce,
    }
    if message.msg:
        return _frames(event, f"{change.user} edited: {_line(message.msg)}")
    return _frames(event, f"{change.user} deleted a message of {message.user}")


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


def typing(login: str) -> Frames:
    """Return the notice that somebody is writing."""
    return _frames({"type": "typing", "user": login})


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


def iso_time(time: datetime) -> str:
    """Return a time of UTC as in 2026-11-21T10:00:00.123Z."""
    return time.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def control_frame(opcode: int, payload: bytes) -> bytes:
    """Return a close, ping or pong frame; its payload has at most 125 bytes (RFC 6455, 5.5)."""
    return bytes((0x80 | opcode, len(payload))) + payload


def _line(msg: str) -> str:
    # Or a message could forge a line of somebody else.
    return msg.replace("\n", " ⏎ ")


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

"""WebSocket frames as no page sends them: nearly valid ones, nonsense, and broken framing.

An OddClient draws them from its dice, so that the same seed makes the same frames.
"""

import json
import random
from collections import deque
from typing import NamedTuple

from pages.forms import limit_with_message
from settings import Settings
from tests.support.raw_sockets import CLOSE, PING, PONG, TEXT

CONTINUATION, BINARY = 0, 2
FIN, RSV1, RSV2, RSV3, MASK = 0x80, 0x40, 0x20, 0x10, 0x80
BODY_LIMIT = limit_with_message(Settings())

TEXTS = [
    *(
        "hi",
        " ",
        "",
        "x" * 10_000,
        "x" * 10_001,
        "👍" * 10_000,
        "a\r\nb\u2028c",
        "\u202egpj.exe",
        "\ufeff",
    ),
    *("close", "(bob) I owe you", "{{ 7 * 7 }}", "\u200b", "\x00", "a\x00b\x1b", "error: invalid"),
]
# Written as JSON, or as what somebody might take for JSON.
VALUES = [
    *map(json.dumps, TEXTS),
    *("null", "true", "false", "0", "-1", "-0", "1", "1.0", "1.5", "1e999", "-1e999", "1e-999"),
    *("NaN", "Infinity", "-Infinity", "0x10", "01", "1_000", "٣", "9" * 400, "9" * 5000),
    *("999999999999999", "1000000000000000", "1000000000000001", "9223372036854775808"),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\udc4d"', '"\\u0000"', '"\\x"', '"\n"', '"'),
    *("[]", "{}", '["hi"]', '{"$ne":""}', '{"a":1,"a":2}', "[" * 500 + "]" * 500, "[" * 9000),
    *('"' + "n" * count + '"' for count in (63, 64, 65)),
    *('{"a":' * 3000 + "1" + "}" * 3000, "undefined", "'hi'", "\ufeff1", ""),
]
NAMES = ["type", "msg", "nonce", "of", "seq", "__proto__", "user", "state", "key", "text", ""]
TYPES = ["message", "edit", "delete", "typing", "read"]
WEIGHTS = [20, 50, 15, 15]  # percent: of valid frames, of mutated ones, of scrambled ones, of junk
ODD_TYPES = ["Message", "hello", "error", "joined", "change", "", "message\\u0000", "typ\\u0069ng"]


def masked(
    opcode: int, payload: bytes, dice: random.Random, flags: int = FIN, size: int | None = None
) -> bytes:
    """Return a client's frame; `size` is what it says of its length, if that is a lie."""
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes((MASK | size,))
    elif size < 2**16:
        length = bytes((MASK | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((MASK | 127,)) + size.to_bytes(8, "big")
    if len(payload) > 1000:  # in Python, masking takes longer than all the rest
        return bytes((flags | opcode,)) + length + bytes(4) + payload
    key = dice.randbytes(4)
    mask = (key * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return bytes((flags | opcode,)) + length + key + mixed.to_bytes(len(payload), "big")


class Burst(NamedTuple):
    """What somebody sends before they wait for the answers, and how they end it, if they do."""

    data: bytes
    frames: int
    end: bytes = b""  # sent when the rest is answered
    codes: frozenset[int] = frozenset()  # with one of which the chat has to close the socket then
    has_left: bool = False  # or the client leaves


class OddClient:
    """Draws what one socket sends; `seqs` and `nonces` are what everybody has seen and used."""

    def __init__(
        self, dice: random.Random, is_classic: bool, seqs: deque[int], nonces: deque[str]
    ) -> None:
        self.dice = dice
        self.is_classic = is_classic
        self._seqs = seqs
        self._nonces = nonces
        self._kinds = [self._valid, self._mutated, self._scrambled, self._junk]

    def burst(self) -> Burst:
        """Return up to a hundred frames, half of the time with an end after them."""
        count = self.dice.randrange(1, 100)
        data = b"".join(self._frame() for _ in range(count))
        match self.dice.randrange(4):
            case 0:
                end, codes = self._fatal()
                return Burst(data, count + 1, end, frozenset(codes))
            case 1:
                return Burst(data, count + 1, self._fragment(), has_left=True)
        return Burst(data, count)

    def _frame(self) -> bytes:
        """Return a frame after which the socket is still open."""
        roll = self.dice.random()
        if roll < 0.03:
            opcode = self.dice.choice((PING, PONG))
            return masked(opcode, self.dice.randbytes(self.dice.randrange(126)), self.dice)
        payload = within_limit(self._line() if self.is_classic else self._json())
        if roll < 0.06:
            return self._in_pieces(payload)
        return masked(TEXT, payload, self.dice)

    def _fatal(self) -> tuple[bytes, set[int]]:
        """Return bytes that end the socket, and the codes with which the chat may close it."""
        dice = self.dice
        # Not empty: aiohttp takes a new message for the rest of a fragment of no bytes.
        text = self._json().encode("ascii", "replace")[:1000] or b"x"
        control = dice.choice((CLOSE, PING, PONG))
        huge = b"x" * (BODY_LIMIT + dice.randrange(1, 1000))
        broken = dice.choice((b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"))
        wrong = dice.choice((0, 999, 1004, 1005, 1015, 2999)).to_bytes(2, "big")
        # aiohttp also takes two that RFC 6455 does not allow, 1006 and 65535.
        code = dice.choice((1000, 1001, 1006, 3000, 4999, 65535))
        unfinished = masked(TEXT, text, dice, 0)
        cases = [
            (masked(dice.choice((3, 4, 5, 6, 7, 11, 15)), text[:125], dice), {1002}),
            (masked(TEXT, text, dice, FIN | dice.choice((RSV1, RSV2, RSV3))), {1002}),
            (masked(control, text[:125], dice, 0), {1002}),
            (masked(control, b"x" * 126, dice), {1002}),
            (masked(CONTINUATION, text, dice), {1002}),
            (unfinished + masked(TEXT, text, dice), {1002}),
            (masked(TEXT, broken + text, dice), {1007}),
            (masked(TEXT, huge, dice), {1009}),
            (masked(TEXT, huge[:20_000], dice, 0) + masked(CONTINUATION, huge, dice), {1009}),
            (masked(BINARY, dice.randbytes(dice.randrange(200)), dice), {1003}),
            (masked(CLOSE, b"", dice), {1000}),
            (masked(CLOSE, b"x", dice), {1002}),
            (masked(CLOSE, wrong, dice), {1002}),
            (masked(CLOSE, (1000).to_bytes(2, "big") + broken, dice), {1007}),
            (masked(CLOSE, code.to_bytes(2, "big"), dice), {code}),
        ]
        return dice.choice(cases)

    def _fragment(self) -> bytes:
        """Return bytes after which the chat may wait for more, until the client leaves."""
        dice = self.dice
        whole = self._frame()
        lie = dice.choice((126, 65535, 65536, 2**31, 2**63 - 1, 2**63, 2**64 - 1))
        return dice.choice(
            (
                whole[: dice.randrange(len(whole))],
                masked(TEXT, b"hi", dice, size=lie),
                masked(TEXT, b"hi", dice, 0),
                b"\x81\x02hi",  # not masked
                dice.randbytes(dice.randrange(1, 300)),
                b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                b"",
            )
        )

    def _json(self) -> str:
        [make] = self.dice.choices(self._kinds, WEIGHTS)
        return make()

    def _line(self) -> str:
        """Return a line of the classic format, mostly one that is refused."""
        dice = self.dice
        line = dice.choice(("", " ", "\u200b", "x" * 10_001, dice.choice(TEXTS), self._junk()))
        return line if line != "close" else "closed"

    def _fields(self) -> list[tuple[str, str]]:
        """Return the fields of a valid frame, whose values are written in JSON."""
        kind = self.dice.choice(TYPES)
        fields = [("type", f'"{kind}"')]
        if kind in ("message", "edit"):
            fields.append(("msg", json.dumps(self._text())))
        if kind in ("edit", "delete"):
            fields.append(("of", str(self._seq())))
        if kind == "read":
            fields.append(("seq", str(self._seq())))
        elif kind != "typing" and self.dice.random() < 0.8:
            fields.append(("nonce", json.dumps(self._nonce())))
        return fields

    def _valid(self) -> str:
        return written(self._fields())

    def _mutated(self) -> str:
        """Return a frame that is wrong in one thing or two."""
        dice, fields = self.dice, self._fields()
        for _ in range(dice.choice((1, 1, 2))):
            place = dice.randrange(len(fields)) if fields else 0
            match dice.randrange(6) if fields else 4:
                case 0:
                    del fields[place]
                case 1:
                    fields[place] = (fields[place][0], dice.choice(VALUES))
                case 2:
                    fields[place] = (dice.choice(NAMES), fields[place][1])
                case 3:
                    fields.append((fields[place][0], dice.choice(VALUES)))
                case 4:
                    fields.append((dice.choice(NAMES), dice.choice(VALUES)))
                case 5:
                    fields[0] = ("type", f'"{dice.choice(ODD_TYPES)}"')
        return written(fields)

    def _scrambled(self) -> str:
        """Return the text of a valid frame with a piece of it changed."""
        dice, text = self.dice, written(self._fields())
        start = dice.randrange(len(text))
        end = start + dice.choice((0, 1, 1, 2, 10))
        return text[:start] + dice.choice((*VALUES, *TEXTS, "\\", ",", "}")) + text[end:]

    def _junk(self) -> str:
        dice = self.dice
        if dice.random() < 0.3:
            return dice.choice(VALUES)
        return dice.randbytes(dice.randrange(60)).decode("latin-1")

    def _in_pieces(self, payload: bytes) -> bytes:
        """Return a message in fragments, with a ping among them, as RFC 6455 allows."""
        middle = self.dice.randrange(len(payload) + 1)
        return (
            masked(TEXT, payload[:middle], self.dice, 0)
            + masked(PING, b"between", self.dice)
            + masked(CONTINUATION, b"", self.dice, 0)
            + masked(CONTINUATION, payload[middle:], self.dice)
        )

    def _text(self) -> str:
        return f"{self.dice.choice(TEXTS)[:200]} {self.dice.getrandbits(32):x}"

    def _seq(self) -> int:
        """Return the number of a recent message of anybody, or of none."""
        if self._seqs and self.dice.random() < 0.7:
            return self.dice.choice(self._seqs)
        return self.dice.choice((1, 2, 10**6, 10**9, 10**15))

    def _nonce(self) -> str:
        """Return a new nonce, or one that somebody has used."""
        if not self._nonces or self.dice.random() < 0.7:
            self._nonces.append(f"{self.dice.getrandbits(64):x}")
            return self._nonces[-1]
        return self.dice.choice(self._nonces)


def written(fields: list[tuple[str, str]]) -> str:
    """Return an object in JSON, perhaps with a field twice."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}"


def within_limit(text: str) -> bytes:
    """Return as much of a text as a message may have."""
    return text.encode()[:BODY_LIMIT].decode(errors="ignore").encode()

"""HTTP requests as no browser sends them: odd paths, headers, cookies, forms, and broken framing.

OddRequests draws them from its dice, so that the same seed makes the same requests.
"""

import gzip
import json
import random
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote_plus

from pages.forms import BODY_LIMIT, limit_with_message
from routes import routes
from settings import Settings
from tests.support.hostile import HOSTILE

LIMITS = BODY_LIMIT, limit_with_message(Settings())  # bytes of a form

METHODS = [
    *("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "M-SEARCH"),
    *("HEAD", "HEAD", "HEAD"),
]
VALUES = [
    *("", "0", "1", "-1", "2", "999999999999999", "9" * 16, "1e3", "0x1", " 1", "٣", "null"),
    *("alice", "edit", "delete", "correct horse battery", "a@b", "\x00", "\ufeff", "\u202e", "👍"),
    *("x" * 65, "x" * 2001, "a\r\nSet-Cookie: a=b", "$ne", "../../etc/passwd", "%00", "(", '"'),
    *HOSTILE[::9],
]
NAMES = [
    *("msg", "nonce", "action", "login", "email", "password", "password2", "old", "confirm"),
    *("session", "q", "begin", "before", "around", "after", "since", "returning", "login[$ne]"),
]
FIELDS = {  # of the forms, by the path that they are posted to
    "/": ["msg", "nonce"],
    "/message/{seq:[0-9]{1,15}}": ["action", "msg", "nonce"],
    "/login": ["login", "password"],
    "/signin": ["login", "email", "password", "password2"],
    "/account": ["action", "old", "password", "password2", "session", "confirm"],
    "/people": ["action", "uses", "days", "link"],
    "/person": ["login", "action", "also_remove"],
    "/password": ["link", "password", "password2"],
}
FORM = "application/x-www-form-urlencoded"
TYPES = [
    *(
        "",
        "text/plain",
        "application/json",
        "multipart/form-data",
        "a/b;0*",
        "\xff/\xfe",
        f"{FORM};",
    ),
    *(f"{FORM}; charset={name}" for name in ("latin-1", "utf-16", "nonsense", "\xe9", "utf-8")),
]
ENDING = {"signout"}  # routes after which a cookie is worth nothing
SCRAPS = [
    *(b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"%", b"\xff", b";", b",", b"=", b"\x7f"),
    *(b"\r\n\r\n", b"HTTP/1.1", b"GET / HTTP/1.1\r\n\r\n", b"Host: evil.example\r\n", b"x" * 9000),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: upgrade\r\n"),
]


class OddRequest(NamedTuple):
    """The bytes of a request; one that is not whole may be left without an answer."""

    data: bytes
    is_whole: bool = True

    @property
    def is_head(self) -> bool:
        """Whether the answer has no body."""
        return self.data.startswith(b"HEAD ")


class OddRequests:
    """Draws requests; `cookies` are genuine ones."""

    def __init__(self, dice: random.Random, host: str, cookies: Sequence[str]) -> None:
        self.dice = dice
        self._host = host
        self._cookies = cookies

    def draw(self) -> OddRequest:
        """Return a request."""
        dice = self.dice
        method, path, _, name = dice.choice(routes)
        if name in ENDING and dice.random() < 0.95:
            return self.draw()
        if method == "*" or dice.random() < 0.2:
            method = dice.choice(("GET", "POST"))
        if dice.random() < 0.1:
            method = dice.choice(METHODS)
        target, headers = self._target(path), self._headers()
        body, is_whole = b"", True
        if method not in ("GET", "HEAD") or dice.random() < 0.05:
            body, more, is_whole = self._body(FIELDS.get(path, []))
            headers += more
        if path == "/ws" and dice.random() < 0.8:
            headers += self._upgrade()
        dice.shuffle(headers)
        version = "HTTP/1.1" if dice.random() < 0.95 else "HTTP/1.0"
        head = "\r\n".join([f"{method} {target} {version}", *headers, "", ""])
        data = head.encode("utf-8", "surrogateescape") + body
        if dice.random() < 0.15:
            data, is_whole = self._broken(data), False
        return OddRequest(data, is_whole)

    def _target(self, path: str) -> str:
        dice = self.dice
        path = re.sub(r"{seq:.*?}", lambda _: dice.choice(("1", "2", "9" * 15, "0", "x")), path)
        path = path.replace("{filename:.+}", dice.choice(("js/main.js", "css/base.css", "none")))
        match dice.randrange(20):
            case 0:
                path += dice.choice(("/", "X", "%00", "%2f", "/..", "/%2e%2e/app.py", "//", "%"))
            case 1:
                path = dice.choice(("/static/..", "/.", "//evil.example", "/%2e%2e")) + path
            case 2:
                path = "/" + "".join(dice.choice((c, f"%{ord(c):02x}")) for c in path[1:])
            case 3:
                start = dice.randrange(len(path))
                path = path[:start] + quote_plus(dice.choice(VALUES)) + path[start:]
            case 4:
                path = dice.choice((path.upper(), f"http://{self._host}{path}", path + "\xe9"))
        if dice.random() < 0.4:
            path += "?" + self._encoded(dice.choices(NAMES, k=dice.randrange(4)))
        return path

    def _headers(self) -> list[str]:
        """Return headers, most of them harmless."""
        dice, value = self.dice, self.dice.choice(VALUES).translate({0: "", 10: "", 13: ""})
        headers = [f"Host: {self._host}"] if dice.random() < 0.98 else []
        if dice.random() < 0.85:
            headers.append(f"Cookie: {self._cookie()}")
        odd = [
            "Host: evil.example", "Host: [", "Accept: application/json", "Accept: */*",
            "Origin: https://evil.example", "Origin: null", f"Origin: http://{self._host}",
            "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty",
            "Expect: 100-continue", "Expect: \xff", f"X-Forwarded-For: {value}",
            "X-Forwarded-Proto: http", "Connection: close", "Connection: keep-alive, \xe9",
            "Upgrade: h2c", "Range: bytes=0-1", "Range: bytes=9-1,x", "If-None-Match: *",
            'If-None-Match: "a", W/"b', "If-Modified-Since: yesterday", "Accept-Encoding: gzip",
            "Accept-Encoding: \udcff", f"User-Agent: {value}", "User-Agent: \udcff\udcfe",
            f"X-Odd: {value}", "X-Long: " + "x" * dice.choice((100, 8000, 9000)),
            *(["X-Many: 1"] * dice.choice((1, 50))), "Content-Encoding: gzip",
            "Sec-WebSocket-Protocol: chat.v1", "Trailer: X", "TE: trailers",
        ]  # fmt: skip
        return headers + dice.sample(odd, dice.choice((0, 0, 1, 1, 2, 5)))

    def _cookie(self) -> str:
        """Return a genuine session cookie, or what somebody made of one."""
        dice, genuine = self.dice, self.dice.choice(self._cookies)
        if dice.random() < 0.6:
            return genuine
        name, _, value = genuine.partition("=")
        place = dice.randrange(len(value))
        return dice.choice(
            (
                f"{name}={value[:place]}{chr(dice.randrange(33, 127))}{value[place + 1 :]}",
                f"{name}={value[:place]}",
                f"{name}={value}; {name}={value[::-1]}",
                f"{name}={value[::-1]}; {name}={value}",
                f'{name}="{value}"',
                f"{name}={quote_plus(dice.choice(VALUES))}",
                f"{name}={'gAAAAA' * dice.choice((1, 100, 1000))}",
                f"{name}=\udcff\udc80; a=b;;; =c; {genuine}",
                "; ".join(f"c{number}={number}" for number in range(200)),
            )
        )

    def _upgrade(self) -> list[str]:
        """Return the headers that ask for a WebSocket, some of them perhaps wrong."""
        dice = self.dice
        return [
            "Connection: Upgrade",
            f"Upgrade: {dice.choice(('websocket', 'websocket', 'WebSocket', 'x'))}",
            f"Sec-WebSocket-Version: {dice.choice(('13', '13', '8', 'x', ''))}",
            f"Sec-WebSocket-Key: {dice.choice(('MDEyMzQ1Njc4OWFiY2RlZg==', 'x', ''))}",
            f"Sec-WebSocket-Protocol: {dice.choice(('chat.v1', 'a, chat.v1', 'x', ''))}",
        ]

    def _body(self, names: list[str]) -> tuple[bytes, list[str], bool]:
        """Return a body, the headers about it, and whether they tell the truth."""
        dice = self.dice
        if dice.random() < 0.3:
            names = dice.choices(NAMES, k=dice.randrange(5))
        kind, body = FORM, self._encoded(names).encode()
        match dice.randrange(20):
            case 0:
                kind = "multipart/form-data; boundary=x"
                body = b'--x\r\nContent-Disposition: form-data; name="msg"\r\n\r\nhi\r\n--x--\r\n'
            case 1:
                kind, body = "application/json", json.dumps({"msg": dice.choice(VALUES)}).encode()
            case 2:
                body = dice.randbytes(dice.randrange(300))
            case 3:
                body = b"msg=" + b"x" * dice.choice(
                    [size for limit in LIMITS for size in (limit - 4, limit, 2 * limit)]
                )
            case 4:
                body = b"&".join([b"msg=1"] * dice.choice((2, 21, 1000)))
            case 5:
                body = gzip.compress(body)
            case 6:
                body = b"msg=%ff%fe" + dice.choice((b"", b"&%=%zz", b"\xff", b"&msg=%ED%A0%80"))
            case 7 | 8:
                kind = dice.choice(TYPES)
        headers, size, is_whole = [f"Content-Type: {kind}"], len(body), True
        match dice.randrange(20):
            case 0:
                lie = dice.choice((size + 1, size // 2, -1, "x", "", f"{size}, {size}", f"+{size}"))
                headers, is_whole = [*headers, f"Content-Length: {lie}"], False
            case 1:
                headers += ["Transfer-Encoding: chunked"]
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if size else b"0\r\n\r\n"
            case 2:
                lie = dice.choice((size + 3, max(size - 3, 0), 2**40))
                headers, is_whole = [*headers, "Transfer-Encoding: chunked"], False
                body = b"%x%b\r\n%b\r\n0\r\n\r\n" % (lie, dice.choice(SCRAPS[:12]), body)
            case 3:
                coding = dice.choice(("chunked", "x", "chunked, chunked", "gzip, chunked", "\xe9"))
                headers += [f"Content-Length: {size}", f"Transfer-Encoding: {coding}"]
                is_whole = False
            case _:
                headers.append(f"Content-Length: {size}")
        return body, headers, is_whole

    def _encoded(self, names: list[str]) -> str:
        """Return fields as in a query or a form, with odd values."""
        pairs = ((name, self.dice.choice(VALUES)) for name in names)
        return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)

    def _broken(self, data: bytes) -> bytes:
        """Return a request with a piece cut out, put in or replaced."""
        dice, end = self.dice, self.dice.choice((30, len(data)))
        start = dice.randrange(min(end, len(data)))
        match dice.randrange(5):
            case 0:
                return data[:start]
            case 1:
                return data[:start] + data[start + dice.randrange(1, 10) :]
            case 2:
                return data[:start] + dice.choice(SCRAPS) + data[start:]
            case 3:
                return data[:start] + dice.randbytes(1) + data[start + 1 :]
            case _:
                return data.replace(b"\r\n", b"\n", dice.choice((1, -1)))

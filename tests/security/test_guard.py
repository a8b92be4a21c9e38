"""What every request passes: the cross-origin guard, hosts, https, headers, error pages."""

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest

from tests.support.accounts import JSON
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.raw_requests import ask, exchange
from tests.support.sessions import held_by

PUBLIC = "https://chat.example.com"
OTHER = "https://talk.example.org:8443"


def own_origin(house: House) -> str:
    """Return the origin of the chat's own pages."""
    return f"http://{house.server.host}:{house.server.port}"


def filled(house: House, headers: Iterable[str]) -> list[str]:
    """Fill in the chat's own origin, and its address."""
    own = urlsplit(own_origin(house))
    return [line.format(own=own.geturl(), host=own.netloc, port=own.port) for line in headers]


async def talk_is(person: Person) -> list[str]:
    """Return the messages on a person's page."""
    page = await person.page()
    return re.findall(r'class="message__text"[^>]*>(.+?)</span>', page)


EVIL = "Origin: https://evil.example"
SAME, CROSS = "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"
CROSS_SITE: list[tuple[list[str], bool]] = [
    ([], True),
    ([SAME], True),
    (["Sec-Fetch-Site: none"], True),
    (["Sec-Fetch-Site: same-site"], False),
    ([CROSS], False),
    (["Sec-Fetch-Site: "], False),
    (["Sec-Fetch-Site: Same-Origin"], False),
    (["Sec-Fetch-Site: same-origin, none"], False),
    ([SAME, EVIL], True),
    ([CROSS, "Origin: {own}"], False),
    (["Origin: {own}"], True),
    (["Origin: https://{host}"], False),
    (["Origin: http://127.0.0.1"], False),
    (["Origin: http://localhost:{port}"], False),
    (["Origin: {own}.evil.example"], False),
    (["Origin: {own}/"], False),
    ([EVIL], False),
    (["Origin: null"], False),
    (["Origin: "], False),
    (["Origin: {own} https://evil.example"], False),
    (["Origin: {own}", "Origin: {own}"], False),
    (["Origin: {own}", EVIL], False),
    ([SAME, SAME], False),
    ([SAME, CROSS], False),
    ([CROSS, SAME], False),
]
SOCKET_ORIGINS: list[tuple[list[str], bool]] = [
    ([], True),
    (["Origin: {own}"], True),
    (["Origin: {own}", CROSS], True),
    ([EVIL], False),
    ([EVIL, SAME], False),
    (["Origin: https://{host}"], False),
    (["Origin: null"], False),
    (["Origin: "], False),
    (["Origin: {own}", "Origin: {own}"], False),
    (["Origin: {own}", EVIL], False),
    ([EVIL, "Origin: {own}"], False),
]
POST, UPGRADE = (
    ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 6"],
    ["Upgrade: websocket", "Sec-WebSocket-Version: 13",
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
)  # fmt: skip


@pytest.mark.parametrize(("headers", "passes"), CROSS_SITE)
async def test_a_post_and_a_sign_out_pass_from_the_own_origin_or_from_a_script(
    house: House, alice: Person, headers: list[str], passes: bool
) -> None:
    lines = [f"Cookie: chat_session={held_by(alice)}", *filled(house, headers)]
    posted = await ask(house, *lines, *POST, method="POST", path="/", body=b"msg=hi")
    assert posted.status == (303 if passes else 403)
    assert (b"came from another site" in posted.body) is not passes
    assert await talk_is(alice) == (["hi"] if passes else [])
    gone = await ask(house, *lines, "Content-Length: 0", method="POST", path="/signout")
    assert gone.status == (303 if passes else 403)
    assert ("Set-Cookie" in gone.headers) is passes
    assert (await alice.get("/")).status == (303 if passes else 200)


@pytest.mark.parametrize(("headers", "passes"), SOCKET_ORIGINS)
async def test_a_socket_goes_by_origin_alone(
    house: House, alice: Person, headers: list[str], passes: bool
) -> None:
    lines = [f"Cookie: chat_session={held_by(alice)}", *filled(house, headers), *UPGRADE]
    answer = await ask(house, *lines, path="/ws", connection="Upgrade")
    assert answer.status == (101 if passes else 403)


@pytest.mark.parametrize(
    "path",
    ["/login", "/signin", "/signout", "/", "/account", "/message/1", "/people", "/person",
     "/password", "/nowhere", "/healthz", "/metrics"],
)  # fmt: skip
async def test_no_unsafe_method_passes_from_another_site(house: House, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        answer = await ask(house, EVIL, "Content-Length: 0", method=method, path=path)
        assert answer.status == 403, method
        assert "This request came from another site and was refused." in answer.body.decode()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("site", ["cross-site", "same-origin", None])
async def test_a_link_signs_nobody_out(alice: Person, method: str, site: str | None) -> None:
    headers = {"Sec-Fetch-Site": site} if site else {}
    response = await alice.client.request(method, "/signout", headers=headers)
    assert response.status == 200
    if method == "GET":
        assert '<form class="form" method="post" action="/signout"' in await response.text()
    assert (await alice.get("/")).status == 200


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
async def test_a_link_from_another_site_opens_a_page(
    alice: Person, headers: dict[str, str]
) -> None:
    for path in ("/", "/static/css/base.css", "/healthz"):
        assert (await alice.get(path, headers=headers)).status == 200
    assert (await alice.get("/login", headers=headers)).status == 303


async def test_ws_refuses_a_foreign_origin_before_it_asks_who_that_is(visitor: Person) -> None:
    foreign = {"Origin": "https://evil.example"}
    assert (await visitor.get("/ws", headers=foreign)).status == 403
    assert (await visitor.get("/ws")).status == 401


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("chat.example.com", PUBLIC, True),
        ("chat.example.com", "HTTPS://Chat.Example.COM", True),
        ("chat.example.com:443", PUBLIC, True),
        ("chat.example.com.", "https://chat.example.com.", True),
        ("chat.example.com", "https://chat.example.com:443", True),
        ("chat.example.com:8443", PUBLIC + ":8443", False),
        ("chat.example.com", OTHER, True),
        ("talk.example.org:8443", PUBLIC, True),
        ("chat.example.com", "http://chat.example.com", True),  # the page's own, as it came
        ("chat.example.com", "https://chat.example.com:444", False),
        ("chat.example.com", "https://evil.example", False),
        ("chat.example.com", "https://talk.example.org", False),
    ],
)
async def test_public_origins_pass(
    open_house: OpenHouse, host: str, origin: str, passes: bool
) -> None:
    house = await open_house(PUBLIC_ORIGINS=(PUBLIC, OTHER))
    lines = [f"Host: {host}", f"Origin: {origin}", "Content-Length: 0"]
    answer = await ask(house, *lines, method="POST", path="/signout")
    assert answer.status == (303 if passes else 403)


@pytest.mark.parametrize(("scheme", "passes"), [("https", True), ("http", False)])
async def test_own_origin_is_https_under_secure_cookies(
    open_house: OpenHouse, scheme: str, passes: bool
) -> None:
    house = await open_house(SECURE_COOKIES=True)
    origin = f"Origin: {scheme}://{urlsplit(own_origin(house)).netloc}"
    for method, path, status in (("POST", "/signout", 303), ("GET", "/ws", 401)):
        answer = await ask(house, origin, "Content-Length: 0", method=method, path=path)
        assert answer.status == (status if passes else 403)


BOTH, ANYWHERE = {"PUBLIC_ORIGINS": (PUBLIC, OTHER)}, {"SITE_HOST": "0.0.0.0"}


@pytest.mark.parametrize(
    ("changes", "host", "status"),
    [
        *(({}, host, 200) for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9",
          "[::1]:8080", "localhost.", "localhost.:8080", "127.0.0.1.", "[0:0:0:0:0:0:0:1]:80",
          "localhost:")),
        *(({}, host, 403) for host in ("evil.example", "evil.example:8080", "192.168.0.7", "[::1",
          "localhost.evil.example", "localhost..", "evil.localhost.example.",
          "evil@localhost", "localhost@evil.example", "localhost#.evil.example", "localhost/evil",
          "localhost?", "localhost:x", "localhost:80:80", "[::1]evil", "[::1%25lo]", "[localhost]",
          "localhost, localhost", "foo.localhost", "l\u00f6calhost", "\u2113ocalhost", ".", ":80",
          "127.0.0.1.evil.example", "[", "[v1.x]", "")),
        (ANYWHERE, "evil.example", 200),
        (ANYWHERE, "", 403),
        ({"SITE_HOST": "::1"}, "evil.example", 403),
        ({"SITE_HOST": "localhost"}, "evil.example", 403),
        *((BOTH, host, 200) for host in ("chat.example.com", "Chat.Example.Com",
          "talk.example.org:8443", "chat.example.com:443", "chat.example.com.",
          "CHAT.example.com.:443", "chat.example.com:80", "chat.example.com:",
          "talk.example.org.:8443")),
        ({"PUBLIC_ORIGINS": ("http://[2001:db8::1]:8080",)}, "[2001:DB8:0:0::0001]:8080", 200),
        ({"PUBLIC_ORIGINS": ("http://[2001:db8::1]:8080",)}, "[2001:db8::2]:8080", 403),
        *((BOTH, host, 403) for host in ("talk.example.org", "localhost", "chat.example.com:444",
          "chat.example.com..", "chat.example.com:443x", "user@chat.example.com",
          "chat.example.com/", "chat.example.com:443:443", "[chat.example.com]",
          ".chat.example.com", "tal\u212a.example.org:8443", "chat%2eexample.com",
          "chat.example.com,talk.example.org",
          "talk.example.org:443")),
        ({"PUBLIC_ORIGINS": (PUBLIC,), **ANYWHERE}, "evil.example", 403),
    ],
)  # fmt: skip
async def test_only_known_hosts_are_answered(
    open_house: OpenHouse, changes: dict[str, object], host: str, status: int
) -> None:
    house = await open_house(**changes)
    for path in ("/login", "/static/css/base.css"):
        answer = await ask(house, f"Host: {host}", path=path)
        assert answer.status == status
        assert (b"does not answer under this host name" in answer.body) is (status == 403)
    assert (await ask(house, f"Host: {host}", path="/healthz")).status == 200


@pytest.mark.parametrize("changes", [{}, ANYWHERE])
async def test_a_request_with_two_hosts_or_none_is_refused(
    open_house: OpenHouse, changes: dict[str, object]
) -> None:
    house = await open_house(**changes)
    own = urlsplit(own_origin(house)).netloc
    two = await ask(house, f"Host: {own}", f"Host: {own}")
    assert two.status in (400, 403)
    assert (await exchange(house, b"GET /login HTTP/1.0\r\n\r\n")).status in (400, 403)


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost:8080/login", "localhost:8080", 200),
        ("HTTP://LocalHost./login?next=/", "localhost:80", 200),
        ("http://[::1]/login", "[0:0::1]", 200),
        ("http://evil.example/login", "localhost", 403),
        ("http://evil.example/login", "evil.example", 403),
        ("http://localhost/login", "127.0.0.1", 403),
        ("http://localhost:8080/login", "localhost", 403),
        ("http://user@localhost/login", "localhost", 403),
        ("https://localhost:443/login", "localhost:80", 403),
    ],
)
async def test_a_target_that_is_a_whole_url_has_to_have_the_host(
    house: House, target: str, host: str, status: int
) -> None:
    assert (await ask(house, f"Host: {host}", path=target)).status == status


@pytest.mark.parametrize(
    ("proxies", "secure", "proto", "status"),
    [
        (1, True, ["http"], 308),
        (1, True, ["HTTP"], 308),
        (1, True, ["https, http"], 308),
        (1, True, ["https"], 200),
        (1, True, ["http, https"], 200),
        (1, True, [], 200),
        (0, True, ["http"], 200),
        (1, False, ["http"], 200),
        (1, True, ["https", "http"], 308),
    ],
)
async def test_plain_http_behind_a_proxy_is_sent_to_https(
    open_house: OpenHouse, proxies: int, secure: bool, proto: list[str], status: int
) -> None:
    house = await open_house(
        TRUSTED_PROXIES=proxies, SECURE_COOKIES=secure, PUBLIC_ORIGINS=(PUBLIC,)
    )
    headers = ["Host: chat.example.com", *(f"X-Forwarded-Proto: {value}" for value in proto)]
    answer = await ask(house, *headers, path="/login?next=here")
    assert answer.status == status
    if status == 308:
        assert answer.headers["Location"] == "https://chat.example.com/login?next=here"
    health = await ask(house, "Host: 10.0.0.7", *headers[1:], path="/healthz")
    assert (health.status, json.loads(health.body)) == (200, {"status": "ok", "database": "ok"})
    assert "Set-Cookie" not in health.headers


SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
EVERYWHERE = [
    ("GET", "/", 200),
    ("GET", "/?before=nonsense", 400),
    ("GET", "/login", 303),
    ("HEAD", "/", 200),
    ("GET", "/nowhere", 404),
    ("DELETE", "/", 405),
    ("GET", "/static/js/main.js", 200),
    ("GET", "/static/css/base.css", 200),
    ("GET", "/static/img/favicon.png", 200),
    ("GET", "/static/nothing.js", 404),
    ("GET", "/healthz", 200),
    ("GET", "/metrics", 200),
    ("GET", "/ws", 400),
    ("POST", "/login", 415),
    ("POST", "/", 415),
    ("GET", "/account", 200),
    ("GET", "/account/messages.jsonl", 200),
    ("POST", "/account", 415),
    ("GET", "/people", 200),
    ("GET", "/people/names", 200),
    ("GET", "/people/absent", 200),
    ("POST", "/person", 415),
]


@pytest.mark.parametrize("secure", [False, True])
async def test_security_headers_are_on_everything(open_house: OpenHouse, secure: bool) -> None:
    house = await open_house(SECURE_COOKIES=secure, METRICS_TOKEN="a-token-of-the-tests")
    response = await (await house.visitor()).register("alice")
    [cookie] = response.cookies.values()
    authorization = "Bearer a-token-of-the-tests"  # for /metrics
    alice = await house.visitor(
        headers={"Cookie": f"{cookie.key}={cookie.value}", "Authorization": authorization}
    )
    for method, path, status in EVERYWHERE:
        response = await alice.client.request(method, path, allow_redirects=False)
        assert response.status == status, (method, path)
        assert {name: response.headers.get(name) for name in SECURITY} == SECURITY, (method, path)
        assert_policy_is_strict(response.headers["Content-Security-Policy"])
        year = f"max-age={365 * 24 * 3600}" if secure else None
        assert response.headers.get("Strict-Transport-Security") == year
        assert "Server" not in response.headers
        is_asset = path.startswith("/static") and status == 200
        cached = "no-cache" if is_asset else "no-store"
        assert response.headers["Cache-Control"] == cached, (method, path)


def assert_policy_is_strict(policy: str) -> None:
    directives = {words[0]: words[1:] for words in map(str.split, policy.split(";"))}
    sources = {source for sources in directives.values() for source in sources}
    assert sources <= {"'none'", "'self'"}
    assert directives["default-src"] == ["'none'"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["base-uri"] == ["'none'"]
    assert directives["form-action"] == ["'self'"]
    assert directives["script-src"] == ["'self'"]


async def test_security_headers_are_on_errors_of_the_chat_itself(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr("auth.views.Login.context", fail)
    visitor = await house.visitor()
    response = await visitor.get("/login", headers=JSON)
    error = "Something went wrong. The error was logged; please try again."
    assert (response.status, await response.json()) == (500, {"error": error})
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "a secret of the inside" in caplog.text


async def test_no_page_has_script_or_style_of_its_own(alice: Person, visitor: Person) -> None:
    for person, path in ((alice, "/"), (visitor, "/login"), (visitor, "/signin"), (alice, "/x")):
        page = await (await person.get(path)).text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
        assert not re.search(r'(src|href|action)="(\w+:|//)', page)


@pytest.mark.parametrize(
    "path", ["/loginX", "/login/", "/signinX", "/signout2", "/staticX", "/wsX", "/LOGIN", "//login"]
)
async def test_a_path_that_only_begins_like_a_known_one_is_not_found(
    house: House, path: str
) -> None:
    answer = await ask(house, path=path)
    assert answer.status == 404
    page = answer.body.decode()
    assert "This page does not exist." in page
    assert 'href="/"' in page


async def test_an_unknown_path_is_said_in_json_to_a_script_and_comes_back_as_text_only(
    visitor: Person,
) -> None:
    response = await visitor.get("/x", headers=JSON)
    error = {"error": "This page does not exist."}
    assert (response.status, await response.json()) == (404, error)
    assert "alert(1)" not in await visitor.page("/<script>alert(1)</script>", 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/", {"GET", "HEAD", "POST"}),
        ("PUT", "/", {"GET", "HEAD", "POST"}),
        ("DELETE", "/login", {"GET", "HEAD", "POST"}),
        ("PROPFIND", "/signin", {"GET", "HEAD", "POST"}),
        ("PUT", "/signout", {"GET", "HEAD", "POST"}),
        ("POST", "/ws", {"GET"}),
        ("PUT", "/account", {"GET", "HEAD", "POST"}),
        ("PUT", "/person", {"GET", "HEAD", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("POST", "/static/js/main.js", {"GET", "HEAD"}),
    ],
)
async def test_an_unknown_method_gets_a_friendly_page(
    alice: Person, method: str, path: str, allowed: set[str]
) -> None:
    response = await alice.client.request(method, path)
    assert response.status == 405
    assert response.content_type == "text/html"
    assert "This address can&#39;t be used in this way." in await response.text()
    assert set(re.findall(r"[A-Z]+", response.headers["Allow"])) == allowed


@pytest.mark.parametrize(
    "path",
    ["/", "/?before=2", "/login", "/signin", "/account", "/healthz", "/metrics",
     "/static/js/main.js", "/nowhere"],
)  # fmt: skip
@pytest.mark.parametrize("signed_in", [True, False])
async def test_head_answers_like_get_without_a_body(
    house: House, path: str, signed_in: bool
) -> None:
    person = await (house.sign_in("alice") if signed_in else house.visitor())
    get, head = await person.get(path), await person.client.head(path, allow_redirects=False)
    assert head.status == get.status
    assert await head.read() == b""
    assert "Content-Length" in head.headers
    for name in head.headers.keys() | get.headers.keys():
        if name not in ("Date", "Content-Length"):  # the page has a fresh nonce
            assert head.headers.get(name) == get.headers.get(name), name

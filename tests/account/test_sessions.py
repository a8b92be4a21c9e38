"""The list of one's own sessions, and ending them."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from account.sessions import describe
from auth.sessions import SESSIONS
from tests.support.accounts import log_in, signed_in_as, user_id_of
from tests.support.hostile import HOSTILE
from tests.support.house import House
from tests.support.pages import FormPage, told
from tests.support.people import PASSWORD, Person
from tests.support.raw_requests import ask
from tests.support.sessions import held_by, present, stored_sessions

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 {}Safari/537.36"
WINDOWS, ANDROID = "Windows NT 10.0; Win64; x64", "Linux; Android 10; K"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


async def marks(person: Person) -> list[str]:
    """Return what the page's buttons call the sessions; the person's own comes first."""
    return re.findall(r'name="session" value="(\w+)"', await person.page("/account"))


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME.format(WINDOWS, ""), "Chrome on Windows"),
        (CHROME.format(WINDOWS, "Edg/140.0 "), "Edge on Windows"),
        (CHROME.format("X11; CrOS x86_64 14541.0.0", ""), "Chrome on ChromeOS"),
        (CHROME.format(ANDROID, "Mobile "), "Chrome on Android"),
        (CHROME.format(ANDROID, "SamsungBrowser/28.0 "), "Samsung Internet on Android"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {APPLE} CriOS/140 Safari/604",
            "Chrome on iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 200, "x" * 60),
        ("", "Unknown browser"),
    ],
)
def test_user_agents_are_described(agent: str, words: str) -> None:
    assert describe(agent) == words


async def test_every_session_is_listed_with_its_browser_and_times(house: House) -> None:
    await house.sign_in("alice")
    await house.sign_in("bob")
    alice = await log_in(house, "alice", headers={"User-Agent": FIREFOX})
    page = await alice.page("/account")
    assert len(await marks(alice)) == 2
    assert re.search(r'<bdi>Firefox on Linux</bdi> <span class="row__note">this browser', page)
    assert page.count("this browser") == 1
    times = re.findall(r'datetime="([^"]+)"', page)
    assert len(times) == 4
    for time in times:
        assert datetime.now(UTC) - datetime.fromisoformat(time) < timedelta(minutes=1)
    for session in await stored_sessions(house):
        assert session["_id"] not in page


async def test_a_browser_s_name_stays_text(house: House, alice: Person) -> None:
    agents = HOSTILE[:90]
    for agent in agents:
        await house.app[SESSIONS].create(await user_id_of(house, "alice"), "alice", agent)
    shown = re.findall(r"<bdi>(.*?)</bdi>", await alice.page("/account"), re.DOTALL)
    assert sorted(map(html.unescape, shown[1:])) == sorted(map(describe, agents))


async def test_a_browser_s_name_may_be_any_bytes(house: House) -> None:
    await house.sign_in("alice")
    body = f"login=alice&password={PASSWORD.replace(' ', '+')}".encode()
    answer = await ask(
        house,
        "User-Agent: \udcff\udcfe",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        method="POST",
        body=body,
    )
    assert answer.status == 303
    assert len(await marks(await log_in(house, "alice"))) == 3


async def test_a_session_can_be_ended_from_another(house: House, alice: Person) -> None:
    other = await log_in(house, "alice")
    cookie, socket = held_by(other), await other.connect()
    own, its = await marks(alice)
    response = await alice.post("/account", {"action": "end_session", "session": its})
    assert (response.status, response.headers["Location"]) == (303, "/account")
    assert await socket.close_code() == 4401
    assert await signed_in_as(await present(house, cookie)) is None
    assert told(await alice.page("/account")) == "The session has ended."
    assert await marks(alice) == [own]


async def test_ending_one_s_own_session_signs_out(house: House, alice: Person) -> None:
    cookie = held_by(alice)
    response = await alice.post(
        "/account", {"action": "end_session", "session": (await marks(alice))[0]}
    )
    assert (response.status, response.headers["Location"]) == (303, "/login")
    [deleted] = response.cookies.values()
    assert (deleted.value, deleted["max-age"]) == ("", "0")
    assert await signed_in_as(await present(house, cookie)) is None


@pytest.mark.parametrize("form", [{}, {"session": ""}, {"session": "$ne"}, {"session": "0" * 16}])
async def test_ending_an_unknown_session_says_so(alice: Person, form: dict[str, str]) -> None:
    response = await alice.post("/account", {"action": "end_session", **form})
    assert response.status == 404
    assert (await FormPage.read(response)).error == "This session has already ended"
    assert await signed_in_as(alice) == "alice"


async def test_nobody_ends_somebody_else_s_session(alice: Person, bob: Person) -> None:
    [mark] = await marks(bob)
    assert (await alice.post("/account", {"action": "end_session", "session": mark})).status == 404
    assert await signed_in_as(bob) == "bob"


async def test_signing_out_everywhere_leaves_nothing(
    house: House, alice: Person, bob: Person
) -> None:
    others = [await log_in(house, "alice") for _ in range(2)]
    cookies = [held_by(person) for person in (alice, *others)]
    socket = await others[0].connect()
    response = await alice.post("/account", {"action": "sign_out_everywhere"})
    assert (response.status, response.headers["Location"]) == (303, "/login")
    assert await socket.close_code() == 4401
    for cookie in cookies:
        assert await signed_in_as(await present(house, cookie)) is None
    assert await signed_in_as(bob) == "bob"
    assert len(await stored_sessions(house)) == 1

"""Requests that no browser sends: each is answered as HTTP has it, and nobody else is harmed."""

import asyncio
import random
import re
from collections import Counter
from contextlib import suppress

import pytest

from auth.passwords import HASHER
from pages import forms
from server import connections
from settings import MESSAGE_COLLECTION, Settings
from tests.support.accounts import signed_in
from tests.support.odd_requests import OddRequest, OddRequests
from tests.support.raw_requests import Answer
from tests.support.raw_sockets import cookies
from tests.support.site import ChatSite, serving
from tests.support.soak import MEGABYTE, SEED, Measure, size
from tests.support.sockets import connect
from tests.support.waiting import CROWD_PATIENCE, PATIENCE, until

REQUESTS = size(soak=100_000, test=1_000)
FOUND: list[int] = []  # seeds that once found a fault; they always run, in the short form
RUNS = [*((seed, 1_000) for seed in FOUND), (SEED, REQUESTS)]
WARM_UP = size(soak=5_000, test=500)  # requests until caches are full
PER_PERSON = 500  # requests, among them some that sign out
AT_ONCE = 50  # connections

HEAD = re.compile(
    rb"HTTP/(0\.9|1\.[01]) [1-5]\d\d [ -~]+\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+: [ -~]*\r\n)+\r\n"
)
EXPECTED = {101, 200, 303, 304, 400, 401, 403, 404, 405, 408, 413, 415, 417, 429, 431}
# What aiohttp says before the request reaches the application: it has no pages.
BEFORE_THE_APPLICATION = {400, 417}
SECURITY = [
    *("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"),
    *("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"),
]


async def answer_to(chat: ChatSite, request: OddRequest) -> int | None:
    """Return the status of the answer, after checking it; None if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
    try:
        writer.write(request.data)
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100 "):
                head = await reader.readuntil(b"\r\n\r\n")
            assert HEAD.fullmatch(head), head
            answer = Answer(head, b"")
            if request.is_whole and not request.is_head and answer.status not in (101, 304):
                await reader.readexactly(int(answer.headers.get("Content-Length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        begun = error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
        if request.is_whole or begun:
            raise AssertionError(f"the answer is missing, or broken off: {begun!r}") from error
        return None
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    assert answer.status in EXPECTED, head
    is_plain = answer.headers.get_content_type() == "text/plain"
    if answer.status != 101 and not (answer.status in BEFORE_THE_APPLICATION and is_plain):
        assert all(name in answer.headers for name in SECURITY), head
    return answer.status


async def fuzz(chat: ChatSite, seed: str, requests: int) -> Counter[int | None]:
    """Send requests, in the name of somebody new from time to time; count the answers."""
    statuses = Counter[int | None]()
    for number in range(0, requests, PER_PERSON):
        login = f"u{random.Random(f'{seed} {number}').getrandbits(64):x}"
        async with signed_in(chat.url, login) as browser:
            dice = random.Random(f"{seed} {number}")
            odd = OddRequests(dice, f"127.0.0.1:{chat.port}", [cookies(chat.url, browser)])
            wanted = iter(range(min(PER_PERSON, requests - number)))

            async def ask() -> None:
                for _ in wanted:  # noqa: B023
                    request = odd.draw()  # noqa: B023
                    try:
                        statuses[await answer_to(chat, request)] += 1
                    except (AssertionError, TimeoutError) as error:
                        error.add_note(f"was sent: {request.data[:3000]!r}")
                        raise

            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return statuses


@pytest.mark.timeout(120 + REQUESTS / 50)
@pytest.mark.parametrize(("seed", "requests"), RUNS)
async def test_odd_requests_are_answered_as_http_has_it_and_leave_nothing_behind(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    measure: Measure,
    seed: int,
    requests: int,
) -> None:
    # To wait for more than was sent would take most of the time.
    monkeypatch.setattr(forms, "READ_TIMEOUT", 0.2)
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 5)
    async with serving(settings) as chat:
        database = chat.database
        await fuzz(chat, f"{seed} warm", WARM_UP)
        # Argon2 takes 19 MiB in each of its threads, which the allocator keeps.
        await asyncio.gather(*(chat.app[HASHER].hash("a password", number) for number in range(8)))
        before = await measure("requests: before", database)
        statuses = await fuzz(chat, f"{seed}", requests)
        with suppress(TimeoutError):  # what it waits for is asserted below
            await until(lambda: len(asyncio.all_tasks()) <= before.tasks, CROWD_PATIENCE)
        after = await measure(f"requests: after {requests:,}", database)
        async with signed_in(chat.url, "alice") as browser:
            alice = await connect(browser)
            seq = await alice.said("still here")
            await alice.close()
        assert await database[MESSAGE_COLLECTION].count_documents({}) == seq
    assert {200, 303, 400, 403, 404, 405, 415} <= statuses.keys()
    after.check_after(before, 16 * MEGABYTE)
    assert not [record for record in caplog.records if record.levelname != "INFO"]

"""/metrics: what it counts, and who may read it."""

import os
import time
from dataclasses import replace
from typing import Any, get_args

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from chat import wire
from chat.journal import JOURNAL
from chat.refused import Code
from files.parts import SENT_FILES, UPLOADS
from server import metrics
from settings import Settings, Size
from storage.database import READY, Collection, DatabaseUnavailable
from tests.support.accounts import JSON, log_in
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import WRONG, Person
from tests.support.raw_requests import ask
from tests.support.stored_files import add_for
from tests.support.waiting import until

Numbers = dict[tuple[str, ...], float]  # by name and values of labels

TOKEN = "a-token-of-the-tests"
BEARER = f"Authorization: Bearer {TOKEN}"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a token: without one there are no numbers to read."""
    return replace(settings, METRICS_TOKEN=TOKEN)


async def scraped(house: House) -> Numbers:
    """Return the numbers that Prometheus would get."""
    answer = await ask(house, BEARER, path="/metrics")
    assert answer.status == 200
    numbers: Numbers = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            assert sample.labels.pop("process").endswith(f":{os.getpid()}")
            numbers[sample.name, *sample.labels.values()] = sample.value
    return numbers


async def moved(house: House, before: Numbers) -> Numbers:
    """Return which of the chat's numbers have changed since, and by how much."""
    changes = {key: now - before.get(key, 0) for key, now in (await scraped(house)).items()}
    always = ("process_", "chat_event_loop_lag")
    return {key: by for key, by in changes.items() if by and not key[0].startswith(always)}


async def test_a_message_is_counted_once_and_each_delivery_with_its_bytes(
    house: House, alice: Person, bob: Person
) -> None:
    sockets = [await person.connect() for person in (alice, alice, bob)]
    before = await scraped(house)
    assert (before["chat_sockets",], before["chat_people",]) == (3, 2)
    for msg in ("hi", "how are you?"):
        await sockets[0].said(msg)
    by = await moved(house, before)
    frames = map(wire.entry_frames, house.app[JOURNAL].recent.entries)
    assert by["chat_messages_total",] == 2
    assert by["chat_deliveries_total",] == 6
    assert by["chat_broadcast_bytes_total",] == 3 * sum(len(both.chat_v1) for both in frames)
    assert by["chat_flush_frames_count",] == by["chat_flush_frames_sum",] == 2
    assert by["chat_journal_wait_seconds_count",] == by["chat_journal_write_seconds_count",] == 2
    assert 0 < by["chat_journal_write_seconds_sum",] < by["chat_journal_wait_seconds_sum",]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "nonsense"}, "invalid"),
        ({"type": "message", "msg": " "}, "invalid"),
        ({"type": "message", "msg": "x" * (Settings.MESSAGE_LENGTH + 1)}, "too_long"),
        ({"type": "delete", "of": 99}, "forbidden"),
    ],
)
async def test_a_refused_frame_is_counted_by_its_code(
    house: House, alice: Person, frame: dict[str, Any], code: str
) -> None:
    socket = await alice.connect()
    before = await scraped(house)
    await socket.send(**frame)
    assert (await socket.next("error"))["code"] == code
    assert await moved(house, before) == {("chat_messages_refused_total", code): 1}


async def test_a_refused_form_is_counted_by_its_code_and_its_status(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(MESSAGES_PER_SECOND=1)
    alice = await house.sign_in("alice")
    await alice.write(*"1234")
    before = await scraped(house)
    assert (await alice.post("/", {"msg": "5"})).status == 429
    assert (await alice.post("/message/1", {"action": "edit", "msg": "5"})).status == 429
    assert (await alice.get("/nowhere", headers=JSON)).status == 404
    assert await moved(house, before) == {
        ("chat_messages_refused_total", "too_fast"): 2,
        ("chat_http_errors_total", "429"): 2,
        ("chat_http_errors_total", "404"): 1,
    }


async def test_every_code_of_a_refusal_is_there_from_the_start(house: House) -> None:
    refused = {
        key[1]: number
        for key, number in (await scraped(house)).items()
        if key[0] == "chat_messages_refused_total"
    }
    assert refused == dict.fromkeys(get_args(Code), 0)


async def test_files_are_counted_with_their_bytes(house: House, alice: Person) -> None:
    before = await scraped(house)
    assert (before["chat_files",], before["chat_files_bytes",]) == (0, 0)
    for size in (1000, 200_000):
        await add_for(house, "alice", bytes(size))
    by = await moved(house, before)
    assert (by["chat_files",], by["chat_files_bytes",]) == (2, 201_000)


@pytest.mark.parametrize(
    ("reason", "changes", "content"),
    [
        ("invalid", {}, b""),
        ("off", {"FILE_SIZE_LIMIT": Size(0)}, b"12"),
        ("too_large", {"FILE_SIZE_LIMIT": Size(1)}, b"12"),
        ("full", {"FILES_PER_USER": Size(1)}, b"12"),
        ("full", {"FILES_IN_ALL": Size(1)}, b"12"),
    ],
)
async def test_a_refused_upload_is_counted_by_its_reason(
    open_house: OpenHouse, reason: str, changes: dict[str, Any], content: bytes
) -> None:
    house = await open_house(**changes)
    alice = await house.sign_in("alice")
    before = await scraped(house)
    assert (await alice.post("/file?name=a.bin", content)).status >= 400
    by = await moved(house, before)
    assert by["chat_uploads_refused_total", reason] == 1
    assert sum(n for name, n in by.items() if name[0] == "chat_uploads_refused_total") == 1


async def test_uploads_that_are_too_many_or_find_no_place_are_counted(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await scraped(house)
    with monkeypatch.context() as patch:
        patch.setattr(house.app[SENT_FILES], "use_or_wait", lambda _: 60)
        assert (await alice.post("/file?name=a.bin", b"12")).status == 429
    monkeypatch.setattr(house.app[UPLOADS], "_most", 0)
    assert (await alice.post("/file?name=a.bin", b"12")).status == 503
    by = await moved(house, before)
    assert by["chat_uploads_refused_total", "too_many"] == 1
    assert by["chat_uploads_refused_total", "busy"] == 1


async def test_log_ins_are_counted_by_their_outcome(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice = await house.sign_in("alice")
    await house.sign_in("bob")
    before = await scraped(house)
    await log_in(house, "bob")
    assert (await alice.post("/person", {"login": "bob", "action": "ban"})).status == 303
    stranger = await house.visitor()
    statuses = [(await stranger.log_in("bob")).status, (await stranger.log_in("", "")).status]
    statuses += [(await stranger.log_in("nobody", WRONG)).status for _ in range(6)]
    monkeypatch.setattr("auth.passwords.MAX_WAITING", 0)
    statuses.append((await stranger.log_in("carol")).status)
    assert statuses == [403, 400, *[401] * 5, 429, 503]
    by = await moved(house, before)
    assert {key[1]: times for key, times in by.items() if key[0] == "chat_log_ins_total"} == {
        "ok": 1, "banned": 1, "invalid": 1, "wrong": 5, "limited": 1, "unavailable": 1
    }  # fmt: skip


async def test_the_lag_of_the_event_loop_is_how_late_it_wakes_a_sleeper(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "LAG_EVERY", 0.01)
    house = await open_house()
    before = (await scraped(house))["chat_event_loop_lag_seconds_sum",]
    time.sleep(0.5)  # noqa: ASYNC251 - holds up the loop, which is what is measured

    async def is_measured() -> bool:
        return (await scraped(house))["chat_event_loop_lag_seconds_sum",] - before > 0.4

    await until(is_measured)


async def test_each_application_has_numbers_of_its_own_and_those_of_its_process(
    open_house: OpenHouse,
) -> None:
    one, two = await open_house(), await open_house()
    await (await one.sign_in("alice")).write("hi")
    numbers = await scraped(one), await scraped(two)
    assert [each["chat_journal_write_seconds_count",] for each in numbers] == [1, 0]
    for each in numbers:
        assert each["process_resident_memory_bytes",] > 10_000_000
        assert each["process_open_fds",] > 3
        assert not [key for key in each if key[0].endswith("_created")]


async def test_the_numbers_name_nobody_and_nothing(house: House, alice: Person) -> None:
    await alice.write("a secret text")
    await alice.get("/a-secret-path")
    await (await house.visitor()).log_in("alice", "a secret password")
    answer = await ask(house, BEARER, path="/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"secret" not in answer.body
    assert b"alice" not in answer.body


BEHIND_PROXY = {
    "TRUSTED_PROXIES": 1,
    "PUBLIC_ORIGINS": ("https://chat.example.com",),
    "SECURE_COOKIES": True,
}
READERS: list[tuple[list[str], int]] = [
    ([BEARER], 200),
    ([BEARER, "X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: http"], 200),
    ([], 404),
    *(([f"Authorization: {value}"], 404) for value in (TOKEN, f"Basic {TOKEN}", "Bearer",
      "Bearer ", f"Bearer {TOKEN}s", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}",
      "Bearer \udcff", "Bearer ключ")),
    (["Authorization: Bearer no", BEARER], 404),
    ([f"Cookie: session={TOKEN}"], 404),
]  # fmt: skip


@pytest.mark.parametrize("changes", [{}, BEHIND_PROXY])
@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.1"])
async def test_whoever_has_the_token_reads_them_and_nobody_else(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], peer: str
) -> None:
    house = await open_house(**changes)
    monkeypatch.setattr(web.BaseRequest, "remote", peer)
    for headers, status in READERS:
        answer = await ask(house, "Host: 10.0.0.7", *headers, path=f"/metrics?token={TOKEN}")
        assert answer.status == status, headers


@pytest.mark.parametrize("headers", [[], [BEARER], ["Authorization: Bearer "]])
async def test_without_a_token_in_the_settings_nobody_reads_them_from_this_machine_either(
    open_house: OpenHouse, headers: list[str]
) -> None:
    house = await open_house(METRICS_TOKEN="")
    assert (await ask(house, *headers, path="/metrics")).status == 404


async def test_to_others_the_page_does_not_exist(visitor: Person) -> None:
    pages = [await visitor.get(path) for path in ("/metrics", "/nowhere")]
    assert await pages[0].text() == await pages[1].text()
    headers = [{**page.headers, "Date": ""} for page in pages]
    assert headers[0] == headers[1]


async def test_they_are_there_while_the_database_is_away(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise DatabaseUnavailable

    socket = await alice.connect()
    before = await scraped(house)
    monkeypatch.setattr(Collection, "insert_in_order", fail)
    monkeypatch.setattr("chat.journal.APPEND_TIMEOUT", 0.1)
    house.app[READY].clear()
    await socket.say("hi")
    assert (await socket.next("error"))["code"] == "unavailable"
    by = await moved(house, before)
    assert by["chat_messages_refused_total", "unavailable"] == 1
    assert by["chat_journal_write_seconds_count",] >= 1
    assert ("chat_journal_wait_seconds_count",) not in by

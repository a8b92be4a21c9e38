"""What a service of systemd tells it, and what it gets from it: states, levels, sockets."""

import asyncio
import logging
import os
import re
import socket
from pathlib import Path

import aiohttp
import pytest

from server.systemd import for_journal
from settings import ROOT
from tests.support.kernel import has_open
from tests.support.locks import held_lock
from tests.support.processes import Chat, free_port
from tests.support.services import listening_for_states, make_service
from tests.support.waiting import START_PATIENCE, until

MARKED = re.compile(r"<([2-7])>(.*)")


@pytest.mark.parametrize("is_abstract", [False, True])
async def test_it_says_that_it_is_ready_once_it_serves_and_that_it_ends(
    folder: Path, is_abstract: bool
) -> None:
    chat = Chat(folder, MONGO_HOST="")
    with listening_for_states(chat, is_abstract=is_abstract) as states:
        with held_lock(folder / "data"):
            await chat.launch()
            await until(lambda: has_open(chat.pid, folder / "data" / "lock"), START_PATIENCE)
            assert states.told == []
        await until(lambda: states.told == ["READY=1"], START_PATIENCE)
        async with aiohttp.ClientSession() as session, session.get(f"{chat.url}/login") as page:
            assert page.status == 200
        assert await chat.terminate() == 0
        assert states.told == ["READY=1", "STOPPING=1"]


@pytest.mark.parametrize("address", ["@", "/nowhere/notify", "relative", "@" + "x" * 200])
async def test_a_systemd_that_does_not_listen_does_not_disturb(folder: Path, address: str) -> None:
    chat = Chat(folder, NOTIFY_SOCKET=address)
    await chat.start()
    assert await chat.terminate() == 0
    assert "Traceback" not in chat.output


FAILING = """
import threading
from app import create_app
from server.process import run

class Failing:
    def __del__(self):
        raise RuntimeError("first\\n\\nthird")

async def fail(app):
    Failing()
    thread = threading.Thread(target=Failing.__del__, args=[None])
    thread.start()
    thread.join()
    raise RuntimeError("first\\n\\nthird")

def create_failing_app(settings):
    app = create_app(settings)
    app.on_startup.append(fail)
    return app

run(create_failing_app)
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_in_the_journal_each_line_of_an_error_has_its_level_and_no_time(
    folder: Path, log_format: str
) -> None:
    (folder / "failing.py").write_text(FAILING)
    chat = Chat(folder, LOG_FORMAT=log_format, PYTHONPATH=str(ROOT))
    chat.command = [str(folder / "failing.py")]
    make_service(chat)
    await chat.launch()
    assert await chat.ended() == 1
    lines = [MARKED.fullmatch(line) for line in chat.output.splitlines()]
    assert {line and line[1] for line in lines} == {"3"}, chat.output
    first = lines[0]
    assert first
    assert first[2].startswith(
        {"text": "ERROR chat: nothing has caught an error", "json": '{"time": '}[log_format]
    )
    assert chat.output.count("RuntimeError: first") == 3
    assert "the chat can't go on" in chat.output


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_what_a_client_has_sent_gives_no_line_of_the_journal_a_level(
    monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    error = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{error.st_dev}:{error.st_ino}")
    lines = re.split("[\0\n]", for_journal(level, "it said\n<0>one\0<0>other"))
    mark = {logging.INFO: "<6>", logging.ERROR: "<3>"}[level]
    assert lines == [f"{mark}it said", f"{mark}<0>one\\0<0>other"]


async def test_in_the_journal_the_end_and_a_setting_that_does_not_do_have_their_levels(
    folder: Path,
) -> None:
    chat = Chat(folder)
    make_service(chat)
    await chat.start()
    assert await chat.terminate() == 0
    assert chat.output.splitlines()[3:] == [
        "<6>INFO chat: ending, because of signal 15, Terminated"
    ]
    chat.output, chat.environment["REGISTRATION"] = "", "invited"
    await chat.launch()
    assert await chat.ended() == os.EX_CONFIG
    assert chat.output.startswith("<3>REGISTRATION='invited' is not valid: ")


async def test_a_journal_elsewhere_makes_no_levels(folder: Path) -> None:
    chat = Chat(folder, JOURNAL_STREAM="1:1")  # as of a program that is started in a service
    await chat.start()
    assert await chat.terminate() == 0
    assert "<6>" not in chat.output
    assert re.match("[0-9]{4}-", chat.output.splitlines()[-1])


async def status_at(port: int, host: str) -> int:
    """Return how the log-in page is answered under a name."""
    async with (
        aiohttp.ClientSession(headers={"Host": host}) as session,
        session.get(f"http://127.0.0.1:{port}/login") as response,
    ):
        return response.status


@pytest.mark.parametrize(
    ("addresses", "elsewhere"),
    [(["127.0.0.1"], 403), (["0.0.0.0"], 200), (["127.0.0.1", "0.0.0.0"], 200)],
)
async def test_it_serves_the_sockets_that_are_passed_and_their_addresses_decide_who_is_answered(
    folder: Path, addresses: list[str], elsewhere: int
) -> None:
    sockets = [socket.create_server((address, 0)) for address in addresses]
    ports = [each.getsockname()[1] for each in sockets]
    chat = Chat(folder, HOST="192.0.2.1", PORT=1)  # which it can't listen on
    make_service(chat, *sockets)
    try:
        await chat.launch()
        await until(lambda: "Registration:" in chat.output, START_PATIENCE)
        assert f"Chat at http://127.0.0.1:{ports[-1]}\n" in chat.output
        for port in ports:
            assert await status_at(port, "127.0.0.1") == 200
            assert await status_at(port, "chat.example.com") == elsewhere
    finally:
        await chat.stop()
        for each in sockets:
            each.close()


async def test_while_it_is_started_anew_connections_wait_in_the_socket_that_is_passed(
    folder: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        chat = Chat(folder)
        make_service(chat, listener)
        await chat.launch()
        statuses: list[int] = []
        asking = True

        async def keep_asking() -> None:
            while asking:
                statuses.append(await status_at(port, "127.0.0.1"))

        people = [asyncio.create_task(keep_asking()) for _ in range(5)]
        try:
            for _ in range(2):
                before = len(statuses)
                await until(lambda: len(statuses) > before + 50, START_PATIENCE)  # noqa: B023
                assert await chat.terminate() == 0
                await chat.launch()
            before = len(statuses)
            await until(lambda: len(statuses) > before + 50, START_PATIENCE)
        finally:
            asking = False
            await asyncio.gather(*people)
            await chat.stop()
        assert set(statuses) == {200}


async def test_sockets_for_another_process_are_left_alone(folder: Path) -> None:
    chat = Chat(folder, LISTEN_FDS=1, LISTEN_PID=1)
    await chat.start()
    assert await chat.terminate() == 0


@pytest.mark.parametrize("kind", ["of Unix", "of UDP", "connected"])
async def test_a_passed_socket_that_can_not_be_served_is_refused_with_one_sentence(
    folder: Path, kind: str
) -> None:
    with socket.socket(
        socket.AF_UNIX if kind == "of Unix" else socket.AF_INET,
        socket.SOCK_DGRAM if kind == "of UDP" else socket.SOCK_STREAM,
    ) as passed:
        passed.bind(str(folder / "socket") if kind == "of Unix" else ("127.0.0.1", free_port()))
        if kind == "of Unix":
            passed.listen()
        chat = Chat(folder)
        make_service(chat, passed)
        await chat.launch()
        assert await chat.ended() == os.EX_CONFIG
    [line] = chat.output.splitlines()
    assert line.startswith("<3>systemd passes a socket that the chat can't serve: ")


async def test_what_is_passed_and_is_no_socket_is_refused_with_the_same_sentence(
    folder: Path,
) -> None:
    with (folder / "file").open("w") as passed:
        chat = Chat(folder)
        make_service(chat, passed)
        await chat.launch()
        assert await chat.ended() == os.EX_CONFIG
    [line] = chat.output.splitlines()
    assert line.startswith("<3>systemd passes a socket that the chat can't serve: ")

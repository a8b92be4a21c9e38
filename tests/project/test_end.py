"""The real process: how it ends, and what outlives a kill."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import app
from server import process
from settings import ROOT
from storage import embedded, mongodb, redis_relay
from tests.support.accounts import signed_in
from tests.support.databases import embedded_server
from tests.support.kernel import children, has_open, is_running
from tests.support.locks import held_lock
from tests.support.processes import Chat, running_chat
from tests.support.sockets import connect
from tests.support.waiting import START_PATIENCE, until

PROMISED_END = 5  # seconds; the chat takes 4 at most


@contextmanager
def in_time() -> Iterator[None]:
    """Assert that the body takes no longer than the chat may take to end."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PROMISED_END


async def end_of(pid: int) -> None:
    """Wait until a process that should have ended is gone; its files are closed a bit earlier."""
    await until(lambda: not is_running(pid), START_PATIENCE)


def reasons(chat: Chat) -> list[str]:
    """Return what the log says, without the time, after the three lines of the greeting."""
    return [line.partition(": ")[2] for line in chat.output.splitlines()[3:]]


def test_all_that_may_hang_takes_less_time_together_than_the_end_may() -> None:
    """Or the end is cut off, by the thread that waits for it."""
    at_most = (
        max(app.GOODBYE_WITHIN, process.FINISH_WITHIN),
        2 * process.SHUTDOWN_TIMEOUT,
        redis_relay.CLOSE_TIMEOUT,
        mongodb.CLOSE_TIMEOUT,
        embedded.STOP_TIMEOUT,
    )
    assert sum(at_most) < process.END_WITHIN < PROMISED_END


@pytest.mark.serial
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_time_with_0_and_tells_every_socket(
    number: signal.Signals,
) -> None:
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        sockets = [await connect(alice) for _ in range(5)]
        [child] = children(chat.pid)
        codes = [asyncio.create_task(socket.close_code()) for socket in sockets]
        with in_time():
            os.kill(chat.pid, number)
            assert await asyncio.gather(*codes) == [1001] * 5
            assert await chat.ended() == 0
        await end_of(child)
        assert reasons(chat) == [f"ending, because of signal {number}, {signal.strsignal(number)}"]


@pytest.mark.serial
async def test_a_reader_who_never_reads_and_a_stopped_database_do_not_hold_up_the_end() -> None:
    async with (
        running_chat(MONGO_HOST="", MESSAGES_PER_SECOND=0) as chat,
        signed_in(chat.url, "alice") as alice,
    ):
        await connect(alice)  # reads nothing
        socket = await connect(alice)
        for _ in range(100):
            await socket.said("x" * 2000)
        [child] = children(chat.pid)
        os.kill(child, signal.SIGSTOP)
        await socket.say("this one waits")
        with in_time():
            assert await chat.terminate() == 0
        await end_of(child)
        assert reasons(chat) == ["ending, because of signal 15, Terminated"]
        await chat.start()


@pytest.mark.serial
async def test_a_stopped_server_elsewhere_does_not_hold_up_the_end() -> None:
    with embedded_server() as server:
        server.start()
        async with (
            running_chat(MONGO_HOST=server.address) as chat,
            signed_in(chat.url, "alice") as alice,
        ):
            socket = await connect(alice)
            server.send(signal.SIGSTOP)
            await socket.say("this one waits")
            with in_time():
                assert await chat.terminate() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
async def test_a_stopped_database_dies_with_its_chat_however_that_ends(
    number: signal.Signals,
) -> None:
    async with running_chat(MONGO_HOST="") as chat:
        [child] = children(chat.pid)
        os.kill(child, signal.SIGSTOP)
        os.kill(chat.pid, number)
        assert await chat.ended() == -number
        await end_of(child)
        await chat.start()


async def test_a_signal_during_the_start_ends_it_with_0_and_one_line(folder: Path) -> None:
    chat = Chat(folder)
    with held_lock(folder / "data"):
        await chat.launch()
        await until(lambda: has_open(chat.pid, folder / "data" / "lock"), START_PATIENCE)
        assert await chat.terminate() == 0
    [line] = chat.output.splitlines()
    assert line.endswith("ending, because of signal 15, Terminated")


@pytest.mark.serial
async def test_a_stopped_reader_of_the_log_does_not_hold_up_the_end(folder: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(65536))
    os.set_blocking(writing, True)
    chat = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "app.py"), stdout=writing, stderr=writing,
        env=Chat(folder).environment,
    )  # fmt: skip
    os.close(writing)
    database = folder / "data" / "database.sock"
    await until(lambda: children(chat.pid) and database.exists(), START_PATIENCE)
    with in_time():
        chat.terminate()
        assert await chat.wait() == 0
    os.close(reading)


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
async def test_with_standard_streams_closed_it_serves_and_ends_with_0(
    folder: Path, closed: tuple[int, ...]
) -> None:
    chat = Chat(folder)
    (folder / "closing.py").write_text(
        f"import os, sys\n"
        f"for stream in {closed}:\n"
        f"    os.close(stream)\n"
        f"os.execv(sys.executable, [sys.executable, {str(ROOT / 'app.py')!r}])\n"
    )
    await chat.launch(folder / "closing.py")
    await chat.until_it_serves()
    assert await chat.terminate() == 0


HANGING = """
import asyncio, signal, time
from app import create_app
from server.process import run

async def hang(app):
    print("hanging", flush=True)
    {how}

async def hang_when_told(app):
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(hang(app)))

def create_hanging_app(settings):
    app = create_app(settings)
    app.on_startup.append(hang_when_told)
    app.on_shutdown.insert(0, hang)
    return app

run(create_hanging_app)
"""


@pytest.mark.serial
@pytest.mark.parametrize(
    ("how", "hangs_before"),
    [("time.sleep(60)", False), ("time.sleep(60)", True), ("await asyncio.sleep(60)", False)],
    ids=["the loop at the end", "the loop before the end", "a part of the end"],
)
async def test_what_hangs_does_not_hold_up_the_end(
    folder: Path, how: str, hangs_before: bool
) -> None:
    chat = Chat(folder, PYTHONPATH=str(ROOT))
    (folder / "hanging.py").write_text(HANGING.format(how=how))
    await chat.launch(folder / "hanging.py")
    await chat.until_it_serves()
    [child] = children(chat.pid)
    if hangs_before:
        os.kill(chat.pid, signal.SIGUSR1)
        await until(lambda: "hanging" in chat.output, START_PATIENCE)
    with in_time():
        assert await chat.terminate() == 0
    await end_of(child)
    assert "ending at once: not all has ended in 4 s" in chat.output


async def test_the_embedded_database_is_started_again_when_it_dies() -> None:
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        socket = await connect(alice)
        await socket.said("before")
        os.kill(children(chat.pid)[0], signal.SIGKILL)
        await socket.say("after", nonce="n2")
        while (frame := await socket.next("message", "error"))["type"] == "error":
            await socket.say("after", nonce="n2")
        assert (frame["seq"], frame["msg"]) == (2, "after")
        assert "starting it again" in chat.output


@pytest.mark.parametrize(
    "name", ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU", "SIGRTMIN"]
)
async def test_any_other_signal_that_ends_it_is_named(name: str) -> None:
    number = getattr(signal, name)
    # A shell lets what it runs in the background ignore some of them, and the chat inherits that.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        async with running_chat(MONGO_HOST="") as chat:
            chat.send(number)
            assert await chat.ended() == -number
            assert reasons(chat) == [f"ended by signal {number}, {signal.strsignal(number)}"]
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
async def test_a_crash_shows_where_it_happened(number: signal.Signals) -> None:
    async with running_chat(MONGO_HOST="") as chat:
        chat.send(number)
        assert await chat.ended() == -number
        assert "Fatal Python error: " in chat.output
        assert "in run_forever" in chat.output


ENDING = """
import asyncio, signal, sys
from app import create_app
from server.process import run

async def end_when_told(app):
    main, loop = asyncio.current_task(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: {how})

def fail(error):
    raise error

async def fail_in_a_task(error):
    raise error

def create_ending_app(settings):
    app = create_app(settings)
    app.on_startup.append(end_when_told)
    return app

run(create_ending_app)
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("main.cancel()", "CancelledError"),
        ("fail(SystemExit(0))", "SystemExit: 0"),
        ("asyncio.ensure_future(fail_in_a_task(SystemExit(0)))", "SystemExit: 0"),
        ("asyncio.ensure_future(fail_in_a_task(KeyboardInterrupt()))", "KeyboardInterrupt"),
    ],
)
async def test_what_no_part_catches_is_logged_and_is_no_success(
    folder: Path, how: str, said: str
) -> None:
    chat = Chat(folder, PYTHONPATH=str(ROOT))
    (folder / "ending.py").write_text(ENDING.format(how=how))
    await chat.launch(folder / "ending.py")
    await chat.until_it_serves()
    chat.send(signal.SIGUSR1)
    assert await chat.ended() == 1
    assert "the chat can't go on" in chat.output
    assert said in chat.output
    assert "Traceback" in chat.output

"""The real process at its end, with files on their way."""

import asyncio
import io
import os
import signal
import time
from contextlib import ExitStack, suppress

import aiohttp
import pytest

from tests.support.accounts import signed_in
from tests.support.processes import running_chat
from tests.support.raw_sockets import cookies
from tests.support.sockets import connect
from tests.support.waiting import until

PROMISED_END = 5  # seconds


async def begin(
    stack: ExitStack, alice: aiohttp.ClientSession, chat: str, request: str
) -> asyncio.StreamWriter:
    """Begin a request, and read nothing of the answer."""
    host, port = chat.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    stack.callback(writer.close)
    head = f"{request} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookies(chat, alice)}\r\n"
    writer.write(f"{head}Content-Length: {0 if 'GET' in request else 10**7}\r\n\r\n".encode())
    return writer


@pytest.mark.serial
async def test_uploads_and_readers_do_not_hold_up_the_end_and_leave_nothing_half_in_the_room() -> (
    None
):
    """One upload does not go on, one does, one is being stored, and two readers read nothing."""
    large = os.urandom(20_000_000)
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        async with alice.post("/file?name=a.bin", data=io.BytesIO(large)) as response:
            path = f"/file/{(await response.json())['id']}"
        with ExitStack() as stack:
            requests = f"GET {path}", f"GET {path}", "POST /file?name=1", "POST /file?name=2"
            writers = [await begin(stack, alice, chat.url, request) for request in requests]
            form = aiohttp.FormData({"msg": "look"})
            form.add_field("file", io.BytesIO(large), filename="b.bin")
            storing = asyncio.create_task(alice.post("/file", data=form))
            await until(lambda: files_without_name(chat.pid) == 3)
            seqs: list[int] = []
            began = time.monotonic()
            chat.send(signal.SIGTERM)
            ended = asyncio.create_task(chat.ended())
            while not ended.done():
                writers[-1].write(b"x" * 1000)
                await asyncio.sleep(0.01)
            assert await ended == 0
            assert time.monotonic() - began < PROMISED_END
            with suppress(aiohttp.ClientError):  # or it was stored, and said, in time
                answer = await (await storing).json()
                seqs = [answer["seq"]] if "seq" in answer else []
        assert "Traceback" not in chat.output
        assert "because of signal 15, Terminated\n" in chat.output
        assert "ending at once" not in chat.output
        await chat.start()
        assert await (await connect(alice)).said("after") == len(seqs) + 1


def files_without_name(pid: int) -> int:
    """Return how many files a process has open that have no name."""
    links = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # what was listed may be closed by now
            links.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return sum("(deleted)" in link for link in links)

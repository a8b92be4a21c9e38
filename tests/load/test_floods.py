"""What others feel of members who ask for too much at once; `make soak` also measures it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import pytest

from settings import ROOT
from tests.support.accounts import signed_in
from tests.support.flood import Flood
from tests.support.processes import running_chat
from tests.support.soak import IS_SOAK, size
from tests.support.waiting import PATIENCE

MEMBERS = 3
PAUSE = 0.05  # seconds between messages
COUNT = size(soak=200, test=10)  # messages with and without each flood
P99 = 0.05  # seconds that at most one message in a hundred takes longer on a quiet machine
SLOWER = 5  # times as long as without the flood, on a busy one


async def talk(ws: aiohttp.ClientWebSocketResponse, name: str) -> float:
    """Say COUNT things at a pace; return the delay, in seconds, that one in a hundred exceeds.

    Fails if a message is refused or lost.
    """
    loop = asyncio.get_running_loop()
    sent: dict[str, float] = {}
    delays: list[float] = []

    async def hear() -> None:
        while len(delays) < COUNT:
            frame = await ws.receive_json()
            assert frame["type"] != "error"
            if frame["type"] == "message":
                delays.append(loop.time() - sent[frame["nonce"]])

    hearing = asyncio.create_task(hear())
    for number in range(COUNT):
        nonce = f"{name}-{number}"
        sent[nonce] = loop.time()
        await ws.send_json({"type": "message", "msg": "hello", "nonce": nonce})
        await asyncio.sleep(PAUSE)
    async with asyncio.timeout(PATIENCE):
        await hearing
    return sorted(delays)[COUNT * 99 // 100]


@pytest.mark.serial
async def test_members_who_ask_for_too_much_hold_up_nobody() -> None:
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(running_chat(MESSAGES_PER_SECOND=0))
        victim, *members = [
            await stack.enter_async_context(signed_in(chat.url, login))
            for login in ("victim", *(f"member{number}" for number in range(MEMBERS)))
        ]
        cookies = [next(iter(member.cookie_jar)).value for member in members]
        ws = await victim.ws_connect("/ws", protocols=["chat.v1"])
        for kind in Flood.kinds:
            quiet = await talk(ws, f"before {kind}")
            async with flooded(kind, chat.url, cookies):
                delay = await talk(ws, f"during {kind}")
                async with victim.get("/") as page:
                    assert page.status == 200, kind
            if IS_SOAK:
                assert delay < max(P99, SLOWER * quiet), kind


@asynccontextmanager
async def flooded(kind: str, url: str, cookies: list[str]) -> AsyncIterator[None]:
    """Keep up a flood."""
    arguments = "-m", "tests.support.flood", kind, url, *cookies
    flood = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert flood.stdout is not None
    try:
        assert await flood.stdout.readline() == b"begun\n"
        yield
        assert flood.returncode is None, f"{kind}: the flood has ended"
    finally:
        with suppress(ProcessLookupError):
            flood.kill()
        await flood.wait()

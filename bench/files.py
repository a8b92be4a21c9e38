"""Files: what others notice of uploads, how soon one's own is there, and what memory they take."""

import asyncio
import io
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from statistics import median
from typing import Any

import aiohttp
from PIL import Image, ImageChops

from bench import load
from bench.servers import Server, chat
from server.background import background
from tests.support.kernel import children, resident

LARGE = os.urandom(25_000_000)
PIECE = 1 << 16  # bytes that a browser writes at once
AT_ONCE, MOST_AT_ONCE = 10, 20  # uploads
PICTURES = 20  # one after the other
PER_SECOND = 20  # messages of somebody else
ALONE = 15  # seconds without an upload
LOOK_EVERY = 0.05  # seconds between looks at the memory
WANTED = {  # unit, and what is wanted
    "p99 of others' own messages, without uploads": ("ms", ""),
    f"the same, while {AT_ONCE} files of 25 MB are sent at once": ("ms", "< 40 ms"),
    "the same, while pictures of 2 MB are sent one after the other": ("ms", "< 40 ms"),
    f"until the {AT_ONCE} files are stored": ("s", ""),
    "from the end of an upload to the sender's own message, JPEG of 2 MB": ("ms", "< 500 ms"),
    f"memory of the chat with {MOST_AT_ONCE} uploads of 25 MB at once": ("MiB more", "+30 MiB"),
}


def photograph() -> bytes:
    """Return a JPEG of twelve megapixels that has 2 MB, with as much detail as a camera's."""
    picture, file = Image.merge("RGB", [shapes() for _ in range(3)]), io.BytesIO()
    for quality in range(60, 100, 2):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() > 2_000_000:
            break
    return file.getvalue()


def shapes() -> Image.Image:
    """Return shapes of all sizes: the finer, the fainter."""
    picture, contrast = Image.new("L", (4000, 3000), 128), 64.0
    for octave in range(10):
        finer = Image.effect_noise((8 << octave, 6 << octave), contrast).resize(picture.size)
        picture = ImageChops.add(picture, finer, offset=-128)
        contrast /= 1.6
    return picture


async def measure(rounds: int) -> list[str]:
    """Return the lines of the table."""
    found = [await measure_once() for _ in range(rounds)]
    lines = ["| | measured | wanted |", "|---|---|---|"]
    for name, values, (unit, wanted) in zip(
        WANTED, zip(*found, strict=True), WANTED.values(), strict=True
    ):
        low, middle, high = min(values), median(values), max(values)
        lines.append(f"| {name} | {middle:.3g} {unit} ({low:.3g} to {high:.3g}) | {wanted} |")
    return lines


async def measure_once() -> list[float]:
    """Return what a chat of its own takes, in the order of WANTED."""
    async with chat() as server, aiohttp.ClientSession() as browser:
        talker, sender = await load.connect(server, 2, server.cookies)
        delays: list[float] = []
        async with background(talk(talker, delays)):
            alone = await p99(delays, lambda: asyncio.sleep(ALONE))
            began = time.monotonic()
            during = await p99(delays, lambda: upload_at_once(browser, server, AT_ONCE))
            taken = time.monotonic() - began
            own: list[float] = []
            pictures = await p99(delays, lambda: send_pictures(browser, server, sender, own))
            memory = resident(server.pid)
            most = 0

            async def watch() -> None:
                nonlocal most
                while True:
                    most = max(most, resident(server.pid))
                    await asyncio.sleep(LOOK_EVERY)

            async with background(watch()):
                await upload_at_once(browser, server, MOST_AT_ONCE)
        load.hang_up([talker, sender])
        assert children(server.pid) == [server.database]  # no decoder is left
    return [alone, during, pictures, taken, median(own) * 1000, (most - memory) / 2**20]


async def p99(delays: list[float], doing: Callable[[], Any]) -> float:
    """Return what one message in a hundred waited longer than meanwhile, in milliseconds."""
    delays.clear()
    await doing()
    waited = sorted(delays)
    return waited[len(waited) * 99 // 100] * 1000


async def talk(talker: load.Person, delays: list[float]) -> None:
    """Say something now and then, for ever, and note how long it takes to come back."""
    for number in range(10**9):
        nonce, came = b"%d-%d" % (time.monotonic_ns(), number), asyncio.Event()

        def hear(data: bytes) -> None:
            if b'"nonce":"' + nonce + b'"' in data:  # noqa: B023
                came.set()  # noqa: B023

        talker.on_data = hear
        began = time.perf_counter()
        talker.say(load.PADDING, nonce)
        await came.wait()
        delays.append(time.perf_counter() - began)
        await asyncio.sleep(1 / PER_SECOND)


async def upload_at_once(browser: aiohttp.ClientSession, server: Server, count: int) -> None:
    """Send large files at once, each of another person."""
    senders = server.cookies[2 : 2 + count]
    await asyncio.gather(*(upload(browser, server, cookie, LARGE) for cookie in senders))


async def send_pictures(
    browser: aiohttp.ClientSession, server: Server, sender: load.Person, own: list[float]
) -> None:
    """Send pictures with messages, and note how long each took from the end of its upload."""
    picture = photograph()
    for number in range(PICTURES):
        nonce, came = f"picture {number}", asyncio.Event()
        sender.on_data = lambda data: came.set() if nonce.encode() in data else None  # noqa: B023
        file_id, uploaded = await upload(browser, server, server.cookies[1], picture)
        frame = {"type": "message", "msg": "", "nonce": nonce, "file": file_id}
        sender.send(json.dumps(frame).encode())
        await came.wait()
        own.append(time.perf_counter() - uploaded)


async def upload(
    browser: aiohttp.ClientSession, server: Server, cookie: str, content: bytes
) -> tuple[str, float]:
    """Send a file; return its id, and when all of it was on its way."""
    uploaded = 0.0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal uploaded
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        uploaded = time.perf_counter()

    headers = {"Cookie": f"chat_session={cookie}", "Content-Length": str(len(content))}
    url = f"http://127.0.0.1:{server.port}/file?name=file"
    async with browser.post(url, data=pieces(), headers=headers) as response:
        assert response.status == 201, await response.text()
        return (await response.json())["id"], uploaded


if __name__ == "__main__":
    print("\n".join(asyncio.run(measure(1))))

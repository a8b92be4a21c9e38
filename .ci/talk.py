"""What people do in a chat: alice registers and talks, or comes back and finds what was said.

Run with the packages of the chat, also in its container. Usage: talk.py ADDRESS new|back [NUMBER]
Says a message and sends a picture and a large file; `back` wants the messages of NUMBER earlier
runs. SSL_CERT_FILE may name a certificate to trust.
"""

import asyncio
import io
import os
import sys
from contextlib import suppress

import aiohttp
from PIL import Image

LARGE = os.urandom(24_000_000)  # bytes; FILE_SIZE_LIMIT is 25 MB
PATIENCE = 30  # seconds


async def message(ws: aiohttp.ClientWebSocketResponse) -> dict:
    """Return the next message that arrives."""
    while True:
        frame = await ws.receive_json(timeout=PATIENCE)
        if frame["type"] == "message":
            return frame


async def is_ready(session: aiohttp.ClientSession) -> None:
    """Wait until the chat answers, and can use its database."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(aiohttp.ClientError):
                await session.get("/login")
                return
            await asyncio.sleep(0.1)


async def talk(chat: str, path: str, earlier: int) -> None:
    """Say something, send files, and see that they and what was said earlier are there."""
    photo = io.BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(photo, "JPEG")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(chat, cookie_jar=jar, raise_for_status=True) as session:
        form = {"login": "alice", "email": "alice@example.com", "password": "correct horse battery"}
        await is_ready(session)
        await session.post(path, data=form)
        async with session.get("/") as page:
            text = await page.text()
        said = [f"this is number {number}" for number in range(earlier + 1)]
        assert [each in text for each in said] == [True] * earlier + [False], text
        async with session.ws_connect("/ws", protocols=["chat.v1"]) as ws:
            await ws.send_json({"type": "message", "msg": said[-1]})
            assert (await message(ws))["msg"] == said[-1]
            picture = aiohttp.FormData({"msg": "look"})
            picture.add_field("file", photo.getvalue(), filename="photo.jpg")
            await session.post("/file", data=picture)
            shown = (await message(ws))["file"]
            async with session.get(shown["preview"]) as preview:
                assert Image.open(io.BytesIO(await preview.read())).format == "WEBP"
        async with session.post("/file?name=large.bin", data=LARGE) as answer:
            file = await answer.json()
        async with session.get(f"/file/{file['id']}") as content:
            assert await content.read() == LARGE


chat, who, earlier = (*sys.argv[1:], "0")[:3]
asyncio.run(talk(chat, {"new": "/signin", "back": "/login"}[who], int(earlier)))

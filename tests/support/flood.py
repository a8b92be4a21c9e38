"""Floods of a few members, each from a process of its own, so that it delays nobody but the chat.

Usage: python -m tests.support.flood KIND URL COOKIE...

It says "begun" once the first request is answered, and goes on until it is killed.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar
from urllib.parse import urlsplit

import aiohttp

from tests.support.people import PASSWORD

AGAIN_AFTER = 0.01  # seconds after a refusal


class Flood:
    """Asks for something again and again, on many connections."""

    # How many connections each kind has, and what it asks for, by the number of the connection.
    kinds: ClassVar[dict[str, tuple[int, Callable[["Flood", int], Awaitable[int]]]]] = {
        "pages": (50, lambda flood, number: flood.get("/")),
        "older pages": (50, lambda flood, number: flood.get(f"/?before={100 + number}")),
        "the account page": (8, lambda flood, number: flood.get("/account")),
        "pages of several": (100, lambda flood, number: flood.get("/", number)),
        "missing pages": (50, lambda flood, number: flood.get("/nothing")),
        "refused sockets": (50, lambda flood, number: flood.get("/ws")),
        "searches": (30, lambda flood, number: flood.get(f"/search?q=zebra+{number}", number)),
        "sockets": (20, lambda flood, number: flood.open_socket()),
        "idle connections": (500, lambda flood, number: flood.hold()),
        # The last one, because it ends the sessions that are there.
        "log-ins": (80, lambda flood, number: flood.log_in()),
    }

    def __init__(self, url: str, cookies: list[str]) -> None:
        self._url = url
        self._members = [{"Cookie": f"chat_session={cookie}"} for cookie in cookies]
        self._is_answered = asyncio.Event()
        self._session: aiohttp.ClientSession

    async def last(self, kind: str) -> None:
        """Keep it up until this process is killed."""
        connections, ask = self.kinds[kind]
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(self._url, connector=connector)
        async with session as self._session, asyncio.TaskGroup() as tasks:
            for number in range(connections):
                tasks.create_task(self._repeat(ask, number))
            await self._is_answered.wait()
            print("begun", flush=True)

    async def get(self, path: str, number: int = 0) -> int:
        """Ask for a page as one of the members."""
        headers = self._members[number % len(self._members)]
        async with self._session.get(path, headers=headers, allow_redirects=False) as response:
            await response.read()
            return response.status

    async def open_socket(self) -> int:
        """Open a WebSocket, and close it again."""
        async with self._session.ws_connect("/ws?since=0", headers=self._members[0]) as ws:
            await ws.close()
        return 101

    async def log_in(self) -> int:
        """Log in with the right password."""
        form = {"login": "member0", "password": PASSWORD}
        async with (
            aiohttp.ClientSession(self._url, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post("/login", data=form, allow_redirects=False) as response,
        ):
            return response.status

    async def hold(self) -> int:
        """Leave a connection idle after a page, until the chat closes it."""
        address = urlsplit(self._url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        cookie = self._members[0]["Cookie"]
        lines = "GET / HTTP/1.1", f"Host: {address.netloc}", f"Cookie: {cookie}", "", ""
        writer.write("\r\n".join(lines).encode())
        await reader.readline()
        self._is_answered.set()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        return 200

    async def _repeat(self, ask: Callable[["Flood", int], Awaitable[int]], number: int) -> None:
        while True:
            try:
                is_refused = await ask(self, number) in (429, 503)
            except (aiohttp.ClientError, ConnectionError):
                is_refused = True
            self._is_answered.set()
            if is_refused:
                await asyncio.sleep(AGAIN_AFTER)


if __name__ == "__main__":
    kind, url, *cookies = sys.argv[1:]
    asyncio.run(Flood(url, cookies).last(kind))

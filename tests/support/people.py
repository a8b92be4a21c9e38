"""People who use a chat that runs in this process."""

from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.support.sockets import Socket, connect

PASSWORD = "correct horse battery"  # of everybody
WRONG = "not the password"
NEW_PASSWORD = "a new password"


def registration(login: str, **fields: str) -> dict[str, str]:
    """Return the form that creates an account."""
    form = {"login": login, "email": f"{login}@example.com", "password": PASSWORD}
    return {**form, **fields}


class Person:
    """Somebody with a browser of their own: cookies, pages, sockets."""

    def __init__(self, client: TestClient[web.Request, web.Application]) -> None:
        self.client = client
        self.app = client.server.app  # type: ignore[attr-defined]

    async def get(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        """Ask for a page, following no redirect."""
        return await self.client.get(path, **{"allow_redirects": False, **options})

    async def page(self, path: str = "/", status: int = 200) -> str:
        """Return a page, whose status has to be the one that is expected."""
        response = await self.get(path)
        assert response.status == status
        return await response.text()

    async def post(self, path: str, form: Any = None, **options: Any) -> aiohttp.ClientResponse:
        """Post a form, following no redirect."""
        return await self.client.post(path, data=form, **{"allow_redirects": False, **options})

    async def register(self, login: str, **fields: str) -> aiohttp.ClientResponse:
        """Create an account, and with it be signed in."""
        return await self.post("/signin", registration(login, **fields))

    async def log_in(self, login: str, password: str = PASSWORD) -> aiohttp.ClientResponse:
        """Log in to an account."""
        return await self.post("/login", {"login": login, "password": password})

    async def write(self, *texts: str) -> None:
        """Post messages, one after the other."""
        for text in texts:
            response = await self.post("/", {"msg": text})
            assert response.status == 303, await response.text()

    async def talk(self, count: int) -> None:
        """Say `count` messages through a socket that is closed afterwards, one after the other."""
        socket = await self.connect()
        for number in range(count):
            await socket.said(f"message {number}")
        await socket.close()

    async def connect(self, since: int | None = None, **options: Any) -> Socket:
        """Open a `chat.v1` socket."""
        return await connect(self.client, since, **options)

    async def connect_classic(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a socket of the tutorial's format."""
        ws: aiohttp.ClientWebSocketResponse = await self.client.ws_connect("/ws", **options)
        return ws

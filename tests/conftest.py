"""A real database for the whole run, a real application for each test, and people who use it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import Browser

from app import create_app
from database import READY
from settings import Settings
from tests import PASSWORD
from tests.browser import ChatSite, Visit, chromium, serving, visiting
from tests.databases import TEST_MONGO_HOST, embedded_server, new_database

PATIENCE = 10  # seconds until what should have come counts as missing


@pytest.fixture(scope="session")
def mongo() -> Iterator[str]:
    """The address of a database server that lasts for the whole run."""
    if TEST_MONGO_HOST:
        yield TEST_MONGO_HOST
        return
    with embedded_server() as server:
        server.start()
        yield server.address


@pytest.fixture
def settings(mongo: str) -> Iterator[Settings]:
    """Settings with an empty database of their own."""
    with new_database(mongo) as name:
        yield Settings(
            MONGO_HOST=mongo,
            MONGO_DB_NAME=name,
            SECRET_KEY=("a key for the tests",),
            REGISTRATIONS_PER_HOUR=0,
        )


class Socket:
    """A person's WebSocket of format `chat.v1`."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def next(self, *types: str) -> dict[str, Any]:
        """Return the next frame of one of the types (of any, without), passing over others."""
        while True:
            frame: dict[str, Any] = await self.ws.receive_json(timeout=PATIENCE)
            if not types or frame["type"] in types:
                return frame

    async def say(self, msg: str, nonce: str | None = None) -> None:
        """Send a message."""
        frame = {"type": "message", "msg": msg} | ({"nonce": nonce} if nonce else {})
        await self.ws.send_str(json.dumps(frame))

    async def close_code(self) -> int | None:
        """Return the code the server closes with, passing over what comes before."""
        while True:
            message = await self.ws.receive(timeout=PATIENCE)
            if message.type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSING,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            ):
                return self.ws.close_code

    async def close(self) -> None:
        """Close the socket from the person's side."""
        await self.ws.close()


class Person:
    """Somebody with a browser of their own: cookies, pages, sockets."""

    def __init__(self, client: TestClient[web.Request, web.Application]) -> None:
        self.client = client
        self.app = client.server.app  # type: ignore[attr-defined]

    async def get(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        """Ask for a page, following no redirect."""
        return await self.client.get(path, **{"allow_redirects": False, **options})

    async def post(self, path: str, form: Any = None, **options: Any) -> aiohttp.ClientResponse:
        """Post a form, following no redirect."""
        return await self.client.post(path, data=form, **{"allow_redirects": False, **options})

    async def register(self, login: str, **fields: str) -> aiohttp.ClientResponse:
        """Create an account, and with it be signed in."""
        form = {"login": login, "email": f"{login}@example.com", "password": PASSWORD}
        form["password2"] = fields.get("password", PASSWORD)
        return await self.post("/signin", {**form, **fields})

    async def log_in(self, login: str, password: str = PASSWORD) -> aiohttp.ClientResponse:
        """Log in to an account."""
        return await self.post("/login", {"login": login, "password": password})

    async def write(self, *texts: str) -> None:
        """Post messages, one after the other."""
        for text in texts:
            response = await self.post("/", {"msg": text})
            assert response.status == 303, await response.text()

    async def connect(self, since: int | None = None, **options: Any) -> Socket:
        """Open a `chat.v1` socket."""
        query = "" if since is None else f"?since={since}"
        ws = await self.client.ws_connect(f"/ws{query}", protocols=["chat.v1"], **options)
        return Socket(ws)

    async def connect_classic(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a socket of the tutorial's format."""
        ws: aiohttp.ClientWebSocketResponse = await self.client.ws_connect("/ws", **options)
        return ws


class House:
    """A running chat, which people visit."""

    def __init__(self, server: TestServer, client: Callable[..., Awaitable[Any]]) -> None:
        self.server = server
        self.app = server.app
        self._client = client
        self._visitors: list[TestClient[web.Request, web.Application]] = []

    async def visitor(self, **options: Any) -> Person:
        """Return somebody who is not signed in."""
        self._visitors.append(await self._client(self.server, **options))
        return Person(self._visitors[-1])

    async def sign_in(self, login: str) -> Person:
        """Return somebody with a new account, signed in."""
        person = await self.visitor()
        response = await person.register(login)
        assert response.status == 303, await response.text()
        return person

    async def close(self) -> None:
        """Let everybody go; a chat that ends waits for those who stay."""
        for visitor in self._visitors:
            await visitor.session.close()


OpenHouse = Callable[..., Awaitable[House]]


@pytest_asyncio.fixture
async def open_house(
    settings: Settings, aiohttp_server: Any, aiohttp_client: Any
) -> AsyncIterator[OpenHouse]:
    """Start chats with settings of the test's choice."""
    houses: list[House] = []

    async def start(**changes: Any) -> House:
        server = await aiohttp_server(create_app(replace(settings, **changes)))
        await server.app[READY].wait()
        houses.append(House(server, aiohttp_client))
        return houses[-1]

    yield start
    for house in houses:
        await house.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat with the default settings, apart from registrations, which are not limited."""
    return await open_house()


# One browser serves all tests that need one, so they share its event loop.


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, launched once."""
    async with chromium() as launched:
        yield launched


@pytest_asyncio.fixture(loop_scope="session")
async def chat(settings: Settings) -> AsyncIterator[ChatSite]:
    """A chat where people may talk as fast as a test can."""
    async with serving(replace(settings, MESSAGES_PER_SECOND=0)) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Let people come; nothing may go wrong in their pages."""
    async with visiting(browser) as come:
        yield come

"""A chat that runs in this process, and the people who visit it."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from storage.database import DATABASE, MotorDatabase
from tests.support.people import Person


class House:
    """A running chat, which people visit."""

    def __init__(self, server: TestServer, client: Callable[..., Awaitable[Any]]) -> None:
        self.server = server
        self.app = server.app
        self._client = client
        self._visitors: list[TestClient[web.Request, web.Application]] = []

    @property
    def database(self) -> MotorDatabase:
        """Its database, as the driver has it: without deadlines."""
        return self.app[DATABASE].motor

    @property
    def url(self) -> str:
        """The address of the pages, without a slash at its end."""
        return f"http://{self.server.host}:{self.server.port}"

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

"""A chat that runs in this process, for a real browser."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from app import create_app
from server.process import serving as app_serving
from settings import Settings
from storage.database import DATABASE, READY, MotorDatabase


@dataclass(frozen=True)
class ChatSite:
    """A chat that runs in this process."""

    app: web.Application
    port: int

    @property
    def database(self) -> MotorDatabase:
        """Its database, as the driver has it: without deadlines."""
        return self.app[DATABASE].motor

    @property
    def url(self) -> str:
        """The address of the pages, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[ChatSite]:
    """Serve a chat as run() of server/process.py does."""
    app, listener = create_app(settings), socket.create_server(("127.0.0.1", 0))
    async with app_serving(app, [listener]):
        await app[READY].wait()
        yield ChatSite(app, listener.getsockname()[1])

"""A client of the WebSocket."""

import json
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chat.client import Client
from chat.hub import HUB
from tests.support.waiting import PATIENCE


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

    async def said(self, msg: str) -> int:
        """Send a message and return its number."""
        await self.say(msg)
        seq: int = (await self.next("message"))["seq"]
        return seq

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
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


async def connect(
    session: Any, since: int | None = None, *, door: str = "", **options: Any
) -> Socket:
    """Open a `chat.v1` socket in a browser that is signed in, at its own door or another."""
    query = "" if since is None else f"?since={since}"
    return Socket(await session.ws_connect(f"{door}/ws{query}", protocols=["chat.v1"], **options))


async def refusal_of(connecting: Awaitable[object]) -> int:
    """Return the status with which a socket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connecting
    return caught.value.status


def clients_of(app: web.Application, login: str) -> list[Client]:
    """Return the chat's own ends of somebody's sockets."""
    return [client for client in app[HUB].websockets if client.identity.login == login]

"""The tutorial's way, as bare as can be: await each reader in turn, store nothing."""

import sys
from contextlib import suppress

from aiohttp import WSMsgType, web

websockets: list[web.WebSocketResponse] = []


async def chat(request: web.Request) -> web.WebSocketResponse:
    """Send what anybody says to everybody."""
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    websockets.append(ws)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            # Bare, but not so bare that somebody who has just left ends the talk of the others.
            with suppress(ConnectionError):
                for other in websockets:
                    await other.send_str(message.data)
    websockets.remove(ws)
    return ws


app = web.Application()
app.router.add_get("/ws", chat)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None, backlog=2048)

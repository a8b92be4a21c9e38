"""A peer: the websockets library, with the broadcast() it offers for this."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

connections: set[ServerConnection] = set()


async def chat(connection: ServerConnection) -> None:
    """Send what anybody says to everybody."""
    connections.add(connection)
    try:
        async for message in connection:
            broadcast(connections, message)
    finally:
        connections.remove(connection)


async def main() -> None:
    """Serve for ever."""
    async with serve(chat, "127.0.0.1", int(sys.argv[1]), compression=None, backlog=2048):
        await asyncio.Event().wait()


asyncio.run(main())

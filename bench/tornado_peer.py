"""A peer: Tornado's WebSocketHandler, writing to all without waiting for any."""

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketHandler

handlers: set["Chat"] = set()


class Chat(WebSocketHandler):
    """Sends what anybody says to everybody."""

    def open(self, *args: str, **kwargs: str) -> None:
        """Let one more in."""
        handlers.add(self)

    def on_message(self, message: str | bytes) -> None:
        """Write to each."""
        for handler in handlers:
            handler.write_message(message)

    def on_close(self) -> None:
        """Let one go."""
        handlers.discard(self)


async def main() -> None:
    """Serve for ever."""
    Application([("/ws", Chat)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())

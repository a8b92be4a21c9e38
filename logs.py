"""Logging, without passwords, cookies, messages and queries; paths stay percent-encoded."""

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger("chat")

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

FAILED_ACCEPTS_EVERY = 60  # seconds

# Mistakes of clients, which aiohttp logs with a traceback and with what the client sent.
CLIENT_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def set_up_logging(debug: bool) -> None:
    """Log INFO and above to standard error; with `debug`, also each request."""
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    logging.getLogger("chat").setLevel(logging.DEBUG if debug else logging.INFO)
    for name in ("pymongo", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def without_client_faults(record: logging.LogRecord) -> bool:
    """Return False for aiohttp's log records about mistakes of clients."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, CLIENT_FAULTS)


class AccessLogger(AbstractAccessLogger):
    """Logs every request without its query, which may contain anything."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request; `time` is in seconds."""
        path, status = request.rel_url.raw_path, response.status
        self.logger.debug("%s %s %s %.3f s", request.method, path, status, time)


class LoopErrors:
    """The event loop's exception handler: logs once a minute that it can't accept connections.

    asyncio would log that, with a traceback, ACCEPTED_AT_ONCE times a second.
    """

    def __init__(self) -> None:
        self._quiet_until = 0.0  # the loop's time

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of the event loop."""
        error = context.get("exception")
        if "socket" not in context or not isinstance(error, OSError):
            loop.default_exception_handler(context)
        elif loop.time() >= self._quiet_until:
            self._quiet_until = loop.time() + FAILED_ACCEPTS_EVERY
            log.error("no connection can be accepted: %s", error.strerror)

"""Logging, without passwords, cookies, messages and queries; paths stay percent-encoded."""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

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

"""Logging, without passwords, cookies, messages and queries; paths stay percent-encoded."""

import asyncio
import json
import logging
import os
import select
import sys
import textwrap
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

from server.systemd import STANDARD_ERROR, LevelFormatter, for_journal, is_journal

log = logging.getLogger("chat")

FORMAT = "%(levelname)s %(name)s: %(message)s"

SAME_TEXT_EVERY = 60  # seconds

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# Mistakes of clients, which aiohttp logs with a traceback and with what the client sent.
CLIENT_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def set_up_logging(debug: bool = False, log_format: str = "text") -> None:
    """Log INFO and above to standard error, as `text` or `json`; with `debug`, also requests.

    In systemd's journal each line has its level, and a text no time, which the journal knows.
    """
    text_format = FORMAT if is_journal() else f"%(asctime)s {FORMAT}"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter(text_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    threading.excepthook = sys.unraisablehook = log_uncaught
    logging.getLogger("chat").setLevel(logging.DEBUG if debug else logging.INFO)
    for name in ("pymongo", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log_uncaught(error: "threading.ExceptHookArgs | sys.UnraisableHookArgs") -> None:
    """Log an error of a thread or of a destructor, which Python would print in its own way."""
    exc_info: Any = (error.exc_type, error.exc_value, error.exc_traceback)
    log.error("nothing has caught an error", exc_info=exc_info)


def write_last(level: int, text: str) -> None:
    """Log why the process ends, straight to standard error, unless that would have to wait."""
    record = logging.LogRecord(log.name, level, __file__, 0, text, (), None)
    [handler] = logging.getLogger().handlers
    with suppress(OSError):  # it may be closed
        # Without sys.stderr, its descriptor may be of anything. A pipe that can be written at all
        # takes 4 KiB at once (POSIX: PIPE_BUF).
        if sys.stderr and select.select([], [STANDARD_ERROR], [], 0)[1]:
            os.write(STANDARD_ERROR, f"{handler.format(record)}\n".encode())


class TextFormatter(LevelFormatter):
    """One line per event. A traceback follows in lines of its own.

    They are indented: otherwise an error that quotes what a client sent could forge an event.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the event's line."""
        return "\\n".join(super().formatMessage(record).splitlines())

    def formatException(self, ei: ExceptionInfo) -> str:
        """Return a traceback."""
        return textwrap.indent(super().formatException(ei), "    ")


class JsonFormatter(logging.Formatter):
    """One JSON object per line and event, with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's line."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return for_journal(record.levelno, json.dumps(event))


def without_client_faults(record: logging.LogRecord) -> bool:
    """Return False for aiohttp's log records about mistakes of clients."""
    error = record.exc_info[1] if record.exc_info else None
    # aiohttp raises this one where the client goes away before all of a refused body is read.
    is_gone = isinstance(error, RuntimeError) and str(error) == "Connection closed."
    return not is_gone and not isinstance(error, CLIENT_FAULTS)


class SeldomLogger:
    """Logs each text once a minute at most, for what may go wrong many times a second."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._quiet_until: dict[str, float] = {}  # by text

    def log(self, level: int, text: str, *, exc_info: bool = False) -> None:
        """Log a text, perhaps with the traceback, unless it was logged within the last minute."""
        now = time.monotonic()
        self._quiet_until = {it: end for it, end in self._quiet_until.items() if end > now}
        if text not in self._quiet_until:
            self._quiet_until[text] = now + SAME_TEXT_EVERY
            self._logger.log(level, "%s", text, exc_info=exc_info)


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
        self._seldom = SeldomLogger(log)

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of the event loop."""
        error = context.get("exception")
        if "socket" not in context or not isinstance(error, OSError):
            loop.default_exception_handler(context)
        else:
            self._seldom.log(logging.ERROR, f"no connection can be accepted: {error.strerror}")

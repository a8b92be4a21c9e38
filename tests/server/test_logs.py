"""The two formats of the log, and what can't be forged in them."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from server.logs import FORMAT, JsonFormatter, SeldomLogger, TextFormatter
from settings import Settings
from tests.support.clocks import Clock
from tests.support.raw_requests import read_answer
from tests.support.site import serving

# Every character that some program takes for the end of a line.
FORGED = "1\n2\r3\r\n4\v5\f6\x1c7\x1d8\x1e9\x85a\u2028b\u2029c"


def record(message: str, error: str = "") -> logging.LogRecord:
    """Return what is logged, with an error that quotes a text."""
    exc_info: Any = None
    if error:
        try:
            raise ValueError(error)
        except ValueError:
            exc_info = sys.exc_info()
    return logging.LogRecord(
        "chat.journal", logging.ERROR, "journal.py", 1, "it said %s", (message,), exc_info
    )


def test_an_event_in_text_is_one_line_with_its_level() -> None:
    line = TextFormatter(FORMAT).format(record(FORGED))
    assert len(line.splitlines()) == 1
    assert line.endswith("ERROR chat.journal: it said " + "\\n".join(FORGED.splitlines()))


def test_no_line_of_a_traceback_in_text_looks_like_an_event() -> None:
    first, *others = TextFormatter(FORMAT).format(record("hi", FORGED)).splitlines()
    assert first.endswith("ERROR chat.journal: it said hi")
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    c"
    assert all(line.startswith("    ") for line in others)


@pytest.mark.parametrize("text", ["hi", FORGED, '"}', "\ud800", "ключ"])
def test_an_event_in_json_is_one_line_and_its_traceback_is_in_it(text: str) -> None:
    logged = record(text, text)
    line = JsonFormatter().format(logged)
    assert len(line.splitlines()) == 1
    event = json.loads(line)
    assert abs(datetime.fromisoformat(event.pop("time")).timestamp() - logged.created) < 0.01
    traceback = event.pop("traceback")
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith(f"ValueError: {text}")
    assert event == {"level": "ERROR", "logger": "chat.journal", "message": f"it said {text}"}


def test_the_time_in_json_is_utc_and_without_an_error_there_is_no_traceback() -> None:
    event = json.loads(JsonFormatter().format(record("hi")))
    assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    assert "traceback" not in event


def test_one_text_is_logged_once_a_minute_and_another_at_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.logs.time", clock)
    seldom = SeldomLogger(logging.getLogger("chat"))

    def logged(*texts: str) -> list[str]:
        caplog.clear()
        for text in texts:
            seldom.log(logging.ERROR, text)
        return [record.getMessage() for record in caplog.records]

    assert logged("full", "full", "away %s", "full", "away %s") == ["full", "away %s"]
    clock.now += 59
    assert logged("full", "away %s", "damaged") == ["damaged"]
    clock.now += 2
    assert logged("full", "full", "damaged") == ["full"]


@pytest.mark.parametrize("path", ["/file", "/nowhere", "/login"])
@pytest.mark.parametrize("waits", [True, False])
async def test_who_goes_away_before_all_of_a_refused_body_is_read_is_not_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture, path: str, waits: bool
) -> None:
    async with serving(settings) as chat:
        caplog.clear()
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\n"
            writer.write(head.encode() + b"x" * 2_000_000)
            if waits:
                assert (await read_answer(reader)).status >= 400
            writer.transport.abort()
    assert not caplog.records

"""/metrics, for Prometheus: what the chat counts and measures, and who may read it."""

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

from settings import SETTINGS

LAG_EVERY = 0.5  # seconds between measurements of the event loop's lag
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)  # bounds of buckets
FRAMES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics(Collector):
    """The numbers of one application. The parts that know them keep them up to date."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.sockets = Gauge("chat_sockets", "WebSockets that are open", registry=self.registry)
        self.people = Gauge(
            "chat_people",
            "People in the room; with Redis those of all processes",
            registry=self.registry,
        )
        self.messages = self._counter(
            "chat_messages",
            "Messages, edits and deletions delivered; each process delivers those of all",
        )
        self.deliveries = self._counter(
            "chat_deliveries", "The same, counted once for each socket that was open"
        )
        self.broadcast_bytes = self._counter(
            "chat_broadcast_bytes", "Bytes written to sockets by flushes"
        )
        self.flush_frames = self._histogram(
            "chat_flush_frames", "Frames that a flush joined in one write per socket", FRAMES
        )
        self.readers_cut_off = self._counter(
            "chat_readers_cut_off",
            "Sockets dropped because of too much unread, or a ping that was not answered",
            reason=("unread", "no_pong"),
        )
        self.journal_wait = self._histogram(
            "chat_journal_wait_seconds",
            "From append() to the delivery: the longest wait in each batch",
        )
        self.journal_write = self._histogram(
            "chat_journal_write_seconds", "Time that an insert took, also one that failed"
        )
        self.journal_conflicts = self._counter(
            "chat_journal_conflicts",
            "Inserts refused: another process won the race for a number, or a message was repeated",
        )
        self.messages_refused = self._counter(
            "chat_messages_refused",
            "Frames and forms refused",
            code=("invalid", "too_long", "too_fast", "forbidden", "unavailable"),
        )
        self.files = Gauge("chat_files", "Files that are stored", registry=self.registry)
        self.files_bytes = Gauge(
            "chat_files_bytes", "Bytes that these files take", registry=self.registry
        )
        self.uploads_refused = self._counter(
            "chat_uploads_refused",
            "Uploads refused",
            reason=("invalid", "off", "stalled", "too_large", "too_many", "busy", "full"),
        )
        self.http_errors = self._counter(
            "chat_http_errors", "Requests answered with an error", status=()
        )
        self.connections_closed = self._counter(
            "chat_connections_closed", "Idle connections closed because of too many"
        )
        self.log_ins = self._counter(
            "chat_log_ins",
            "Log-in forms posted",
            outcome=("ok", "wrong", "limited", "banned", "invalid", "unavailable"),
        )
        self.loop_lag = self._histogram(
            "chat_event_loop_lag_seconds", f"How late the event loop wakes a sleep of {LAG_EVERY} s"
        )

    def collect(self) -> Iterator[Metric]:
        """Yield everything, labelled with the process: others may answer at the same address."""
        process = f"{socket.gethostname()}:{os.getpid()}"
        for metric in self.registry.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, "process": process})
                for sample in metric.samples
                if not sample.name.endswith("_created")  # the process has its start time
            ]
            yield metric

    async def measure_lag(self) -> None:
        """Measure the lag of the event loop, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self.loop_lag.observe(clock() - due)

    def _counter(self, name: str, text: str, **label: tuple[str, ...]) -> Counter:
        """Return a counter; `label` names the values that it shows from the start, as 0."""
        counter = Counter(name, text, list(label), registry=self.registry)
        for values in label.values():
            for value in values:
                counter.labels(value)
        return counter

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
        return Histogram(name, text, buckets=buckets, registry=self.registry)


METRICS = web.AppKey("metrics", Metrics)


async def scrape(request: web.Request) -> web.Response:
    """Show the numbers to whoever sends METRICS_TOKEN. Raises HTTPNotFound for all others."""
    token = request.app[SETTINGS].METRICS_TOKEN
    given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
    if not token or not secrets.compare_digest(given, f"Bearer {token}".encode()):
        raise web.HTTPNotFound
    return web.Response(
        body=generate_latest(request.app[METRICS]),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
    )

"""A Redis server of its own, on a free port, to be stopped, killed and started again."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as Refused
from redis.retry import Retry

from tests.support.processes import free_port
from tests.support.waiting import START_PATIENCE


class RedisServer:
    """A Redis server that keeps nothing on disk."""

    def __init__(self) -> None:
        """Set up, but don't start."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, unless it runs, and wait until it serves."""
        if self._process:
            return
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        with self.client() as client:
            client.ping()

    def client(self) -> "Redis":
        """Return a client, which waits until the server serves."""
        retry = Retry(ConstantBackoff(0.05), int(START_PATIENCE / 0.05))
        return Redis.from_url(self.url, retry=retry, retry_on_error=[Refused])

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the server if it runs."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start a server, and kill it at the end."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.kill()

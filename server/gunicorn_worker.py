"""gunicorn's worker: one of several processes on one machine, which serves as `python app.py` does.

docs/deploy.md says how to use it. aiohttp's own worker would not do: it counts no strangers'
connections, reads no answers to close frames, and may take longer to end than is promised.

The master process imports this module and server/systemd.py, and keeps what it has imported when it
is told to reload. So everything else of the chat is imported by the worker, which then has the new
code.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from server.systemd import LevelFormatter, is_journal

if TYPE_CHECKING:
    from aiohttp import web

    from settings import Settings

FAIL_APART = 0.5  # seconds
BEAT_EVERY = 1  # seconds; the master kills a worker that has been silent for its --timeout
JOURNAL_FORMAT = "[%(process)d] [%(levelname)s] %(message)s"  # gunicorn's own, without the time

start, reload = Arbiter.start, Arbiter.handle_hup  # gunicorn's own


class ChatWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """A worker process, for `gunicorn app:create_app`."""

    @staticmethod
    def setup() -> None:
        """Prepare the master, which calls this before it starts, and again at each reload."""
        for handler in logging.getLogger("gunicorn.error").handlers if is_journal() else ():
            handler.setFormatter(LevelFormatter(JOURNAL_FORMAT))
        # If a worker ends with this status, the master ends, too, and with the same one.
        Arbiter.APP_LOAD_ERROR = os.EX_CONFIG
        # gunicorn 27.0.1 tells systemd that it is ready before it has a worker, and at a reload
        # ends those that serve before it knows whether the new ones can.
        Arbiter.start, Arbiter.handle_hup = start_if_it_can, reload_if_it_can

    def init_signals(self) -> None:
        """Take back what the master does at signals; SIGINT and SIGTERM are left to process.py."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, self.handle_usr1)
        # The master sends it at Ctrl-C.
        signal.signal(signal.SIGQUIT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))

    def run(self) -> NoReturn:
        """Serve until the master says to end, or has ended itself."""
        from server.process import run

        os.environ.pop("NOTIFY_SOCKET", None)  # the master tells systemd that it is ready
        listeners = [listener.sock for listener in self.sockets]
        # One after the other. gunicorn 27.0.1 ends all workers when one could not start; if it
        # then sees another that could not, it fails with a traceback and status 1.
        fail_after = (self.age - 1) % self.cfg.workers * FAIL_APART
        run(self._create_app, listeners, Arbiter.WORKER_BOOT_ERROR, fail_after)

    def _create_app(self, settings: "Settings") -> "web.Application":
        need_server(settings)
        app: web.Application = self.wsgi(settings)
        app.cleanup_ctx.insert(0, self._beating)
        return app

    async def _beating(self, _: "web.Application") -> AsyncIterator[None]:
        from server.background import background, for_ever

        async with background(for_ever(self._beat)):
            yield

    async def _beat(self) -> None:
        """Tell the master that this process is alive, for ever; end it when the master has gone."""
        while os.getppid() == self.ppid:
            self.notify()
            await asyncio.sleep(BEAT_EVERY)
        logging.getLogger("chat").error("gunicorn's master has gone")
        os.kill(os.getpid(), signal.SIGTERM)


def start_if_it_can(arbiter: Any) -> None:
    """Listen, and tell systemd that it is ready, unless the workers could not start: then exit."""
    if status := tried(arbiter):
        sys.exit(status)
    start(arbiter)


def reload_if_it_can(arbiter: Any) -> None:
    """Replace the workers, unless the new ones could not start: that would end all of them."""
    if tried(arbiter):
        arbiter.log.error("Not reloaded: the workers go on as they are")
    else:
        reload(arbiter)


def tried(arbiter: Any) -> int:
    """Return 0 if a worker could start now, else the status of one that has said why it can't."""
    process = os.fork()  # because the master must not import what a reload has to replace
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def create_app(settings: "Settings") -> NoReturn:
        need_server(settings)
        arbiter.app.wsgi()(settings)
        os._exit(0)

    from server.process import run

    run(create_app)


def need_server(settings: "Settings") -> None:
    """Check that the database is one for several processes. Raises StartError."""
    from settings import PROGRAM, StartError

    if not settings.MONGO_HOST:
        raise StartError(
            "MONGO_HOST is not set, and the embedded database serves one process only: "
            f"set it, or run `{PROGRAM}` instead of gunicorn."
        )

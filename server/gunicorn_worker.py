"""gunicorn's worker: one of several processes on one machine, which serves as `python app.py` does.

docs/deploy.md says how to use it. aiohttp's own worker would not do: it counts no strangers'
connections, reads no answers to close frames, and may take longer to end than is promised.

The master process imports this module, and keeps what it has imported when it is told to reload. So
everything else of the chat is imported by the worker, which then has the new code.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

if TYPE_CHECKING:
    from aiohttp import web

    from settings import Settings

FAIL_APART = 0.5  # seconds
BEAT_EVERY = 1  # seconds; the master kills a worker that has been silent for its --timeout


class ChatWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """A worker process, for `gunicorn app:create_app`."""

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

        listeners = [listener.sock for listener in self.sockets]
        # One after the other. gunicorn 27.0.1 ends all workers when one could not start; if it
        # then sees another that could not, it fails with a traceback and status 1.
        fail_after = (self.age - 1) % self.cfg.workers * FAIL_APART
        run(self._create_app, listeners, Arbiter.WORKER_BOOT_ERROR, fail_after)

    def _create_app(self, settings: "Settings") -> "web.Application":
        from settings import StartError

        if not settings.MONGO_HOST:
            raise StartError(
                "MONGO_HOST is not set, and the embedded database serves one process only: "
                "set it, or run `python app.py` instead of gunicorn."
            )
        host, port = self.sockets[0].sock.getsockname()[:2]
        app: web.Application = self.wsgi(replace(settings, SITE_HOST=host, SITE_PORT=port))
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

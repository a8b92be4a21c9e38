"""The embedded database's process: `python embedded_server.py SOCKET FOLDER` (see embedded.py)."""

import asyncio
import logging
import os
import signal
import sqlite3
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>: the signal that a process gets when its parent ends


def main(socket_path: str, data_dir: str) -> None:
    """Serve the database until standard input ends; never outlive the chat."""
    _die_with_parent()
    # Both signals reach the whole terminal; the chat needs its database to say goodbye.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.umask(0o077)
    logging.basicConfig(level=logging.CRITICAL)
    try:
        asyncio.run(_serve(socket_path, data_dir))
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"The embedded database in {data_dir} can't be opened: {error}.")


async def _serve(socket_path: str, data_dir: str) -> None:
    # Imported only now: it takes half a second, in which the chat may end.
    from nx_27017.handler import NeoSQLiteHandler
    from nx_27017.server import handle_client

    handler = NeoSQLiteHandler(data_dir=data_dir)
    server = await asyncio.start_unix_server(
        lambda reader, writer: handle_client(reader, writer, handler), socket_path
    )
    with suppress(BrokenPipeError):  # the chat may have ended meanwhile
        print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    # Not a full clean-up: it would wait for connections that nobody will use again.
    handler.close_all()
    os._exit(0)


def _die_with_parent() -> None:
    """Let Linux kill this process when the chat has ended, however that was.

    The end of standard input says it too, but not to a process that hangs or is stopped: it would
    keep the folder's lock, and the next start would be refused.
    """
    if sys.platform == "linux":
        import ctypes  # which a Python that was built without libffi lacks

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The embedded database's process, which embedded.py starts.

Usage: python -m storage.embedded_server SOCKET FOLDER [NAME]

It prints READY when it serves, or what is wrong with its files: then it answers nothing else.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sqlite3
import sys
from contextlib import suppress

from server.children import die_with_parent
from server.systemd import for_journal

READY = "ready"


def main(socket_path: str, data_dir: str, *name: str) -> None:
    """Serve the database until standard input ends, which the chat holds open."""
    if sys.stderr:  # it may be closed
        faulthandler.enable()
    die_with_parent()  # while it hangs, too, or the chat could not start again: it has the lock
    # Ctrl-C reaches this process too, but the chat still needs it to store what waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.umask(0o077)
    logging.basicConfig(level=logging.CRITICAL)
    try:
        asyncio.run(_serve(socket_path, data_dir, *name))
    except (OSError, sqlite3.Error) as error:
        text = f"The embedded database in {data_dir} can't be opened: {error}."
        sys.exit(for_journal(logging.ERROR, text))


async def _serve(socket_path: str, data_dir: str, *name: str) -> None:
    # Imported here: it takes half a second, during which the chat may end.
    from nx_27017.server import handle_client

    from storage.embedded_handler import AtomicHandler

    handler = AtomicHandler(data_dir, *name)
    gc.freeze()  # or a full collection would look at all that was imported, for 10 ms
    server = await asyncio.start_unix_server(
        lambda reader, writer: handle_client(reader, writer, handler), socket_path
    )
    with suppress(BrokenPipeError):  # the chat may have ended
        print(handler.damage or READY, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    # Without a full clean-up, which would wait for connections that nobody uses any more.
    if not handler.is_damaged:
        handler.close_all()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

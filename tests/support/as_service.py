"""Starts a Python program in its own place, as systemd starts that of a service.

Usage: python as_service.py DESCRIPTORS COMMAND... passes the sockets that have these descriptors,
separated by commas, and sets the variables that only the process itself can know.
"""

import fcntl
import os
import sys

FIRST = 3  # the descriptor at which systemd passes sockets
ASIDE = 100  # above all that are open


def main(descriptors: str, *command: str) -> None:
    """Become the program."""
    error = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{error.st_dev}:{error.st_ino}"
    passed = [fcntl.fcntl(int(it), fcntl.F_DUPFD, ASIDE) for it in descriptors.split(",") if it]
    for position, descriptor in enumerate(passed):
        os.dup2(descriptor, FIRST + position)
        os.close(descriptor)
    os.environ["LISTEN_FDS"] = str(len(passed))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main(*sys.argv[1:])

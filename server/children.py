"""Processes that the chat starts: they end with it, and may do no more than they need to."""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>: the signal that a process gets when its parent ends
NICE = 10  # how much lower the priority of work for others is than the chat's


def die_with_parent() -> None:
    """Make Linux kill this process when the one that started it ends, for whatever reason.

    The end of standard input may tell so, too, but not while this process hangs or is stopped.
    """
    if sys.platform == "linux":
        import ctypes  # missing if Python was built without libffi

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def confine(memory: int, processor_time: int, file_size: int) -> None:
    """Limit this process, which works on what strangers have sent: in bytes and seconds."""
    die_with_parent()
    # Ctrl-C and Heroku tell all processes to end; the chat still waits for this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICE)
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000")  # short of memory, this ends first
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CPU, processor_time)
    _limit(resource.RLIMIT_FSIZE, file_size)
    _limit(resource.RLIMIT_CORE, 0)


def open_nothing_more() -> None:
    """Let this process open no file, socket, process or thread any more, nor import a module."""
    _limit(resource.RLIMIT_NOFILE, 0)  # what it has stays open; closing that makes no room
    _limit(resource.RLIMIT_NPROC, 0)


def _limit(what: int, most: int) -> None:
    with suppress(ValueError, OSError):  # it is lower already, or this system can't limit it
        resource.setrlimit(what, (most, most))

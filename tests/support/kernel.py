"""What Linux tells about processes and sockets, from /proc."""

import os
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Tell whether a process has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second if it ends while it is read
        return False


def resident(pid: int) -> int:
    """Return the memory that a process takes, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    """Count the files and sockets that a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def has_open(pid: int, file: Path) -> bool:
    """Tell whether a process has a file open."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if descriptor.readlink() == file:
                return True
    return False


def send_queues(port: int) -> dict[int, int]:
    """Return how many bytes the kernel keeps for each peer of a server, by the peer's port."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(peer.partition(":")[2], 16): int(queues.partition(":")[0], 16)
        for _, own, peer, _, queues, *_ in rows
        if int(own.partition(":")[2], 16) == port
    }

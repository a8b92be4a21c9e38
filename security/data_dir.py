"""DATA_DIR, the folder of the embedded database and of the generated key."""

import errno
import logging
import os
import re
from functools import cache
from pathlib import Path

from settings import StartError, TemporaryStartError

log = logging.getLogger(__name__)

# What is there of ours, with backups beside it, or because it is the top of a volume.
OURS = re.compile(r"lock|secret_key.*|database\.sock|.+\.db\b.*|lost\+found")


def make_data_dir(data_dir: Path) -> None:
    """Make the folder for data, which only its owner may enter. Raises StartError."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(data_dir, error) from None
    check_data_dir(data_dir)
    if not data_dir.stat().st_mode & 0o077:
        return
    try:
        # It was there before: for our data, or for something else, as /tmp is. We may have made
        # files there since.
        if not all(OURS.fullmatch(path.name) for path in data_dir.iterdir()):
            raise PermissionError
        data_dir.chmod(0o700)
    except OSError:
        _warn(data_dir)


@cache  # once
def _warn(data_dir: Path) -> None:
    log.warning("others may enter DATA_DIR=%s: use a folder of its own, mode 0700", data_dir)


def check_data_dir(data_dir: Path) -> None:
    """Check that files can be made in the folder for data, if it is there. Raises StartError."""
    try:
        if data_dir.is_dir() and not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
            is_read_only = os.statvfs(data_dir).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if is_read_only else errno.EACCES, "")
    except OSError as error:
        raise unwritable(data_dir, error) from None


def unwritable(data_dir: Path, error: OSError) -> StartError:
    """Return the error for a folder in which a file can't be made, read or written."""
    user, number = os.geteuid(), error.errno or 0
    is_full = number in (errno.ENOSPC, errno.EDQUOT)
    if is_full:
        remedy = "make room there"
    elif number == errno.EROFS:
        remedy = "mount it so that it can be written"
    elif number in (errno.EACCES, errno.EPERM):
        remedy = _ways_in(data_dir, user)
    else:
        remedy = "use another folder"
    kind = TemporaryStartError if is_full else StartError
    return kind(
        f"DATA_DIR={data_dir} can't be written by user {user}: {os.strerror(number)}; {remedy}."
    )


def _ways_in(data_dir: Path, user: int) -> str:
    """Return what to do so that a user may write in a folder, which may belong to another."""
    if not os.path.exists(data_dir):
        return f"as root, type install -d -m 700 -o {user} {data_dir}"
    if (owner := data_dir.stat().st_uid) not in (0, user):
        return f"run this as user {owner}, to whom it belongs"
    if owner == user and not os.access(data_dir, os.W_OK):
        return f"type chmod u+rwx {data_dir}"
    return f"as root, type chown -R {user} {data_dir}; for a container, where its volume is"

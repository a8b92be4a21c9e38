"""What a newcomer does first, and what must happen: `make run`, the log-in page, the end.

Run in a system of its own, where every process but this one and its parents is the chat's.
"""

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

TIMEOUT = 300  # seconds; installing takes most of it


def processes() -> dict[int, str]:
    """Return the command lines of all processes, by id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            if command:  # a zombie has none
                found[int(folder.name)] = command
    return found


signal.alarm(TIMEOUT)
before = processes()
make = subprocess.Popen(
    ["make", "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
)
assert make.stdout
output = []
for line in make.stdout:
    print(line, end="")
    output.append(line)
    if line.startswith("Database:"):
        break
else:
    sys.exit("`make run` has ended before the chat was there.")
[address] = [line.split()[-1] for line in output if line.startswith("Chat at ")]
with urllib.request.urlopen(f"{address}/login", timeout=10) as page:
    assert page.status == 200, page.status
    assert b'id="password"' in page.read()
[chat] = [pid for pid, command in processes().items() if command.endswith("python app.py")]
os.kill(chat, signal.SIGTERM)
assert make.wait(10) == 0, make.returncode
left = {pid: command for pid, command in processes().items() if pid not in before}
assert not left, left
output += make.stdout
# A package that is fetched only at the second attempt says nothing of the chat.
said = "".join(line for line in output if not line.startswith("WARNING: Retrying")).lower()
for word in ("warn", "deprecat", "error", "traceback"):
    assert word not in said, f"{word!r} in the output"
print("`make run` starts, serves and ends, without a warning.")

"""`python app.py` before it imports its packages: how it ends, and what it says if that fails.

Only the first process of a container needs a handler to be ended by a signal; .ci/container sees
that. Here the status tells that the handler ended it: without one, the signal would.
"""

import ast
import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.startup import NEWEST, OLDEST
from settings import ROOT
from tests.support.waiting import START_PATIENCE

# Runs app.py, and stops for ever where it would import the first package.
WAITING = """
import runpy, sys, time

class Wait:
    def find_spec(self, name, *_):
        if name == "aiohttp":
            print("importing", flush=True)
            time.sleep(600)

sys.meta_path.insert(0, Wait())
sys.path.insert(0, sys.argv[1])
sys.argv[1:] = sys.argv[2:]
runpy.run_path(sys.path[0] + "/app.py", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("arguments", "is_done"), [([], True), (["check"], False)])
async def test_a_signal_ends_it_while_it_imports_its_packages(
    folder: Path, number: signal.Signals, arguments: list[str], is_done: bool
) -> None:
    (folder / "waiting.py").write_text(WAITING)
    chat = await asyncio.create_subprocess_exec(
        sys.executable, folder / "waiting.py", ROOT, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert chat.stdout is not None
    async with asyncio.timeout(START_PATIENCE):
        assert await chat.stdout.readline() == b"importing\n"
        chat.send_signal(number)
        assert await chat.stdout.read() == b""
        assert await chat.wait() == (0 if is_done else 128 + number)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without its packages: only what is read before those are missed."""
    (tmp_path / "server").mkdir()
    for name in ("app.py", "server/__init__.py", "server/startup.py", "server/systemd.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def said(*command: str | Path, cwd: Path) -> str:
    """Run a Python that has no packages, and return the one sentence that it says."""
    python = [sys.executable, "-S"]  # without its site-packages
    ended = subprocess.run([*python, *command], cwd=cwd, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    return line


@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize("venv", ["none", "whole", "moved"])
def test_without_its_packages_it_says_what_to_type(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, is_here: bool, venv: str
) -> None:
    if venv != "none":
        (checkout / ".venv" / "bin").mkdir(parents=True)
        to = sys.executable if venv == "whole" else "/nowhere/python"
        (checkout / ".venv" / "bin" / "python").symlink_to(to)
    at = "" if is_here else f"{checkout}/"
    make = "make" if is_here else f"make -C {checkout}"
    remedy = {
        "none": f"{make} run installs them in .venv, and starts the chat",
        "whole": f"type {at}.venv/bin/python {at}app.py password 'b ob'",
        "moved": f"{make} clean run installs them in .venv, and starts the chat",
    }[venv]
    cwd = checkout if is_here else tmp_path_factory.mktemp("elsewhere")
    line = said(f"{at}app.py", "password", "b ob", cwd=cwd)
    assert line == f"This Python lacks packages of the chat, such as aiohttp: {remedy}."


@pytest.mark.parametrize("missing", ["server.nothing", "_sqlite3"])
def test_a_module_of_the_chat_or_of_python_that_is_missing_is_a_fault_and_shows_where(
    checkout: Path, missing: str
) -> None:
    fault = f"raise ModuleNotFoundError('is missing', name={missing!r})"
    text = (checkout / "app.py").read_text()
    (checkout / "app.py").write_text(text.replace("import asyncio", fault))
    ended = subprocess.run([sys.executable, "app.py"], cwd=checkout, capture_output=True, text=True)
    assert ended.returncode == 1
    assert fault in ended.stderr
    assert "Traceback" in ended.stderr


@pytest.mark.parametrize("version", ["3.10", "3.15", "4.0"])
def test_in_another_python_it_says_which_it_needs(checkout: Path, version: str) -> None:
    script = (
        "import runpy, sys; sys.path.insert(0, '.');"
        f"sys.version_info = ({version.replace('.', ', ')}, 0, 'final', 0);"
        "sys.argv = ['app.py']; runpy.run_path('app.py', run_name='__main__')"
    )
    assert said("-c", script, cwd=checkout) == (
        f"The chat needs Python 3.11 to 3.14, and this is {version}: "
        "make run looks for another one."
    )


def test_an_earlier_python_can_read_what_says_so() -> None:
    for name in ("app.py", "server/__init__.py", "server/startup.py"):
        ast.parse((ROOT / name).read_text(), feature_version=(3, 7))


def test_the_versions_are_those_of_the_makefile() -> None:
    supported = f"{OLDEST} <= sys.version_info[:2] <= {NEWEST}"
    assert supported in (ROOT / "Makefile").read_text()

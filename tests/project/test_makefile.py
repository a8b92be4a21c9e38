"""What `make` says to somebody whose machine lacks something, or who has moved the folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from settings import ROOT


def python(folder: Path, version: str) -> Path:
    """Return a command that says of itself that it is another version of Python."""
    program = folder / f"python{version}"
    pretend = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0)"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}; $2"\n')
    program.chmod(0o755)
    return program


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder that has nothing but the Makefile, and that is all of its PATH."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.txt").open("a").close()  # whose time stays as it is
    program = shutil.which("make")
    assert program is not None
    return subprocess.run(
        [program, "-C", str(folder), *arguments],
        env={"PATH": str(folder), "HOME": os.devnull},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_another_python_is_refused_in_one_sentence(tmp_path: Path, version: str) -> None:
    refused = make(tmp_path, "run", f"PYTHON={python(tmp_path, version)}")
    [sentence, _] = refused.stderr.splitlines()  # the second line is make's own
    assert sentence.startswith("The chat needs Python 3.11 to 3.14:")
    assert refused.returncode


def test_no_python_at_all_is_refused_in_the_same_sentence(tmp_path: Path) -> None:
    refused = make(tmp_path, "run")
    assert refused.stderr.startswith("The chat needs Python 3.11 to 3.14:")
    assert refused.returncode


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_a_python_that_will_do_is_found_by_its_name(tmp_path: Path, version: str) -> None:
    python(tmp_path, "3.10").rename(tmp_path / "python3")
    python(tmp_path, version)
    assert f"python{version} -m venv --clear .venv" in make(tmp_path, "run", "--dry-run").stdout


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    """A folder in which everything for the tests is installed by pip, by an ordinary user."""
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "requirements-dev.txt").touch()
    (tmp_path / ".venv").mkdir()
    for made in ("run", "dev"):
        (tmp_path / ".venv" / made).touch()
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    for name in ("grep", "ls"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "id").chmod(0o755)
    return tmp_path


def test_an_ordinary_user_is_told_at_once_all_that_the_tests_need(ordinary: Path) -> None:
    refused = make(ordinary, "test")
    [_, line, _] = refused.stderr.splitlines()  # the third is make's own
    words = line.split()
    assert words[:3] == ["apt-get", "install", "libatomic1"]
    assert {"redis-server", "curl", "sqlite3"} <= set(words)
    is_debian = "ID=debian\n" in Path("/etc/os-release").read_text()
    assert ("chromium-headless-shell" in words) is is_debian  # others get Playwright's own
    is_elsewhere = shutil.which("nginx", path="/usr/sbin")  # not in their PATH, and found
    assert ("nginx" in words) is (is_elsewhere is None)
    assert refused.returncode


def test_an_ordinary_user_who_has_all_is_told_nothing(ordinary: Path) -> None:
    driver = ordinary / ".venv/lib/python3.11/site-packages/playwright/driver"
    driver.mkdir(parents=True)
    programs = [driver / "node"]
    programs += [ordinary / name for name in ("redis-server", "nginx", "curl", "sqlite3")]
    programs.append(ordinary / "chromium")
    for program in programs:
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    all_there = make(ordinary, "tools", "browser", "servers")
    assert (all_there.returncode, all_there.stderr) == (0, "")


def test_what_make_runs_bears_that_the_folder_is_moved(tmp_path: Path) -> None:
    """Scripts in `.venv/bin` begin with the path of the folder in which they were installed."""
    commands = make(
        tmp_path, "--dry-run", "PYTHON=python3",
        *("run", "gunicorn", "check", "test", "browser", "soak", "lint", "screenshots", "mutants"),
    ).stdout  # fmt: skip
    programs = set(re.findall(r"\.venv/bin/(\S+)", commands))
    assert programs == {"python"}

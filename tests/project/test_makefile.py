"""What `make` says to somebody whose Python the chat does not run on."""

import os
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


def make_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make run` in a folder that has nothing but the Makefile, and no other Python."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.txt").touch()
    make = shutil.which("make")
    assert make is not None
    return subprocess.run(
        [make, "-C", str(folder), "run", *arguments],
        env={"PATH": str(folder), "HOME": os.devnull},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_another_python_is_refused_in_one_sentence(tmp_path: Path, version: str) -> None:
    refused = make_run(tmp_path, f"PYTHON={python(tmp_path, version)}")
    [sentence, _] = refused.stderr.splitlines()  # the second line is make's own
    assert sentence.startswith("The chat needs Python 3.11 to 3.14:")
    assert refused.returncode


def test_no_python_at_all_is_refused_in_the_same_sentence(tmp_path: Path) -> None:
    refused = make_run(tmp_path)
    assert refused.stderr.startswith("The chat needs Python 3.11 to 3.14:")
    assert refused.returncode


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_a_python_that_will_do_is_found_by_its_name(tmp_path: Path, version: str) -> None:
    python(tmp_path, "3.10").rename(tmp_path / "python3")
    python(tmp_path, version)
    assert f"python{version} -m venv --clear .venv" in make_run(tmp_path, "--dry-run").stdout

"""What long tests measure, and the table of it at the end of a run."""

import logging
import resource
from collections.abc import Callable, Iterator

import pytest

from storage.database import MotorDatabase
from tests.support.soak import Measure, Usage, table, usage

HEAD = ["", "memory", "files", "tasks", "log lines", "database"]
ROW = "usage"


@pytest.fixture
def measure(
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> Measure:
    """Measure what the process takes now, and put it into the table."""
    caplog.set_level(logging.INFO)  # as the chat itself logs

    async def measure(moment: str, database: MotorDatabase) -> Usage:
        now = await usage(database, caplog)
        record_property(ROW, [moment, *now.cells])
        return now

    return measure


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and those that it starts, have as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    rows = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in report.user_properties
        if name == ROW and report.when == "call"
    ]
    if rows:
        terminalreporter.section("what it took")
        terminalreporter.write_line("\n".join(table([HEAD, *rows])))

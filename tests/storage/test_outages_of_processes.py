"""What the processes of a chat log of an outage, each by itself."""

import re
from pathlib import Path

import pytest

from tests.support.databases import embedded_server
from tests.support.deployment import Gunicorn
from tests.support.processes import Chat, free_port
from tests.support.waiting import START_PATIENCE, until


@pytest.mark.parametrize(("kind", "processes"), [(Chat, 1), (Gunicorn, 4)])
async def test_each_process_logs_one_line_when_the_database_goes_and_one_when_it_is_back(
    kind: type[Chat], processes: int, folder: Path
) -> None:
    def count(line: str) -> int:
        return len(re.findall(line, chat.output))

    with embedded_server() as server:
        server.start()
        settings = {"MONGO_HOST": server.address, "SECRET_KEY": "a key for the tests"}
        chat = kind(folder, free_port(), **settings)
        try:
            await chat.start()
            server.kill()
            await until(
                lambda: count("WARNING .* the database is away") == processes, START_PATIENCE
            )
            server.start()
            await until(lambda: count("INFO .* the database is back") == processes, START_PATIENCE)
        finally:
            await chat.stop()
        assert count("database is") == 2 * processes, chat.output

"""What takes how long in a short and in a long log, and how long others wait meanwhile."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import aiohttp

from server.background import background
from tests.support.accounts import signed_in
from tests.support.commands import done
from tests.support.long_log import fill
from tests.support.processes import Chat, running_chat

LENGTHS = (1_000, 100_000, 1_000_000)  # messages
MOST_MOVED = 100_000  # messages that are exported and imported, too
TIMES = 5  # each thing is done; ten searches at once are all that a person may do
PROBE_PAUSE = 0.002  # seconds between requests of the others

# Milliseconds: the median, and the longest that others waited; None at the start, without others.
Cell = tuple[float, float | None]


async def measure() -> dict[str, list[Cell]]:
    """Return a row for each thing that people do, with a cell for each length."""
    rows: dict[str, list[Cell]] = {}
    for count in LENGTHS:
        async with (
            running_chat(MONGO_HOST="", MESSAGES_PER_SECOND=0) as chat,
            signed_in(chat.url, "alice") as browser,
        ):
            await browser.post("/", data={"msg": "the first message"})
            await chat.terminate()
            fill(Path(chat.environment["DATA_DIR"]) / "chat.db", count)
            rows.setdefault("start", []).append((await clocked(chat.start()), None))
            own = count + 1
            for name, path, form in (
                ("say something", "/", {"msg": "something"}),
                ("edit a message", f"/message/{own}", {"action": "edit", "msg": "other"}),
                ("the chat page", "/", None),
                ("a page of the history", f"/?before={count // 2}", None),
                ("search for a word in every message", "/search?q=always", None),
                ("search for a word in ten messages", "/search?q=rarely", None),
            ):
                cell = await timed(browser, lambda: ask(browser, path, form))  # noqa: B023
                rows.setdefault(name, []).append(cell)
            if count <= MOST_MOVED:
                for name, cell in (await move(chat, browser)).items():
                    rows.setdefault(name, []).append(cell)
    return rows


async def move(chat: Chat, browser: aiohttp.ClientSession) -> dict[str, Cell]:
    """Export the room beside the running chat, and import it into another folder."""
    with tempfile.TemporaryDirectory(prefix="chat") as folder:
        file, other = f"{folder}/chat.jsonl", Chat(Path(folder), MONGO_HOST="")
        exported = await timed(browser, lambda: clocked(done(chat, "export", file)), 1)
        imported = await clocked(done(other, "import", file))
    return {"`export` beside the chat": exported, "`import` into a new folder": (imported, None)}


async def timed(
    browser: aiohttp.ClientSession, do: Callable[[], Awaitable[float]], times: int = TIMES
) -> Cell:
    """Do something some times while others ask whether the database answers."""
    waits: list[float] = [0]

    async def wait_like_others() -> None:
        while True:
            waits.append(await ask(browser, "/healthz"))
            await asyncio.sleep(PROBE_PAUSE)

    async with background(wait_like_others()):
        taken = [await do() for _ in range(times)]
    return median(taken), max(waits)


async def clocked(doing: Awaitable[object]) -> float:
    """Return how long something takes, in milliseconds."""
    started = time.perf_counter()
    await doing
    return (time.perf_counter() - started) * 1000


async def ask(
    browser: aiohttp.ClientSession, path: str, form: dict[str, str] | None = None
) -> float:
    """Ask for a page, or post a form; return how long it took, in milliseconds."""
    started = time.perf_counter()
    method = "GET" if form is None else "POST"
    async with browser.request(method, path, data=form, allow_redirects=False) as response:
        assert response.status in (200, 303), response.status
        await response.read()
    return (time.perf_counter() - started) * 1000


def table(rows: dict[str, list[Cell]]) -> list[str]:
    """Return the lines of the table."""
    head = " | ".join(f"{count:,} messages" for count in LENGTHS)
    lines = [f"| | {head} |", "|---" * (len(LENGTHS) + 1) + "|"]
    for name, cells in rows.items():
        texts = [
            f"{own:.0f} ms" if others is None else f"{own:.0f} ms, others {others:.0f}"
            for own, others in cells
        ]
        texts += [""] * (len(LENGTHS) - len(texts))
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return lines

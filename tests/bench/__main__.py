"""`make bench`: the chat beside the tutorial's way and two peers, on the machine it is run on."""

import asyncio
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from settings import ROOT
from tests.bench import load, long_logs, processes, work
from tests.bench.figure import draw
from tests.bench.servers import LOAD_CORE, Server, chat, peer

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = 2
PEERS = ("naive", "websockets", "tornado")
CURVE = (100, 200, 500, 1000)  # readers in the figure
TALKERS = 8
WANTED: dict[str, tuple[tuple[int, int], int]] = {  # readers and talkers; times naive
    "fan-out, 200 readers, 8 talkers": ((200, TALKERS), 4),
    "fan-out, 1,000 readers, 8 talkers": ((1000, TALKERS), 6),
    "busy room, 200 people who all talk": ((200, 200), 18),
}
FAN_OUT = [*((readers, TALKERS) for readers in CURVE), (200, 200)]

LIMITS = """\
## What limits it

At 200 readers and 8 talkers no batch can hold more than eight messages, one per talker. Of the
processor time a message then takes (0.42 to 0.6 ms), about half is the kernel's: 25 `send()` calls
of some 7 µs, 200 readers' by eight messages. Motor and the driver take 45 µs (360 µs for an insert
of eight, in a thread of theirs; PyMongo's asynchronous client takes as much). The rest is spread
thinly over turns of the event loop, aiohttp's frames, JSON, checks and futures: in a profile no
function of the chat has more than 5 %. In the busy room a message costs 0.10 ms, of which 0.03
are the kernel's, and reading and checking it costs more than all its 200 deliveries. Saving nothing
before it is shown, or not checking, would be faster; we do not give that up.
"""

Values = dict[tuple[tuple[int, int], str], list[load.Result]]  # by readers, talkers and server


def spread(values: list[float], unit: str = "", scale: float = 1) -> str:
    """Return median and range, to three digits."""
    low, middle, high = (rounded(f(values) / scale) for f in (min, median, max))
    return f"{middle}{unit} ({low} to {high})"


def rounded(value: float) -> str:
    """Return a number as people write it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


async def fan_out(server: Server, values: Values) -> None:
    """Measure one round of every kind of talk on one server."""
    for crowd in FAN_OUT:
        values[crowd, server.name].append(await work.fan_out(server, *crowd, SECONDS))
    for readers in CURVE:
        values[(readers, 0), server.name].append(await work.recital(server, readers, SECONDS))


async def run() -> tuple[Values, dict[str, list[float]]]:
    """Alternate the servers over the rounds, then do what concerns the chat alone."""
    values: Values = defaultdict(list)
    own: dict[str, list[float]] = defaultdict(list)
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
        async with chat() as server:
            await fan_out(server, values)
        for name in PEERS:
            async with peer(name) as server:
                await fan_out(server, values)
        for measure in work.OWN:
            async with chat() as server:
                for name, value in (await measure(server)).items():
                    own[name].append(value)
    return values, own


def report(
    values: Values,
    own: dict[str, list[float]],
    lengths: dict[str, list[long_logs.Cell]],
    several: list[str],
) -> str:
    """Return the page for docs/benchmark.md."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine(),
    )  # fmt: skip
    lines = [
        "# Benchmark",
        "",
        f"Made by `make bench`: {ROUNDS} round(s), the servers one after the other in each, "
        f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}. The server has "
        "one core, the load and the embedded database the other. Figures are the median (lowest to "
        "highest). *Naive* is a minimal version of the tutorial's way: it awaits each reader in "
        "turn, checks nobody and stores nothing, while the chat looks up sessions, checks, limits, "
        "numbers and stores every message before it shows it.",
        "",
        "## Deliveries per second of the server's processor",
        "",
        "| work | chat | naive | chat / naive | wanted | websockets | tornado |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (crowd, wanted) in WANTED.items():
        rates = {
            server: [r.per_cpu_second for r in values[crowd, server]] for server in ("chat", *PEERS)
        }
        ratios = [a / b for a, b in zip(rates["chat"], rates["naive"], strict=True)]
        cells = {server: spread(rate, "k", 1000) for server, rate in rates.items()}
        lines.append(
            f"| {name} | {cells['chat']} | {cells['naive']} | **{spread(ratios, ' ×')}** "
            f"| {wanted} × | {cells['websockets']} | {cells['tornado']} |"
        )
    lines += ["", "What the others used meanwhile, in shares of a core:", ""]
    lines += ["| work | chat | its database | the load |", "|---|---|---|---|"]
    for name, (crowd, _) in WANTED.items():
        lines.append(f"| {name} | {shares(values[crowd, 'chat'])} |")
    lines += [
        "",
        "## The chat alone",
        "",
        "| work | measured | wanted |",
        "|---|---|---|",
        *(
            f"| {name} | {spread(own[name], unit)} | {wanted} |"
            for name, (unit, wanted) in work.WANTED.items()
        ),
        "",
        "![Deliveries per second of processor time, and the delay, against readers](benchmark.png)",
        "",
        f"Left: deliveries per second of the server's processor, with {TALKERS} talkers who each "
        "wait for their own message. Right: the delay that one delivery in a hundred exceeds, from "
        "the sender's write to each reader, at 100 messages a second.",
        "",
        "## Long logs in the embedded database",
        "",
        "The median time, and the longest that others waited meanwhile for an answer of the "
        "database. There are as many accounts and sessions as messages.",
        "",
        *long_logs.table(lengths),
        "",
        "## Several processes",
        "",
        "Five people on each process write five messages a second; each request to the database "
        "takes so much longer.",
        "",
        *several,
        "",
        LIMITS,
    ]
    return "\n".join(lines)


def shares(results: list[load.Result]) -> str:
    """Return how busy server, database and load were."""
    of: tuple[Callable[[load.Result], float], ...] = (
        lambda r: r.server_cpu, lambda r: r.database_cpu, lambda r: r.load_cpu,
    )  # fmt: skip
    return " | ".join(f"{median(cpu(r) / r.seconds for r in results):.2f}" for cpu in of)


def main() -> None:
    """Measure, write docs/benchmark.md and its figure, print the table."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})
    work.raise_file_limit()
    values, own = asyncio.run(run())
    print("long logs", file=sys.stderr)
    lengths = asyncio.run(long_logs.measure())
    print("several processes", file=sys.stderr)
    page = report(values, own, lengths, asyncio.run(processes.measure()))
    (ROOT / "docs" / "benchmark.md").write_text(page)
    curve = {
        name: [
            (readers, median(r.per_cpu_second for r in values[(readers, TALKERS), name]),
             median(r.p99 for r in values[(readers, 0), name]))
            for readers in CURVE
        ]
        for name in ("chat", *PEERS)
    }  # fmt: skip
    draw(curve, ROOT / "docs" / "benchmark.png")
    print(page)


main()

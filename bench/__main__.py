"""`make bench`: the chat beside the tutorial's way and three peers, on the machine it is run on."""

import asyncio
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import files, load, long_logs, long_talk, processes, shared_room, slow_network, work
from bench.figure import draw
from bench.servers import LOAD_CORE, Server, chat, peer, peers
from settings import ROOT

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = 2
PYTHON_PEERS = ("naive", "websockets", "tornado")
SWEPT = ("chat", "naive")
WANTED: dict[str, tuple[tuple[int, int], int, float]] = {  # readers, talkers; times naive, times C
    "fan-out, 200 readers, 8 talkers": ((200, 8), 4, 0.65),
    "fan-out, 1,000 readers, 8 talkers": ((1000, 8), 6, 0.75),
    "busy room, 200 people who all talk": ((200, 200), 18, 0.25),
}

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

The server in C has the same `send()`, 5 µs of the 7 that a write to a reader takes; asyncio's
transport and the chat's own checks are the other 2. In the busy room it has no Python either
between a frame that comes and the batch. Of several processes each hears every message through
Redis, which takes it 0.2 ms for each publication, however few messages that has. Four processes
that share one core also have less to join: a write has 3.4 messages there instead of 8, and a write
is what costs. See [scaling.md](scaling.md).
"""

Values = dict[tuple[tuple[int, int], str], list[load.Result]]  # by readers, talkers and server
Sweeps = dict[str, dict[int, list[load.Result]]]  # by server and messages a second


def spread(values: list[float], unit: str = "", scale: float = 1) -> str:
    """Return median and range, to three digits."""
    low, middle, high = (rounded(f(values) / scale) for f in (min, median, max))
    return f"{middle}{unit} ({low} to {high})"


def rounded(value: float) -> str:
    """Return a number as people write it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


async def fan_out(server: Server, values: Values, sweeps: Sweeps) -> None:
    """Measure one round of every kind of talk on one server."""
    for crowd, _, _ in WANTED.values():
        values[crowd, server.name].append(await work.fan_out(server, *crowd, SECONDS))
    if server.name in SWEPT:
        for per_second, result in (await work.sweep(server)).items():
            sweeps[server.name][per_second].append(result)


async def run() -> tuple[Values, Sweeps, dict[str, list[float]]]:
    """Alternate the servers over the rounds, then do what concerns the chat alone."""
    values: Values = defaultdict(list)
    sweeps: Sweeps = {name: defaultdict(list) for name in SWEPT}
    own: dict[str, list[float]] = defaultdict(list)
    with peers() as commands:
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
            async with chat() as server:
                await fan_out(server, values, sweeps)
            for name, command in commands.items():
                async with peer(name, command) as server:
                    await fan_out(server, values, sweeps)
            for measure in work.OWN:
                async with chat() as server:
                    for name, value in (await measure(server)).items():
                        own[name].append(value)
    return values, sweeps, own


def report(
    values: Values,
    sweeps: Sweeps,
    own: dict[str, list[float]],
    lengths: dict[str, list[long_logs.Cell]],
    in_browser: list[str],
    delayed: list[str],
    shared: list[str],
    page_loads: slow_network.Rows,
    of_files: list[str],
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
        "## More and more messages",
        "",
        "![Delay and processor time against messages a second](benchmark.png)",
        "",
        f"A thousand people are in the room, and so many of them that each says {work.EACH} things "
        f"a second talk for {work.SWEEP_SECONDS} seconds. The delay is the one that one delivery "
        "in a hundred exceeds, from the sender's write to each reader. Whoever can't keep up falls "
        "further and further behind, so its delay depends on how long it is measured; a server is "
        "asked for no more after a delay above a second. From about 1,000 messages a second on, "
        "the other core, with the load and the database, is full, so what grows there is mostly "
        "theirs: the chat itself, which then joins more messages in a write, has less to do. Of "
        f"{work.WATCHED} readers one notes delays; the others read five times a second.",
        "",
        *sweep_table(sweeps),
        "",
        "## Deliveries per second of the server's processor",
        "",
        "Each talker waits for their own message before the next.",
        "",
        "| work | chat | naive | chat / naive | wanted | websockets | tornado |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (crowd, wanted, _) in WANTED.items():
        cells = {server: rate(values, crowd, server) for server in ("chat", *PYTHON_PEERS)}
        lines.append(
            f"| {name} | {cells['chat']} | {cells['naive']} | {ratio(values, crowd, 'naive')} "
            f"| {wanted} × | {cells['websockets']} | {cells['tornado']} |"
        )
    lines += [
        "",
        "Beside its limit: a server in C (`bench/c_peer.c`) that joins writes as the chat "
        "does, and neither checks nor stores anything.",
        "",
        "| work | C | chat / C | wanted |",
        "|---|---|---|---|",
    ]
    for name, (crowd, _, wanted_of_c) in WANTED.items():
        if values[crowd, "C"]:
            cell = f"{rate(values, crowd, 'C')} | {ratio(values, crowd, 'C')}"
        else:
            cell = "no compiler here | "
        lines.append(f"| {name} | {cell} | {wanted_of_c} × |")
    lines += ["", "What the others used meanwhile, in shares of a core:", ""]
    lines += ["| work | chat | its database | the load |", "|---|---|---|---|"]
    for name, (crowd, _, _) in WANTED.items():
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
        "## Long logs in the embedded database",
        "",
        "The median time, and the longest that others waited meanwhile for an answer of the "
        "database. There are as many accounts and sessions as messages.",
        "",
        *long_logs.table(lengths),
        "",
        "## The chat page on a slow network",
        "",
        f"In Chromium, on a phone that is {slow_network.PROCESSOR} times as slow, with "
        f"{slow_network.MESSAGES} messages; cold is with nothing in the browser's cache.",
        "",
        *slow_network.table(page_loads),
        "",
        "## Files",
        "",
        f"Somebody says {files.PER_SECOND} things a second meanwhile, and waits for each; the "
        "database is the embedded one.",
        "",
        *of_files,
        "",
        "## Years of talk in the browser",
        "",
        "Chromium, which shares a core with the load. The page keeps a thousand rows at most. Busy "
        "is the main thread's share of a core; a wait is until the page shows the key.",
        "",
        *in_browser,
        "",
        "## Several processes",
        "",
        "Five people on each process write five messages a second; each request to the database "
        "takes so much longer.",
        "",
        *delayed,
        "",
        f"{shared_room.TALKERS} talkers, each of whom waits for their own message, and readers "
        "spread over processes that share one core; Redis and the database have the other.",
        "",
        *shared,
        "",
        LIMITS,
    ]
    return "\n".join(lines)


def sweep_table(sweeps: Sweeps) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| messages a second | chat, delay | chat, of a core | naive, delay | naive, of a core |",
        "|---|---|---|---|---|",
    ]
    for per_second in work.SWEEP:
        cells = []
        for name in SWEPT:
            results = sweeps[name].get(per_second)
            cells += [
                spread([r.p99 for r in results], " ms") if results else "–",
                spread([r.server_share for r in results]) if results else "–",
            ]
        lines.append(f"| {per_second:,} | {' | '.join(cells)} |")
    return lines


def rate(values: Values, crowd: tuple[int, int], server: str) -> str:
    """Return the deliveries per second of a server's processor, in thousands."""
    return spread([r.per_cpu_second for r in values[crowd, server]], "k", 1000)


def ratio(values: Values, crowd: tuple[int, int], server: str) -> str:
    """Return how many times as many the chat delivers."""
    pairs = zip(values[crowd, "chat"], values[crowd, server], strict=True)
    return f"**{spread([a.per_cpu_second / b.per_cpu_second for a, b in pairs], ' ×')}**"


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
    values, sweeps, own = asyncio.run(run())
    print("long logs", file=sys.stderr)
    lengths = asyncio.run(long_logs.measure())
    print("years of talk in the browser", file=sys.stderr)
    in_browser = asyncio.run(long_talk.measure())
    print("several processes", file=sys.stderr)
    delayed = asyncio.run(processes.measure())
    shared = asyncio.run(shared_room.measure(ROUNDS))
    print("a slow network", file=sys.stderr)
    page_loads = asyncio.run(slow_network.measure(ROUNDS))
    print("files", file=sys.stderr)
    of_files = asyncio.run(files.measure(ROUNDS))
    page = report(values, sweeps, own, lengths, in_browser, delayed, shared, page_loads, of_files)
    (ROOT / "docs" / "benchmark.md").write_text(page)
    curves = {
        name: [
            (per_second, median(r.p99 for r in results), median(r.server_share for r in results))
            for per_second, results in sweep.items()
        ]
        for name, sweep in sweeps.items()
    }
    draw(curves, ROOT / "docs" / "benchmark.png")
    print(page)


main()

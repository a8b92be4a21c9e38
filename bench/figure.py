"""The figure of the README."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from bench.work import COLLAPSED, SWEEP

STYLES = {"chat": ("this chat", "#1f5fbf"), "naive": ("awaiting each reader in turn", "#b3261e")}


def draw(curves: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """Draw p99 in ms, and the share of a core, against messages a second."""
    figure, (delay, processor) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for server, points in curves.items():
        per_second, delays, shares = zip(*points, strict=True)
        name, colour = STYLES[server]
        for axes, values in ((delay, delays), (processor, [share * 100 for share in shares])):
            axes.plot(per_second, values, marker="o", label=name, color=colour)
            if delays[-1] > COLLAPSED:
                axes.plot(per_second[-1], values[-1], marker="X", markersize=11, color=colour)
                axes.annotate(
                    "can't keep up",
                    (per_second[-1], values[-1]),
                    xytext=(10, -4),
                    textcoords="offset points",
                    color=colour,
                )
    delay.set_title("how long 99 of 100 messages take at most", fontsize=11)
    delay.set_yscale("log")
    delay.set_yticks([10, 100, 1000], ["10 ms", "100 ms", "1 s"])
    delay.set_ylim(5, 10_000)
    processor.set_title("how busy one processor core is", fontsize=11)
    processor.set_yticks(range(0, 101, 25), [f"{percent} %" for percent in range(0, 101, 25)])
    processor.set_ylim(0, 110)
    for axes in (delay, processor):
        axes.set_xlabel("messages a second, each to 1,000 readers")
        axes.set_xlim(0, SWEEP[-1] * 1.05)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    delay.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)

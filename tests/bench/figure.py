"""The figure of the README."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = {"chat": "#1f5fbf", "naive": "#b3261e", "websockets": "#5a6370", "tornado": "#9aa4b0"}


def draw(curve: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """Draw deliveries per processor second, and p99 in ms, against readers."""
    figure, (speed, delay) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for name, points in curve.items():
        readers, rates, delays = zip(*points, strict=True)
        speed.plot(readers, [r / 1e6 for r in rates], marker="o", label=name, color=COLOURS[name])
        delay.plot(readers, delays, marker="o", label=name, color=COLOURS[name])
    speed.set_title("million deliveries per processor second")
    delay.set_title("99 of 100 deliveries within, ms, at 100 messages/s")
    delay.set_yscale("log")
    for axes in (speed, delay):
        axes.set_xlabel("readers")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    speed.set_ylim(bottom=0)
    speed.legend(frameon=False)
    figure.savefig(path, dpi=110)

"""Three simulated processes under faults that a seed decides: one log, and all deliver it alike.

`SEED=54 .venv/bin/pytest tests/simulation` repeats what a seed did.
"""

import os

import pytest

from tests.simulation.simulation import simulate
from tests.support.soak import size

SEEDS = range(1, size(soak=10_000, test=300) + 1)
AT_ONCE = 50  # seeds in one test
BLOCKS = [SEEDS[first : first + AT_ONCE] for first in range(0, len(SEEDS), AT_ONCE)]
if "SEED" in os.environ:
    BLOCKS = [range(int(os.environ["SEED"]), int(os.environ["SEED"]) + 1)]


@pytest.mark.parametrize("seeds", BLOCKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_seed_loses_doubles_or_reorders_anything(seeds: range) -> None:
    for seed in seeds:
        simulate(seed)


def test_a_seed_repeats_exactly() -> None:
    assert simulate(1) == simulate(1)

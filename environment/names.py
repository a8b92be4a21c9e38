"""Mistyped names of settings: which one is meant."""

import re
from collections.abc import Collection
from difflib import SequenceMatcher

LONG = 10  # letters: a name of so many is also found within others, and mistyped in the environment


def resembled(name: str, names: Collection[str]) -> str:
    """Return the setting that somebody means by another name in `.env`, "" if by none."""
    letters = _letters(name).removeprefix("SITE")  # of the tutorial's SITE_HOST and SITE_PORT
    for ours in names:
        own = _letters(ours)
        if sorted(own) == sorted(letters) or (len(own) >= LONG and own in letters):
            return ours
    # None in PORT, one in DATA_DIR, two in MODERATORS.
    return _nearest(letters, {ours: (len(_letters(ours)) - 2) // 4 for ours in names})


def slip(name: str, names: Collection[str]) -> str:
    """Return the setting that is certainly meant by another name in the environment, "" if none.

    An environment has names of other programs, and Docker and Kubernetes make some out of those of
    containers and services. So only the long names of the settings count here.
    """
    if name.endswith(("_HOST", "_NAME", "_PORT")):
        return ""
    letters = _letters(name)
    sizes = {ours: len(_letters(ours)) for ours in names}
    alike = [it for it, size in sizes.items() if size >= LONG and abs(size - len(letters)) < 2]
    return _nearest(letters, {ours: 2 if sizes[ours] > LONG + 1 else 1 for ours in alike})


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).upper()


def _nearest(letters: str, allowed: dict[str, int]) -> str:
    """Return the name that is the fewest slips away, "" if none is as near as allowed."""
    slips = {name: _slips(letters, _letters(name)) for name in allowed}
    near = [name for name, most in allowed.items() if slips[name] <= most]
    return min(near, key=slips.__getitem__, default="")


def _slips(one: str, other: str) -> int:
    """Return how many letters are too many, missing, wrong, or in another place."""
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return max(len(one), len(other)) - sum(block.size for block in blocks)

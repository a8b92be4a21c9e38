"""Which messages are folded: they show their beginning, and a box to tick for all of it.

How many lines a text takes is estimated; static/js/log/fold.js does the same.
"""

import re

MOST_LINES = 20  # as many as message.css shows of a folded message
DESK, PHONE = 120, 40  # characters of a line
WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60"
    "\U0001f300-\U0001faff\U00020000-\U0003fffd]"
)
WIDEST = re.compile("[\t\ufdfa-\ufdfd]")  # tabs, and phrases in one character, as wide as eight


def fold_class(text: str) -> str:
    """Return the class of a message with this text, "" if it is short."""
    if _is_longer(text, DESK):
        return "message--long"
    return "message--long-on-phone" if _is_longer(text, PHONE) else ""


def _is_longer(text: str, width: int) -> bool:
    lines = 0
    for line in text.split("\n", MOST_LINES):  # more lines are too many in any case
        characters = len(line) + len(WIDE.findall(line)) + 7 * len(WIDEST.findall(line))
        lines += max(1, -(-characters // width))
    return lines > MOST_LINES

"""Finds the messages that are a few emoji and nothing else, which are shown large.

emoji.js, which has them from the browser, knows all emoji; here are the usual ones.
"""

import re

PICTURE = (
    r"(?:[\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7f0\U0001f900-\U0001faff"
    r"\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u2614\u2615\u2648-\u2653\u26a1\u26aa\u26ab\u26bd"
    r"\u26be\u26c4\u26c5\u26d4\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757"
    r"\u2795-\u2797\u2b1b\u2b1c\u2b50\u2b55][\ufe0f\U0001f3fb-\U0001f3ff]?"
    r"|[\u203c-\u3299]\ufe0f|[\u261d\u26f9\u270c\u270d][\U0001f3fb-\U0001f3ff])"
)
REGION = r"[\U0001f1e6-\U0001f1ff]"  # two of them are a flag
EMOJI = (
    rf"(?:{PICTURE}(?:\u200d{PICTURE})*[\U000e0020-\U000e007f]*"
    rf"|{REGION}{REGION}|[0-9#*]\ufe0f\u20e3)"
)
ONLY_EMOJI = re.compile(rf"(?:{EMOJI}\s*){{1,6}}")


def is_only_emoji(text: str) -> bool:
    """Return whether a text is one to six emoji and nothing else."""
    return ONLY_EMOJI.fullmatch(text) is not None

"""Folding of texts: spellings that a reader can't tell apart compare equal."""

import unicodedata


def fold(text: str) -> str:
    """Return the form that all spellings of a text share (Unicode's NFKC_Casefold, UTR #36)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)

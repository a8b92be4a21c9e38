"""Folding: texts that differ only in case or in their Unicode form compare equal."""

import unicodedata


def fold(text: str) -> str:
    """Return the form that all spellings of a text share (Unicode, 3.13: caseless matching)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)

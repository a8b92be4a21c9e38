"""The room's colour, in two tones that can be read: a dark one on light pages, a light one on dark.

A contrast is that of WCAG 2.2, which asks for 4.5:1 (1.4.3).
"""

from typing import NamedTuple

ENOUGH = 4.5
MARGIN = 0.1  # for how browsers round what they mix
# Where texts in this colour stand, at worst: the tokens of base.css that are nearest to them.
DARKEST_LIGHT, LIGHTEST_DARK = (242, 243, 246), (40, 41, 47)
TINT = 0.1  # of a message that is edited or linked to, with its own links on it (message.css)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
STEPS = 100

Colour = tuple[int, int, int]  # red, green and blue, up to 255


class Tones(NamedTuple):
    """One colour for light pages and for dark ones, as `#rrggbb`."""

    light: str
    dark: str


def tones(text: str) -> Tones:
    """Return the tones of a colour `#rrggbb`: itself where it can be read, else the nearest."""
    colour = read_colour(text)
    light = _readable(colour, DARKEST_LIGHT, BLACK)
    return Tones(as_text(light), as_text(_readable(colour, LIGHTEST_DARK, WHITE)))


def read_colour(text: str) -> Colour:
    """Return the colour that `#rrggbb` stands for."""
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def as_text(colour: Colour) -> str:
    """Return a colour as `#rrggbb`."""
    return f"#{bytes(colour).hex()}"


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return one colour with a share of another one in it, as `color-mix(in srgb, …)` does."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _readable(colour: Colour, surface: Colour, end: Colour) -> Colour:
    """Return the colour mixed with as little of `end` as makes it readable on a surface."""
    return next(
        tone
        for step in range(STEPS + 1)
        if _stands_out(tone := mix(colour, end, step / STEPS), surface)
    )


def _stands_out(tone: Colour, surface: Colour) -> bool:
    tinted = mix(surface, tone, TINT)
    return min(contrast(tone, surface), contrast(tone, tinted)) >= ENOUGH + MARGIN


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

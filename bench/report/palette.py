"""What a codec looks like: colours and markers of the figures, on light and on dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from bench import paths

#: As in :mod:`bench.report.figures`, in the same order.
MARKERS = ("circle", "square", "up", "diamond", "down", "plus", "cross", "left", "hexagon", "right")
#: Colours of published curves: greyed, so that they can't be taken for a codec of the run.
_MUTED = ("5B6770", "8A6A4A", "75608F", "5F7548")
#: Dashes are kept for them; three patterns and four colours go round together.
_DASHES = ((4.0, 2.0), (1.5, 1.5), (6.0, 1.5, 1.5, 1.5))
_DARK_GROUND = "15181D"
#: WCAG's contrast for graphics and large text is 3; 4.5 keeps labels readable too.
_CONTRAST = 4.5


@dataclass(frozen=True)
class Look:
    """One curve's colours as #RRGGBB, its marker, and how line and marker are drawn.

    `dash` has the lengths of dashes and gaps in widths of the line; empty for a whole line.
    """

    light: str
    dark: str
    marker: str
    open: bool
    dash: tuple[float, ...] = ()


def looks(codecs: Sequence[str]) -> dict[str, Look]:
    """Return what each codec looks like, in every figure and on the page; 70 are all different.

    What decides is the order in which a report names its codecs first.
    """
    colours = _colours()
    return {
        codec: _look(
            colours[i % len(colours)],
            MARKERS[i % len(MARKERS)],
            filled=(i // len(colours)) % 2 == 0,
            dash=() if i < 2 * len(colours) else (7, 2, 1.5, 2),
        )
        for i, codec in enumerate(dict.fromkeys(codecs))
    }


def reference_looks(names: Sequence[str]) -> dict[str, Look]:
    """Return what curves look like that were not measured here: muted, dashed, open markers."""
    return {
        name: _look(
            _MUTED[i % len(_MUTED)],
            MARKERS[i % len(MARKERS)],
            filled=False,
            dash=_DASHES[i % len(_DASHES)],
        )
        for i, name in enumerate(dict.fromkeys(names))
    }


def _look(colour: str, marker: str, *, filled: bool, dash: tuple[float, ...]) -> Look:
    return Look("#" + colour, "#" + _lightened(colour), marker, not filled, dash)


def css(found: Iterable[Look]) -> str:
    """Return a class per look (.c0, .c1, …) that sets --c to its colour in either theme."""
    found = list(found)
    light = "".join(f".c{i}{{--c:{look.light}}}" for i, look in enumerate(found))
    dark = [f".c{i}{{--c:{look.dark}}}" for i, look in enumerate(found)]
    chosen = "".join(f":root[data-theme=dark] {rule}" for rule in dark)
    asked = "".join(f":root:not([data-theme=light]) {rule}" for rule in dark)
    return f"{light}\n@media screen{{{chosen}@media (prefers-color-scheme:dark){{{asked}}}}}\n"


@cache
def _colours() -> list[str]:
    """Return the cycle of colours that the figures' style names."""
    style = (paths.catalogue("reports") / "figures.mplstyle").read_text("utf-8")
    line = next(row for row in style.splitlines() if row.startswith("axes.prop_cycle"))
    return re.findall(r"[0-9A-Fa-f]{6}", line)


@cache
def _lightened(colour: str) -> str:
    """Return the colour mixed with as much white as it takes to stand out on the dark ground."""
    for step in range(21):
        mixed = [round(c + (255 - c) * step / 20) for c in bytes.fromhex(colour)]
        text = "".join(f"{c:02X}" for c in mixed)
        if contrast(text, _DARK_GROUND) >= _CONTRAST:
            return text
    return "FFFFFF"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours RRGGBB, 1 … 21, after WCAG 2.1."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    parts = [c / 255 for c in bytes.fromhex(colour)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b

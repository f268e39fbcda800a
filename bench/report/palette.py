"""What a codec looks like: colours and markers of the figures, on light and on dark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench import paths

#: As in :mod:`bench.report.figures`, in the same order.
MARKERS = ("circle", "square", "up", "diamond", "down", "plus", "cross", "left", "hexagon", "right")
_DARK_GROUND = "15181D"
#: WCAG's contrast for graphics and large text is 3; 4.5 keeps labels readable too.
_CONTRAST = 4.5


@dataclass(frozen=True)
class Look:
    """One codec's colours as #RRGGBB, its marker, and how line and marker are drawn."""

    light: str
    dark: str
    marker: str
    open: bool
    dashed: bool


def looks(count: int) -> list[Look]:
    """Return what the first `count` codecs look like; the first 70 are all different."""
    colours = _colours()
    return [
        Look(
            light="#" + colours[i % len(colours)],
            dark="#" + _lightened(colours[i % len(colours)]),
            marker=MARKERS[i % len(MARKERS)],
            open=(i // len(colours)) % 2 == 1,
            dashed=i >= 2 * len(colours),
        )
        for i in range(count)
    ]


def css(found: Sequence[Look]) -> str:
    """Return a class per codec (.c0, .c1, …) that sets --c to its colour in either theme."""
    light = "".join(f".c{i}{{--c:{look.light}}}" for i, look in enumerate(found))
    dark = [f".c{i}{{--c:{look.dark}}}" for i, look in enumerate(found)]
    chosen = "".join(f":root[data-theme=dark] {rule}" for rule in dark)
    asked = "".join(f":root:not([data-theme=light]) {rule}" for rule in dark)
    return f"{light}\n@media screen{{{chosen}@media (prefers-color-scheme:dark){{{asked}}}}}\n"


def _colours() -> list[str]:
    """Return the cycle of colours that the figures' style names."""
    style = (paths.catalogue("reports") / "figures.mplstyle").read_text("utf-8")
    line = next(row for row in style.splitlines() if row.startswith("axes.prop_cycle"))
    return re.findall(r"[0-9A-Fa-f]{6}", line)


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

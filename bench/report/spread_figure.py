"""How far a codec's advantage differs from image to image, as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.report.content import BDRow, MetricContent
from bench.report.figures import style
from bench.report.palette import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

#: Codecs that fit a page, and images up to which each is a dot of its own.
MOST_CODECS = 30
MOST_DOTS = 120


def draw_spread(metric: MetricContent, anchor: str, looks: Mapping[str, Look]) -> Figure | None:
    """Return a figure of the BD-rates of single images, a row per codec, best first, or None where
    no codec has them on two images.

    A bar holds the middle half of the images, its line is the median, the thin line ends at the 5th
    and the 95th percentile.
    """
    names = [row.codec for row in shown(metric)]
    if not names:
        return None
    from matplotlib.figure import Figure

    values = {name: metric.image_bd[name] for name in names}
    values = {name: some[~np.isnan(some)] for name, some in values.items()}
    with style():
        figure = Figure(figsize=(7.16, 0.75 + 0.27 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        for place, name in enumerate(names):
            _box(axes, values[name], place, looks[name].light)
        if max(map(len, values.values())) <= MOST_DOTS:
            _dots(axes, values, looks)
        axes.axvline(0, color="#888888", linewidth=0.8, linestyle=(0, (3, 2)), zorder=0)
        axes.set_xlabel(f"BD-rate against {anchor} on single images (%), left is better")
        axes.set_ylabel("")
        axes.grid(visible=False, axis="y")
    return figure


def _box(axes: Axes, values: Array, place: int, colour: str) -> None:
    low, first, median, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.hlines(place, low, high, color=colour, linewidth=0.9, zorder=1)
    axes.barh(place, third - first, 0.62, first, color=colour, alpha=0.28, linewidth=0, zorder=1.5)
    axes.vlines(median, place - 0.31, place + 0.31, color=colour, linewidth=1.6, zorder=2.5)


def _dots(axes: Axes, values: Mapping[str, Array], looks: Mapping[str, Look]) -> None:
    """Draw a dot per image, moved aside where it would lie on another."""
    import seaborn

    counts = [len(some) for some in values.values()]
    codec = np.repeat(list(values), counts)
    seaborn.swarmplot(
        x=np.concatenate(list(values.values())), y=codec, order=list(values), hue=codec,
        palette={name: looks[name].light for name in values}, legend=False, size=2.6, ax=axes,
        zorder=3, warn_thresh=1.0,
    )  # fmt: skip


def shown(metric: MetricContent) -> list[BDRow]:
    """Return the codecs with a row in the figure: those with a BD-rate on two images or more."""
    there = [row for row in metric.rows if row.codec in metric.image_bd]
    return [row for row in there if row.image_n > 1][:MOST_CODECS]

"""The Pareto front as a figure: the settings that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.axis import Axis
from bench.analysis.tradeoff import OperatingPoint
from bench.report.figures import MARKS, axis_label, make_room, style
from bench.report.palette import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_front(
    points: Sequence[OperatingPoint], axis: Axis, looks: Mapping[str, Look]
) -> Figure | None:
    """Return a figure of all settings over rate and quality, or None for fewer than two codecs.

    Filled marks on a stepped line are on the front of rate and quality, open ones only on that of
    rate, quality and decoding time, small pale ones are beaten.
    """
    from matplotlib.figure import Figure

    known = [p for p in points if np.isfinite([p.bpp, p.quality]).all()]
    codecs = list(dict.fromkeys(point.codec for point in known))
    if len(codecs) < 2:
        return None
    with style():
        figure = Figure(figsize=(7.16, 3.5), layout="constrained")
        make_room(figure, len(codecs))
        axes = figure.add_subplot()
        best = sorted((p for p in known if p.front), key=lambda p: p.bpp)
        axes.step(
            [p.bpp for p in best], [p.quality for p in best], where="post", color="#888888",
            linewidth=0.8, zorder=2,
        )  # fmt: skip
        for codec in codecs:
            look = looks[codec]
            mine = [p for p in known if p.codec == codec]
            for kind in _KINDS:
                some = [p for p in mine if _kind(p) == kind]
                axes.plot(
                    [p.bpp for p in some], [p.quality for p in some], linestyle="none",
                    color=look.light, marker=MARKS[look.marker], **_KINDS[kind],
                )  # fmt: skip
            axes.plot([], [], linestyle="none", color=look.light, marker=MARKS[look.marker],
                      markersize=4.5, label=codec)  # fmt: skip
        axes.set_xscale("log")
        _plain_ticks(axes)
        axes.set_xlabel("Rate (bits per pixel, log scale)")
        axes.set_ylabel(axis_label(axis))
        if axis.lower_is_better:
            axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


#: How points are drawn that are beaten, on the front for their time alone, on the front.
_KINDS: dict[int, dict[str, Any]] = {
    0: {"markersize": 2.2, "alpha": 0.45, "zorder": 2.2},
    1: {"markersize": 4.5, "markerfacecolor": "white", "zorder": 2.5},
    2: {"markersize": 4.5, "zorder": 3},
}


def _kind(point: OperatingPoint) -> int:
    return 2 if point.front else int(point.front_with_time)


def _plain_ticks(axes: Axes) -> None:
    """Label the rate axis with numbers as people write them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())

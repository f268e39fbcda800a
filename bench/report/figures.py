"""Figures of rate-distortion curves, for papers and for the end of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import paths
from bench.analysis.axis import Axis
from bench.analysis.curves import Convention, Curve, image_curves
from bench.analysis.results import Results
from bench.files import whole
from bench.report import palette
from bench.report.palette import MARKERS, Look, reference_looks
from bench.report.references import published_looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger("bench")

#: The markers of :mod:`bench.report.palette`, as matplotlib calls them.
MARKS = dict(zip(MARKERS, ("o", "s", "^", "D", "v", "P", "X", "<", "h", ">"), strict=True))
#: How many curves the legend of a figure of the usual height names.
LEGEND_ROWS = 20
#: Nothing of a file that says when it was made: the same curves give the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}


def plot_curves(
    results: Results,
    metric: str,
    out_stem: str | Path,
    *,
    dataset: str | None = None,
    published: Sequence[Curve] = (),
    convention: Convention = "mean",
    titles: dict[str, str] | None = None,
    formats: Iterable[str] = ("svg", "png"),
) -> list[Path]:
    """Draw the curve of every codec of a run and write it as `out_stem`.svg and .png.

    Parameters
    ----------
    dataset : which one, where the run holds several.
    published : curves to draw dashed beside those of the run; one that measures another metric
        or data set is left out with a warning.
    titles : what to call a codec in the legend; its name if left out. Those of run.json serve:
        ``{name: card["title"] for name, card in results.info["codecs"].items()}``.
    formats : any of "svg", "png" and "pdf".

    Returns
    -------
    paths : the files written; none where no codec has a point to draw.

    Raises
    ------
    UsageError : the metric was not measured, or the run holds several data sets and none is named.
    """
    curves = image_curves(results, metric, dataset).values()
    measured = [curve.mean(convention) for curve in curves]
    fitting = [c for c in published if measured and _same_axes(c, measured[0])]
    for curve in published:
        if curve not in fitting:
            log.warning("%s is not drawn: another metric or data set", curve.codec)
    described = results.info.get("dataset", {})
    heading = described.get("title", "") if len(results.datasets) == 1 else ""
    return save(draw_curves([*measured, *fitting], heading, titles=titles), out_stem, formats)


def draw_curves(
    curves: Sequence[Curve],
    dataset: str = "",
    *,
    looks: Mapping[str, Look] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Figure | None:
    """Return a figure of curves of one metric and data set, or None where there is no point.

    The rate axis is linear. Published curves are dashed, and shown as far as the measured reach.
    The legend lists codecs as their curves lie, best on top.

    Parameters
    ----------
    dataset : what to call the data set in the heading; its name if left out.
    looks : what each curve looks like, by its codec; :func:`curve_looks` of these if left out.
    titles : what to call a codec in the legend; its name if left out.
    """
    from matplotlib.figure import Figure

    looks = curve_looks(curves) if looks is None else looks

    drawn = [finite for curve in curves if len((finite := _finite(curve)).rate)]
    if not drawn:
        return None
    with style():
        figure = Figure(layout="constrained")
        make_room(figure, len(drawn))
        axes = figure.add_subplot()
        crowded = sum(curve.origin == "measured" for curve in drawn) > 8
        lines = {
            curve.codec: _draw(axes, curve, looks[curve.codec], crowded=crowded)
            for curve in _measured_first(drawn)
        }
        _limit(axes, drawn)
        axis = drawn[0].axis
        axes.set_xlabel("Rate (bits per pixel)")
        axes.set_ylabel(axis_label(axis))
        axes.set_title(_title(drawn, dataset))
        order, heading = _ranked(drawn)
        axes.legend(
            [lines[curve.codec] for curve in order],
            [_label(curve, titles or {}) for curve in order],
            title=heading,
            alignment="left",
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
        )
        if notes := _notes(curves, drawn):
            figure.supxlabel(notes, fontsize=6.5, color="#555555", x=0.01, ha="left")
    return figure


def make_room(figure: Figure, rows: int) -> None:
    """Let a figure grow for a legend of so many rows, which would go beyond it otherwise and leave
    the axes no room.
    """
    if rows > LEGEND_ROWS:
        width, height = figure.get_size_inches()
        figure.set_size_inches(1.3 * width, height * rows / LEGEND_ROWS)


def save(figure: Figure | None, out_stem: str | Path, formats: Iterable[str]) -> list[Path]:
    """Write a figure, each file whole or not at all; return the paths. None writes nothing."""
    written: list[Path] = []
    for kind in formats if figure is not None else ():
        path = Path(f"{out_stem}.{kind}")
        assert figure is not None
        with whole(path) as part, style():
            figure.savefig(part, format=kind, metadata=_METADATA[kind])
        written.append(path)
    return written


def style() -> AbstractContextManager[None]:
    """Return the style of all figures, as a context: `reports/figures.mplstyle`."""
    from matplotlib.style import context

    # What a user's own matplotlibrc says must not show in a figure that is compared.
    return context(str(paths.catalogue("reports") / "figures.mplstyle"), after_reset=True)


def axis_label(axis: Axis) -> str:
    """Return the label of a quality axis, with the direction where less is better."""
    unit = "dB" if axis.decibels else axis.unit
    label = f"{axis.title} in {unit}" if unit else axis.title
    return f"{label}, lower is better" if axis.lower_is_better else label


def _same_axes(curve: Curve, measured: Curve) -> bool:
    same_data = not curve.dataset or curve.dataset == measured.dataset
    return curve.axis.metric == measured.axis.metric and same_data


def _finite(curve: Curve) -> Curve:
    there = np.isfinite(curve.rate) & np.isfinite(curve.scaled)
    return replace(
        curve,
        rate=curve.rate[there],
        quality=curve.quality[there],
        settings=curve.settings[there],
    )


def curve_looks(curves: Sequence[Curve]) -> dict[str, Look]:
    """Return what curves look like, by codec. What a measured one looks like depends neither on
    what is published nor on whether all have a point.
    """
    foreign = [curve.codec for curve in curves if curve.origin == "imported"]
    measured = [curve.codec for curve in curves if curve.origin == "measured"]
    return reference_looks(foreign) | published_looks() | palette.looks(measured)


def _measured_first(curves: Sequence[Curve]) -> list[Curve]:
    return sorted(curves, key=lambda curve: curve.origin != "measured")


def _draw(axes: Axes, curve: Curve, look: Look, *, crowded: bool) -> Any:
    measured = curve.origin == "measured"
    (drawn,) = axes.plot(
        curve.rate,
        curve.scaled,
        color=look.light,
        marker=MARKS[look.marker],
        markerfacecolor="white" if look.open else look.light,
        linestyle=(0, look.dash) if look.dash else "-",
        linewidth=1.3 if measured and not crowded else 1.0,
        markersize=4 if measured and not crowded else 3.2,
        zorder=3 if measured else 2.5,
    )
    return drawn


def _limit(axes: Axes, curves: Sequence[Curve]) -> None:
    """Show all that was measured; published curves don't stretch the axes."""
    shown = [curve for curve in curves if curve.origin == "measured"] or list(curves)
    right = max(float(curve.rate.max()) for curve in shown) * 1.04
    inside = [curve.scaled[curve.rate <= right] for curve in curves]
    values = np.concatenate([part for part in inside if len(part)])
    margin = 0.04 * max(float(np.ptp(values)), 1e-6)
    axes.set_xlim(0, right)
    axes.set_ylim(float(values.min()) - margin, float(values.max()) + margin)
    if curves[0].axis.lower_is_better:
        axes.invert_yaxis()


def _ranked(curves: Sequence[Curve]) -> tuple[list[Curve], str]:
    """Return curves as they lie at a rate that all reach, best first, and a heading that says so;
    in the order given where there is no such rate.
    """
    low = max(float(curve.rate.min()) for curve in curves)
    high = min(float(curve.rate.max()) for curve in curves)
    if len(curves) < 2 or not high > low:
        return list(curves), ""
    middle = float(np.sqrt(low * high))

    def quality(curve: Curve) -> float:
        return float(curve.axis.rising(np.interp(middle, curve.rate, curve.scaled)))

    return sorted(curves, key=quality, reverse=True), f"best at {middle:.2g} bpp first"


def _label(curve: Curve, titles: Mapping[str, str]) -> str:
    suffix = {"measured": "", "published": " (published)", "imported": " (imported)"}
    name = titles.get(curve.codec, curve.codec)
    return name.removeprefix("published:") + suffix[curve.origin]


def _title(curves: Sequence[Curve], dataset: str) -> str:
    measured = [curve for curve in curves if curve.origin == "measured"]
    count = max(curve.n_images for curve in measured or curves)
    images = f"mean over {count} image{'s' * (count != 1)}" if count else ""
    return ", ".join(part for part in (dataset or curves[0].dataset, images) if part)


def _notes(curves: Sequence[Curve], drawn: Sequence[Curve]) -> str:
    """Return what the figure does not show: codecs without a curve, images left out."""
    names = {curve.codec for curve in drawn}
    most = max(curve.n_images for curve in drawn)
    notes = [f"{c.codec}: no curve" for c in curves if c.codec not in names]
    notes += [
        f"{c.codec}: {c.n_images} images"
        for c in drawn
        if c.origin == "measured" and c.n_images < most
    ]
    return "; ".join(notes)

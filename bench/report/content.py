"""What a report says, whatever it is written as: HTML and PDF are made from the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.agreement import Agreement, agreements
from bench.analysis.axis import Axis
from bench.analysis.bd import curve_problem
from bench.analysis.bootstrap import Bootstrap
from bench.analysis.compare import Comparer
from bench.analysis.curves import CellIndex, Curve, ImageCurves
from bench.analysis.tables import bd_table, default_anchor, known_metrics
from bench.analysis.tradeoff import OperatingPoint, points_of
from bench.errors import UnknownNameError
from bench.report.extremes import Extremes, extremes_of
from bench.report.merge import Section
from bench.report.references import Reference, references, why_none
from bench.report.verdict import Verdict, judge

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Band:
    """A codec's curve with the 95 % interval of every point, by resampling images.

    `rate_low` … `quality_high` have the shape of `curve.rate`; NaN where there is no interval
    (fewer than two images). `problem` says why BD-rate can't be computed; empty where it can.
    Curves with the same `over` are means over the same images.
    """

    curve: Curve
    rate_low: Array
    rate_high: Array
    quality_low: Array
    quality_high: Array
    problem: str
    over: int


@dataclass(frozen=True)
class BDRow:
    """One row of bd.csv; percent, NaN where undefined. The anchor's own row is zeros."""

    codec: str
    bd_rate: float = 0.0
    ci_low: float = math.nan
    ci_high: float = math.nan
    image_mean: float = 0.0
    image_ci_low: float = math.nan
    image_ci_high: float = math.nan
    image_n: int = 0
    bd_quality: float = 0.0
    range_low: float = math.nan
    range_high: float = math.nan
    overlap: float = math.nan
    n_images: int = 0
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class MetricContent:
    """Everything a report says of one metric over one data set.

    Parameters
    ----------
    bands : a curve per codec, in the order of the run.
    rows : BD against the anchor, the anchor's own among them, best first, NA last.
    image_bd : per codec, BD-rate of each image of the section in percent, NaN where undefined.
    references : published curves of this metric, where they may stand beside these.
    front : every setting, and whether another one beats it.
    extremes : on which image each codec does best and worst, in the order of `rows`.
    """

    axis: Axis
    bands: tuple[Band, ...]
    rows: tuple[BDRow, ...]
    image_bd: dict[str, Array]
    verdict: Verdict
    references: tuple[Reference, ...] = ()
    front: tuple[OperatingPoint, ...] = ()
    extremes: tuple[Extremes, ...] = ()


@dataclass(frozen=True)
class Speed:
    """Mean seconds per megapixel over all cells of a codec that worked.

    `measured` is True where the run was made in the timing mode; otherwise they are indicative.
    """

    codec: str
    encode_s: float
    decode_s: float
    measured: bool


@dataclass(frozen=True, eq=False)
class SectionContent:
    """One data set of a report.

    Parameters
    ----------
    images : names of the images, in the order of `MetricContent.image_bd`.
    metrics : by name, in the order of the run.
    unpublished : why no published curve is drawn; empty where some are, or none was asked for.
    agreements : of every two metrics.
    """

    section: Section
    anchor: str
    images: tuple[str, ...]
    metrics: dict[str, MetricContent]
    speeds: tuple[Speed, ...]
    notes: tuple[str, ...]
    unpublished: str = ""
    agreements: tuple[Agreement, ...] = ()

    @property
    def title(self) -> str:
        """What the data set is called."""
        return self.section.title

    @property
    def codecs(self) -> tuple[str, ...]:
        """Names of the codecs, in the order of the run."""
        return self.section.results.codecs

    @cached_property
    def first_metric(self) -> str:
        """The metric that a report opens with: the first of the run; empty for none."""
        return next(iter(self.metrics), "")


def has_references(section: SectionContent) -> bool:
    """Whether published curves may be drawn beside those of a data set."""
    return any(metric.references for metric in section.metrics.values())


def describe(
    sections: Sequence[Section],
    anchor: str | None = None,
    published: Sequence[str] = (),
) -> list[SectionContent]:
    """Compute what a report says of every data set.

    Parameters
    ----------
    anchor : a codec that one of the data sets must have; jpeg where present, else the first codec.
    published : labels of the published curves that are drawn; none for none.

    Raises
    ------
    UnknownNameError : no data set has the codec `anchor`.
    """
    if anchor is not None and not any(_find(anchor, section) for section in sections):
        known = {codec for section in sections for codec in section.results.codecs}
        if known:
            raise UnknownNameError("codec of this report", anchor, known)
    draws = Bootstrap()
    return [_describe(section, anchor, published, draws) for section in sections]


def _describe(
    section: Section, wanted: str | None, published: Sequence[str], draws: Bootstrap
) -> SectionContent:
    results = section.results
    notes = list(section.notes)
    anchor = _find(wanted, section) if wanted else ""
    if not anchor:
        anchor = _find(default_anchor(tuple(o.codec for o in section.origins.values())), section)
        if wanted:
            notes.append(f"{wanted} was not measured here: the anchor is {anchor}")
    names = known_metrics(results)
    notes += [
        f"the metric {name} is not shown: no installed package has it"
        for name in results.metrics
        if name not in names
    ]
    cells = CellIndex.of(results)
    table = bd_table(results, anchor, names, bootstrap=draws)
    unpublished = why_none(results) if published else ""
    drawn = () if unpublished else published
    metrics = {
        name: _metric(cells, name, anchor, table[table["metric"] == name], drawn, draws)
        for name in names
    }
    return SectionContent(
        section=section,
        anchor=anchor,
        images=tuple(str(name) for name in cells.images),
        metrics=metrics,
        speeds=_speeds(section),
        notes=tuple(notes),
        unpublished=unpublished,
        agreements=agreements(results),
    )


def _find(codec: str | None, section: Section) -> str:
    """Return the label of a codec in a section; the first version where there are several."""
    if codec in section.origins:
        return str(codec)
    return next((label for label, o in section.origins.items() if o.codec == codec), "")


def _metric(
    cells: CellIndex,
    name: str,
    anchor: str,
    table: pd.DataFrame,
    published: Sequence[str],
    draws: Bootstrap,
) -> MetricContent:
    curves = cells.curves(name)
    columns = [name for name in BDRow.__dataclass_fields__ if name in table]
    rows = [BDRow(**dict(zip(columns, values, strict=True))) for values in
            table[columns].itertuples(index=False)]  # fmt: skip
    mine = curves[anchor]
    problem = curve_problem(mine.mean())
    itself = BDRow(anchor, n_images=int(mine.complete.sum()), note=problem)
    rows = sorted(
        [itself, *rows],
        key=lambda row: (math.isnan(row.bd_rate), row.bd_rate, row.codec != anchor),
    )
    comparer = Comparer(mine, bootstrap=draws)
    image_bd = {
        codec: _image_bd(comparer, curve) for codec, curve in curves.items() if codec != anchor
    }
    sets = list(dict.fromkeys(curve.complete.tobytes() for curve in curves.values()))
    bands = (_band(c, draws, sets.index(c.complete.tobytes())) for c in curves.values())
    return MetricContent(
        axis=mine.axis,
        bands=tuple(bands),
        rows=tuple(rows),
        image_bd=image_bd,
        verdict=judge(rows, curves, image_bd, anchor, draws),
        references=references(mine, published) if published else (),
        front=points_of(cells, curves),
        extremes=extremes_of(image_bd, cells.images.tolist(), [row.codec for row in rows]),
    )


def _image_bd(comparer: Comparer, curve: ImageCurves) -> Array:
    """Return the BD-rate of every image of the section, NaN where it is undefined."""
    found = comparer.per_image(curve)
    values = np.full(len(curve.images), np.nan)
    values[np.searchsorted(curve.images.astype(str), found.images.astype(str))] = found.bd_rate
    return values


def _band(curves: ImageCurves, draws: Bootstrap, over: int) -> Band:
    curve = curves.mean()
    complete = np.flatnonzero(curves.complete)
    ends = np.full((4, len(curve.rate)), np.nan)
    if len(complete) > 1:
        weights = draws.curve_weights(len(complete))
        some = curves.take(complete)
        order = np.array([np.flatnonzero(some.settings == s)[0] for s in curve.settings])
        ends[:2] = _interval(weights @ some.rate[:, order], draws)
        ends[2:] = _interval(weights @ some.quality[:, order], draws)
    return Band(curve, ends[0], ends[1], ends[2], ends[3], curve_problem(curve), over)


def _interval(drawn: Array, draws: Bootstrap) -> Array:
    """Return lower and upper ends, shape (2, points), of what was drawn, (draws, points)."""
    return np.array([draws.interval(column) for column in drawn.T]).T


def _speeds(section: Section) -> tuple[Speed, ...]:
    frame = section.results.frame
    done = frame[frame["status"] == "ok"]
    megapixels = done["width"] * done["height"] / 1e6
    means = pd.DataFrame(
        {
            "codec": done["codec"],
            "encode_s": done["encode_s"] / megapixels,
            "decode_s": done["decode_s"] / megapixels,
        }
    )
    return tuple(
        Speed(
            str(codec),
            float(rows["encode_s"].mean()),
            float(rows["decode_s"].mean()),
            bool(section.origins[str(codec)].run.info.get("timing")),
        )
        for codec, rows in means.groupby("codec", sort=False)
    )

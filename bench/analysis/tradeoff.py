"""What to choose when: Pareto fronts, values at a target, images ranked, metrics that agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.axis import axis_of
from bench.analysis.bd import curve_problem, rows_of
from bench.analysis.compare import Comparer
from bench.analysis.curves import CellIndex, Curve, ImageCurves, the_dataset
from bench.analysis.interpolate import Method
from bench.analysis.results import Results
from bench.analysis.rows import Fault
from bench.analysis.tables import known_metrics
from bench.errors import UnknownNameError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A value read off a curve; NaN with a reason where the curve does not reach."""

    value: float
    reason: str = ""


def quality_at(curve: Curve, rate: float, method: Method = "pchip") -> Estimate:
    """Return the quality of a curve at `rate` (bits per pixel), on the metric's BD scale.

    Interpolated over log rate, never extrapolated.
    """
    return _read_off(curve, rate, f"{rate:g} bpp", method, along_rate=True)


def rate_at(curve: Curve, quality: float, method: Method = "pchip") -> Estimate:
    """Return the rate in bits per pixel at which a curve reaches `quality`, on its BD scale.

    Log rate is interpolated over quality, never extrapolated.
    """
    return _read_off(curve, quality, f"{quality:g}", method, along_rate=False)


def _read_off(
    curve: Curve, target: float, wanted: str, method: Method, *, along_rate: bool
) -> Estimate:
    if problem := curve_problem(curve):
        return Estimate(math.nan, f"{curve.codec}: {problem}")
    axis = curve.axis
    rows = rows_of(curve)
    if along_rate:
        at = np.log(np.array([target])) if target > 0 else np.array([-np.inf])
        value = float(axis.rising(rows.at(at, method, along_rate=True)[0]))
        span = f"{curve.rate.min():.4g} … {curve.rate.max():.4g} bpp"
    else:
        value = float(np.exp(rows.at(axis.rising([target]), method)[0]))
        span = f"{curve.scaled.min():.4g} … {curve.scaled.max():.4g}"
    if math.isnan(value):
        return Estimate(math.nan, f"{curve.codec} covers {span}, not {wanted}")
    return Estimate(value)


def pareto(costs: Array) -> Mask:
    """Return which points no other beats.

    Parameters
    ----------
    costs : shape (points, criteria), less is better in each. A point is beaten by one that is
        nowhere worse and somewhere better; one with a NaN is never on the front.

    Returns
    -------
    front : shape (points,).
    """
    known: Mask = np.asarray(~np.isnan(costs).any(axis=1))
    front: Mask = known.copy()
    for index in np.flatnonzero(known):
        point = costs[index]
        no_worse = (costs[known] <= point).all(axis=1)
        better = (costs[known] < point).any(axis=1)
        front[index] = not (no_worse & better).any()
    return front


@dataclass(frozen=True)
class OperatingPoint:
    """One setting of a codec: means over the images that the codec's curve is over.

    Parameters
    ----------
    bpp, quality : as on the curve; quality on the metric's BD scale.
    encode_s, decode_s : seconds per image.
    front : whether no other point is at once no larger and no worse, and better in one of both.
    front_with_time : the same over rate, quality and decoding time.
    """

    codec: str
    setting: float
    n_images: int
    bpp: float
    quality: float
    encode_s: float
    decode_s: float
    front: bool = False
    front_with_time: bool = False


def operating_points(results: Results, metric: str, dataset: str | None = None) -> pd.DataFrame:
    """Return every setting of every codec with what it costs and whether something beats it.

    Returns
    -------
    points : a row per :class:`OperatingPoint`, its fields as columns; by codec in the order of the
        run, then by rate.
    """
    cells = CellIndex.of(results, dataset)
    points = points_of(cells, cells.curves(metric))
    return pd.DataFrame(points, columns=[field.name for field in fields(OperatingPoint)])


def points_of(cells: CellIndex, curves: Mapping[str, ImageCurves]) -> tuple[OperatingPoint, ...]:
    """Return the points of :func:`operating_points` of curves that are laid out already."""
    frame = cells.results.frame
    times = frame[["encode_s", "decode_s"]].to_numpy(np.float64)
    found: list[OperatingPoint] = []
    for codec, images in curves.items():
        curve = images.mean()
        order = np.searchsorted(images.settings, curve.settings)
        means = _mean_times(times, cells.rows[codec][images.complete][:, order])
        columns = (curve.settings, curve.rate, curve.scaled, means[:, 0], means[:, 1])
        for setting, bpp, quality, encode_s, decode_s in np.column_stack(columns).tolist():
            found.append(
                OperatingPoint(codec, setting, curve.n_images, bpp, quality, encode_s, decode_s)
            )
    axis = next(iter(curves.values())).axis if curves else None
    costs = np.array([(p.bpp, p.quality, p.decode_s) for p in found]).reshape(-1, 3)
    if axis is not None:
        costs[:, 1] = -axis.rising(costs[:, 1])
    fronts = zip(found, pareto(costs[:, :2]).tolist(), pareto(costs).tolist(), strict=True)
    return tuple(replace(p, front=plane, front_with_time=space) for p, plane, space in fronts)


def _mean_times(times: Array, rows: npt.NDArray[np.intp]) -> Array:
    """Return mean encoding and decoding time at each setting, shape (settings, 2)."""
    if not len(rows):
        return np.full((rows.shape[1], 2), np.nan)
    return np.asarray(times[rows].mean(axis=0))


def image_ranking(
    results: Results,
    metric: str,
    anchor: str,
    dataset: str | None = None,
    method: Method = "pchip",
) -> pd.DataFrame:
    """Return BD-rate of every codec on every image against the anchor.

    Returns
    -------
    ranking : columns `codec, image, bd_rate, bd_quality, rank, reason`; `rank` counts a codec's
        images from 1, where it saves most against the anchor; NaN where BD-rate is NA.

    Raises
    ------
    UnknownNameError : the data set has no codec `anchor`.
    """
    curves = CellIndex.of(results, dataset).curves(metric)
    if anchor not in curves:
        raise UnknownNameError("codec of this run", anchor, curves)
    comparer = Comparer(curves[anchor], method, bootstrap=None)
    frames = []
    for codec, curve in curves.items():
        if codec == anchor:
            continue
        bd = comparer.per_image(curve)
        frame = pd.DataFrame(
            {"image": bd.images, "bd_rate": bd.bd_rate, "bd_quality": bd.bd_quality}
        )
        frame.insert(0, "codec", codec)
        frame["rank"] = frame["bd_rate"].rank(method="min")
        frame["reason"] = [_FAULTS[Fault(int(fault))] for fault in bd.fault]
        frames.append(frame)
    columns = ["codec", "image", "bd_rate", "bd_quality", "rank", "reason"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


_FAULTS = {
    Fault.NONE: "",
    Fault.UNDEFINED: "the metric or the rate is undefined at a setting",
    Fault.INFINITE: "infinite quality at a setting (lossless)",
    Fault.TOO_FEW: "fewer than 4 distinct points",
    Fault.NOT_RISING: "quality does not improve with rate",
    Fault.NO_OVERLAP: "the curves share no quality",
    Fault.OUT_OF_RANGE: "the curves share no quality inside the range",
}


def best_and_worst(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return of each codec of :func:`image_ranking` the image where it saves most and least.

    Returns
    -------
    extremes : columns `codec, best, best_bd_rate, worst, worst_bd_rate, n_images`; codecs without
        any defined BD-rate are not in it.
    """
    defined = ranking[ranking["bd_rate"].notna()].sort_values("bd_rate", kind="stable")
    each = defined.groupby("codec", sort=False)[["image", "bd_rate"]]
    best = each.first().set_axis(["best", "best_bd_rate"], axis="columns")
    worst = each.last().set_axis(["worst", "worst_bd_rate"], axis="columns")
    extremes = best.join(worst)
    extremes["n_images"] = each.size()
    order = [codec for codec in ranking["codec"].unique() if codec in extremes.index]
    return extremes.loc[order].reset_index()


def rank_correlation(results: Results, dataset: str | None = None) -> pd.DataFrame:
    """Return how far metrics agree on which of two decodings of one image is the better.

    All decodings of an image, by every codec at every setting, are ranked by each metric; the
    correlation of the ranks is averaged over images. 1 is full agreement, whatever the metrics'
    directions.

    Returns
    -------
    pairs : columns `metric, other, spearman, kendall` (tau-b) and `n_images`, images with at least
        3 decodings, all of which both metrics could judge.
    """
    from bench.metrics.metric import column

    results = results.only(dataset or the_dataset(results))
    names = known_metrics(results)
    frame = results.frame[results.frame["status"] == "ok"]
    # On axes that rise, and with the images one after the other.
    frame = frame.sort_values("image", kind="stable")
    values = np.empty((len(frame), len(names)))
    for index, name in enumerate(names):
        values[:, index] = axis_of(name).rising(frame[column(name)])
    image, _ = pd.factorize(frame["image"])
    groups = np.split(values, np.flatnonzero(np.diff(image)) + 1)
    each = np.array([_correlations(group) for group in groups])
    count = (~np.isnan(each[:, 0])).sum(axis=0)
    with np.errstate(invalid="ignore"):
        spearman, kendall = np.nansum(each, axis=0) / count
    rows = [
        (names[i], names[j], spearman[i, j], kendall[i, j], count[i, j])
        for i, j in combinations(range(len(names)), 2)
    ]
    return pd.DataFrame(rows, columns=["metric", "other", "spearman", "kendall", "n_images"])


def _correlations(values: Array) -> Array:
    """Return Spearman's and Kendall's (tau-b) correlation of each two columns: shape (2, k, k).

    NaN for columns that are not defined, or the same, in all rows, and for fewer than 3 rows.
    """
    from scipy.stats import rankdata

    rows, columns = values.shape
    found = np.full((2, columns, columns), np.nan)
    usable = ~np.isnan(values).any(axis=0) & (values != values[:1]).any(axis=0)
    if rows < 3 or not usable.any():
        return found
    values = values[:, usable]
    where = np.ix_(usable, usable)
    found[0][where] = np.corrcoef(rankdata(values, axis=0), rowvar=False)
    # Which of two rows is the better, for all pairs of rows: comparisons, since inf - inf is none.
    left, right = values[:, None, :], values[None, :, :]
    signs = ((left > right).astype(np.float32) - (left < right)).reshape(-1, values.shape[1])
    agreement = signs.T @ signs
    norm = np.sqrt(np.diag(agreement))
    found[1][where] = agreement / np.outer(norm, norm)
    return found

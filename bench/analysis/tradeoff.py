"""What to choose when: Pareto fronts, and values at a target rate or quality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.bd import curve_problem, rows_of
from bench.analysis.curves import CellIndex, Curve, ImageCurves
from bench.analysis.interpolate import Method
from bench.analysis.results import Results

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

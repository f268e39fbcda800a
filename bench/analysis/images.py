"""Image by image: where a codec saves most, and where least."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bench.analysis.compare import Comparer
from bench.analysis.curves import CellIndex, ImageCurves
from bench.analysis.interpolate import Method
from bench.analysis.results import Results
from bench.analysis.rows import Fault
from bench.errors import UnknownNameError

COLUMNS = ("codec", "image", "bd_rate", "bd_quality", "rank", "reason")

_FAULTS = {
    Fault.NONE: "",
    Fault.UNDEFINED: "the metric or the rate is undefined at a setting",
    Fault.INFINITE: "infinite quality at a setting (lossless)",
    Fault.TOO_FEW: "fewer than 4 distinct points",
    Fault.NOT_RISING: "quality does not improve with rate",
    Fault.NO_OVERLAP: "the curves share no quality",
    Fault.OUT_OF_RANGE: "the curves share no quality inside the range",
}


def image_ranking(
    results: Results,
    metric: str,
    anchor: str,
    dataset: str | None = None,
    method: Method = "pchip",
) -> pd.DataFrame:
    """Return BD-rate of every codec of a run on every image against the anchor.

    Returns
    -------
    ranking : as :func:`rank_images`.

    Raises
    ------
    UnknownNameError : the data set has no codec `anchor`.
    """
    curves = CellIndex.of(results, dataset).curves(metric)
    if anchor not in curves:
        raise UnknownNameError("codec of this run", anchor, curves)
    comparer = Comparer(curves[anchor], method, bootstrap=None)
    return rank_images(comparer, (c for codec, c in curves.items() if codec != anchor))


def rank_images(comparer: Comparer, curves: Iterable[ImageCurves]) -> pd.DataFrame:
    """Return BD-rate of every codec on every image that it shares with the comparer's anchor.

    Returns
    -------
    ranking : columns :data:`COLUMNS`; `rank` counts a codec's images from 1, where it saves most
        against the anchor; NaN where BD-rate is NA, for the `reason`.
    """
    frames = []
    for curve in curves:
        bd = comparer.per_image(curve)
        frame = pd.DataFrame(
            {"image": bd.images, "bd_rate": bd.bd_rate, "bd_quality": bd.bd_quality}
        )
        frame.insert(0, "codec", curve.codec)
        frame["rank"] = frame["bd_rate"].rank(method="min")
        frame["reason"] = [_FAULTS[Fault(int(fault))] for fault in bd.fault]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def best_and_worst(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return of each codec of :func:`rank_images` the image where it saves most and least.

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

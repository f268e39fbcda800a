"""Do the metrics agree? How alike two of them rank the decodings of one image.

References
----------
C. Spearman, "The proof and measurement of association between two things", 1904.
M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33(3), 1945 (tau-b).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.axis import axis_of
from bench.analysis.curves import the_dataset
from bench.analysis.results import Results
from bench.analysis.tables import known_metrics
from bench.metrics.metric import column

Array = npt.NDArray[np.float64]

#: Comparisons of two decodings that are held at once: 64 MB.
_AT_ONCE = 16_000_000


@dataclass(frozen=True)
class Agreement:
    """How alike two metrics rank the decodings of one image: 1 is full agreement, whatever the
    metrics' directions, −1 the opposite.

    Parameters
    ----------
    spearman, kendall : correlation of the ranks (tau-b), mean over images; NaN for no image.
    n_images : images with at least 3 decodings, all of which both metrics could judge.
    """

    metric: str
    other: str
    spearman: float
    kendall: float
    n_images: int


def rank_correlation(results: Results, dataset: str | None = None) -> pd.DataFrame:
    """Return :func:`agreements` as a table, the fields of :class:`Agreement` as columns."""
    names = [field.name for field in fields(Agreement)]
    return pd.DataFrame(agreements(results, dataset), columns=names)


def agreements(results: Results, dataset: str | None = None) -> tuple[Agreement, ...]:
    """Return how far every two metrics agree on which of two decodings of one image is the better.

    All decodings of an image, by every codec at every setting, are ranked by each metric; the
    correlation of the ranks is averaged over images.
    """
    results = results.only(dataset or the_dataset(results))
    names = known_metrics(results)
    frame = results.frame[results.frame["status"] == "ok"]
    values = (
        np.column_stack([axis_of(name).rising(frame[column(name)]) for name in names])
        if names
        else np.empty((len(frame), 0))
    )
    image, images = pd.factorize(frame["image"])
    size = np.bincount(image, minlength=len(images))
    order = np.argsort(image, kind="stable")
    start = np.concatenate([[0], np.cumsum(size)])
    total = np.zeros((2, len(names), len(names)))
    count = np.zeros((len(names), len(names)), int)
    for rows in np.unique(size[size >= 3]):
        alike = start[:-1][size == rows][:, None] + np.arange(rows)
        step = max(1, _AT_ONCE // int(rows**2 * max(len(names), 1)))
        for first in range(0, len(alike), step):
            found = _correlations(values[order[alike[first : first + step]]])
            total += np.nansum(found, axis=1)
            count += (~np.isnan(found[0])).sum(axis=0)
    with np.errstate(invalid="ignore"):
        spearman, kendall = total / count
    return tuple(
        Agreement(names[i], names[j], float(spearman[i, j]), float(kendall[i, j]), int(count[i, j]))
        for i, j in combinations(range(len(names)), 2)
    )


def _correlations(values: Array) -> Array:
    """Return Spearman's and Kendall's correlation of each two columns, image by image.

    Parameters
    ----------
    values : shape (images, rows, k).

    Returns
    -------
    found : shape (2, images, k, k); NaN for columns that are not defined, or the same, in all rows.
    """
    from scipy.stats import rankdata

    usable = ~np.isnan(values).any(axis=1) & (values != values[:, :1]).any(axis=1)
    values = np.where(usable[:, None], values, 0.0)
    ranks = rankdata(values, axis=1) - (values.shape[1] + 1) / 2
    # Which of two rows is the better, for all pairs of rows: comparisons, since inf - inf is none.
    left, right = values[:, :, None], values[:, None]
    signs = (left > right).astype(np.float32) - (left < right)
    signs = signs.reshape(len(values), -1, values.shape[2])
    found = np.full((2, len(values), *usable.shape[1:] * 2), np.nan)
    for place, each in enumerate((ranks, signs)):
        product = (each.transpose(0, 2, 1) @ each).astype(np.float64)
        norm = np.sqrt(np.einsum("ikk->ik", product))
        with np.errstate(invalid="ignore", divide="ignore"):
            found[place] = product / (norm[:, :, None] * norm[:, None])
    both = usable[:, :, None] & usable[:, None]
    return np.where(both, found, np.nan)

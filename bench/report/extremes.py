"""On which image each codec does best, and on which worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Extremes:
    """The images on which a codec saves most and least against the anchor; BD-rates in percent.

    `count` is the number of images on which BD-rate is defined.
    """

    codec: str
    best: str
    best_bd: float
    worst: str
    worst_bd: float
    count: int


def extremes_of(
    image_bd: Mapping[str, npt.NDArray[np.float64]], images: Sequence[str], order: Sequence[str]
) -> tuple[Extremes, ...]:
    """Return the extremes of each codec that has a BD-rate on two images or more.

    Parameters
    ----------
    image_bd : per codec, BD-rate of each of `images`, NaN where undefined.
    order : of the codecs.
    """
    found = []
    for codec in order:
        values = image_bd.get(codec, np.full(0, np.nan))
        count = int((~np.isnan(values)).sum())
        if count < 2:
            continue
        low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
        ends = images[low], float(values[low]), images[high], float(values[high])
        found.append(Extremes(codec, *ends, count))
    return tuple(found)

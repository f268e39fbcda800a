"""Which pictures are compared: settings that spend about the same rate on an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

T = TypeVar("T")
Array = npt.NDArray[np.float64]

#: Bits per pixel around which pictures are compared, each within ±25 %.
BANDS: Mapping[str, float] = {"low": 0.25, "medium": 0.5, "high": 1.0}
#: A codec's setting belongs to a band if its rate is within this factor of the band's rate.
MATCHED = 1.35


@dataclass(frozen=True)
class Choice:
    """One picture: a codec's cell on an image, in a band of rate."""

    band: str
    codec: str
    quality: float
    bpp: float
    psnr: float
    decode_s: float
    bitstream_sha256: str


def choose(cells: pd.DataFrame) -> tuple[dict[str, float], list[Choice]]:
    """Choose the settings that are compared on one image.

    In each band the target is the rate that the codecs' settings come nearest to together, so
    that they match as well as the ladders allow; a codec without a setting within a factor of
    1.35 of it has no picture in the band.

    Parameters
    ----------
    cells : rows of results.csv, all of one image and all ok.
    """
    targets: dict[str, float] = {}
    choices: list[Choice] = []
    ladders = {str(codec): rows for codec, rows in cells.groupby("codec", sort=False)}
    rates = {codec: np.log(rows["bpp"].to_numpy(np.float64)) for codec, rows in ladders.items()}
    for band, centre in BANDS.items():
        tries = np.geomspace(centre / 1.25, centre * 1.25, 41)
        target = float(tries[np.argmin(_mismatch(rates.values(), np.log(tries)))])
        found = [
            _choice(band, codec, rows.iloc[nearest])
            for codec, rows in ladders.items()
            for nearest, factor in [_nearest(rates[codec], target)]
            if factor <= MATCHED
        ]
        if found:
            targets[band] = target
            choices += found
    return targets, choices


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return at most `most` items, evenly spaced, first and last included."""
    if len(items) <= most:
        return list(items)
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, most)]


def _mismatch(ladders: Iterable[Array], targets: Array) -> Array:
    """Mean distance of the codecs' nearest settings from each rate; all rates are logarithms, and
    outliers are capped.
    """
    nearest = [np.abs(rates[:, None] - targets).min(axis=0) for rates in ladders]
    return np.asarray(np.minimum(nearest, 0.5).mean(axis=0))


def _nearest(rates: Array, target: float) -> tuple[int, float]:
    """Return which log rate is nearest to a rate, and the factor between the two."""
    distance = np.abs(rates - math.log(target))
    best = int(np.argmin(distance))
    return best, math.exp(float(distance[best]))


def _choice(band: str, codec: str, row: pd.Series[float]) -> Choice:
    psnr = float(row["psnr"]) if "psnr" in row else math.nan
    numbers = float(row["quality"]), float(row["bpp"]), psnr, float(row["decode_s"])
    return Choice(band, codec, *numbers, str(row["bitstream_sha256"]))

"""Which pictures are compared: settings that spend about the same rate on an image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

T = TypeVar("T")

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
    for band, centre in BANDS.items():
        tries = np.geomspace(centre / 1.25, centre * 1.25, 41)
        target = float(tries[np.argmin([_mismatch(ladders, rate) for rate in tries])])
        found = [
            _choice(band, codec, rows.iloc[nearest])
            for codec, rows in ladders.items()
            for nearest, factor in [_nearest(rows, target)]
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


def _mismatch(ladders: Mapping[str, pd.DataFrame], rate: float) -> float:
    """Mean distance of the codecs' nearest settings from a rate, in log rate, outliers capped."""
    return float(
        np.mean([min(math.log(_nearest(rows, rate)[1]), 0.5) for rows in ladders.values()])
    )


def _nearest(rows: pd.DataFrame, rate: float) -> tuple[int, float]:
    """Return the position of the row nearest to a rate, and the factor between the two."""
    distance = np.abs(np.log(rows["bpp"].to_numpy(np.float64) / rate))
    best = int(np.argmin(distance))
    return best, math.exp(float(distance[best]))


def _choice(band: str, codec: str, row: pd.Series[float]) -> Choice:
    psnr = float(row["psnr"]) if "psnr" in row else math.nan
    numbers = float(row["quality"]), float(row["bpp"]), psnr, float(row["decode_s"])
    return Choice(band, codec, *numbers, str(row["bitstream_sha256"]))

"""Rate-distortion curves that others have published, as they published them.

The facts are in the catalogue, `reports/published/`: `kodak.yaml` says what each curve is and where
it is from, `kodak.csv` holds the points. A plain name ("vtm") is CompressAI's own measurement, or
the only source there is; any other is NAME@SOURCE ("jpeg@tfc", "mbt2018@paper").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from bench import paths
from bench.analysis.axis import axis_of
from bench.analysis.curves import Curve
from bench.errors import BenchError, SchemaError, UnknownNameError, UsageError

SCHEMA = 1
PREFIX = "published:"
#: The source that a plain name stands for where it has the curve.
_OWN = "compressai"
#: Metrics that are published, with their column.
_METRICS = {"psnr": "psnr", "ms-ssim": "ms_ssim"}


@dataclass(frozen=True)
class Source:
    """Who published: a title, where, and under which licence."""

    name: str
    title: str
    url: str
    licence: str


@dataclass(frozen=True)
class Published:
    """What a published curve is.

    Parameters
    ----------
    name, source : together unique.
    file : what the curve is called where it is from.
    title : what was compressed with.
    reference : the paper, as one cites it.
    setting : what the settings of the points are (QP, quality); empty where they are not known.
    note : what a reader must know before comparing with it.
    distrust : why the curve must not be taken for what its name says; empty where it may.
    dataset, n_images : what the means are over.
    plain : whether `name` alone leads here.
    """

    name: str
    source: Source
    file: str
    title: str
    reference: str
    setting: str
    note: str
    distrust: str
    dataset: str
    n_images: int
    plain: bool

    @property
    def key(self) -> str:
        """NAME@SOURCE."""
        return f"{self.name}@{self.source.name}"

    @property
    def label(self) -> str:
        """The shortest name that leads here."""
        return self.name if self.plain else self.key

    @property
    def points(self) -> pd.DataFrame:
        """All points as published, columns `setting, bpp, psnr, ms_ssim, ms_ssim_db, encode_s,
        decode_s`; NaN where a value was not published.
        """
        points = _points()
        mine = points[points["curve"] == self.key]
        return mine.drop(columns="curve").reset_index(drop=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were published for it."""
        points = self.points
        found = ["psnr"] if points["psnr"].notna().any() else []
        if points[["ms_ssim", "ms_ssim_db"]].notna().any(axis=None):
            found.append("ms-ssim")
        return tuple(found)


def published() -> tuple[Published, ...]:
    """Return every published curve, sorted by name and source."""
    return _catalogue()


def is_content(digests: Iterable[str]) -> bool:
    """Return whether images are those that the published curves are means over: all of them, none
    else, told by the SHA-256 of their pixels.
    """
    joined = "".join(sorted(set(digests)))
    return sha256(joined.encode()).hexdigest() == str(_values()["content"])


def find(name: str) -> Published:
    """Return the curve called `name`: NAME, NAME@SOURCE, or its file's name for NAME; a leading
    ``published:`` is allowed, and upper or lower case are the same.

    Raises
    ------
    UnknownNameError : there is none; suggests near ones.
    UsageError : several sources have a curve of that name, and none of them is CompressAI.
    """
    name = name.removeprefix(PREFIX)
    wanted, _, source = name.lower().partition("@")
    found = [
        curve
        for curve in published()
        if wanted in (curve.name, curve.file.lower()) and source in ("", curve.source.name)
    ]
    plain = [curve for curve in found if curve.plain and curve.name == wanted and not source]
    found = plain or found
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(curve.key for curve in found)
        raise UsageError(f"several published curves are called {name!r}: {names}; name one")
    labels = [curve.label for curve in published() if not curve.distrust]
    raise UnknownNameError("published curve", name, labels, "(`bench published` lists them)")


def published_curve(name: str, metric: str) -> Curve:
    """Return a published curve for comparison, called ``published:NAME``.

    Raises
    ------
    UnknownNameError, UsageError : as :func:`find`; the metric was not published for it, or the
        curve is one that must not be taken for what its name says.
    """
    entry = find(name)
    if entry.distrust:
        raise UsageError(f"{PREFIX}{entry.label} is not compared with: {entry.distrust}")
    if metric not in entry.metrics:
        known = ", ".join(entry.metrics)
        raise UsageError(f"{PREFIX}{entry.label} has no {metric}; published for it: {known}")
    points = entry.points
    quality = points[_METRICS[metric]]
    if metric == "ms-ssim":
        # Some papers give decibels alone.
        quality = quality.fillna(1 - 10 ** (-points["ms_ssim_db"] / 10))
    points = points[quality.notna()]
    order = np.argsort(points["bpp"].to_numpy(), kind="stable")
    return Curve(
        codec=PREFIX + entry.label,
        axis=axis_of(metric),
        dataset=entry.dataset,
        rate=points["bpp"].to_numpy(np.float64)[order],
        quality=quality[points.index].to_numpy(np.float64)[order],
        settings=points["setting"].to_numpy(np.float64)[order],
        n_images=entry.n_images,
        origin="published",
        note=entry.note,
    )


def _folder() -> Path:
    return paths.catalogue("reports") / "published"


@cache
def _values() -> dict[str, Any]:
    path = _folder() / "kodak.yaml"
    try:
        values: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BenchError(f"{path} can't be read: {error.strerror}; reinstall rdbench") from None
    if values["schema"] != SCHEMA:
        raise SchemaError(f"{path}: schema {values['schema']!r} is not read, only {SCHEMA}")
    return values


@cache
def _catalogue() -> tuple[Published, ...]:
    values = _values()
    sources = {name: Source(name, **fields) for name, fields in values["sources"].items()}
    listed = values["curves"]
    names = [curve["name"] for curve in listed]
    own = {curve["name"] for curve in listed if curve["source"] == _OWN}
    curves = [
        Published(
            name=curve["name"],
            source=sources[curve["source"]],
            file=curve["file"],
            title=curve["title"],
            reference=values["papers"].get(curve.get("paper"), ""),
            setting=curve.get("setting", ""),
            note=curve.get("note", ""),
            distrust=curve.get("distrust", ""),
            dataset=values["dataset"],
            n_images=values["n_images"],
            plain=curve["source"] == _OWN
            or (curve["name"] not in own and names.count(curve["name"]) == 1),
        )
        for curve in listed
    ]
    return tuple(sorted(curves, key=lambda curve: (curve.name, not curve.plain, curve.key)))


@cache
def _points() -> pd.DataFrame:
    return pd.read_csv(_folder() / "kodak.csv")

"""The data that the HTML report carries: what its scripts draw, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.bootstrap import FEW
from bench.analysis.published import find
from bench.analysis.tradeoff import OperatingPoint
from bench.metrics.metric import column
from bench.report.content import Band, MetricContent, SectionContent
from bench.report.crops import Embedded, EmbeddedImage, EmbeddedPicture
from bench.report.matching import evenly
from bench.report.palette import Look
from bench.report.references import Reference, ranked

#: Per-image values that are embedded at most; of more, some images are listed, evenly chosen.
MOST_VALUES = 200_000

Json = dict[str, Any]


def payload(
    sections: Sequence[SectionContent],
    looks: Mapping[str, Look],
    pictures: Sequence[Embedded | None],
) -> Json:
    """Return everything the page's scripts need.

    Parameters
    ----------
    looks : what each codec of all sections looks like, and each published curve if any is drawn.
    pictures : of each section, or None.
    """
    return {
        "few": FEW,
        "codecs": [_named(name, sections) | _look(look) for name, look in looks.items()],
        "sections": [
            _section(section, embedded)
            for section, embedded in zip(sections, pictures, strict=True)
        ],
    }


def dump(value: Json) -> str:
    """Return JSON that can stand inside a script element: no `<`, `>` or `&` is left in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


Number = float | str | None


def number(value: float, digits: int = 5) -> Number:
    """Return :func:`numbers` of one value."""
    return numbers([value], digits)[0]


def numbers(values: Iterable[float], digits: int = 5) -> list[Number]:
    """Return values with so many significant digits; None for NaN, "inf" for infinity."""
    array = np.fromiter(values, np.float64)
    finite = np.isfinite(array) & (np.abs(array) > 1e-12)
    magnitude = np.floor(np.log10(np.abs(array, where=finite, out=np.ones_like(array))))
    places = digits - 1 - magnitude
    # Dividing by a whole power of ten gives the double nearest to the decimal: it prints short.
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded = np.rint(array * up / down, where=finite, out=np.zeros_like(array)) / up * down
    found: list[Number] = rounded.tolist()
    for place in np.flatnonzero(~np.isfinite(array)):
        value = array[place]
        found[place] = None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return found


def _section(content: SectionContent, embedded: Embedded | None) -> Json:
    frame = content.section.results.frame
    listed = _listed(content, embedded)
    places = {name: i for i, name in enumerate(content.images)}
    index = [places[name] for name in listed]
    sizes = frame.drop_duplicates("image").set_index("image")[["width", "height"]]
    return {
        "title": content.title,
        "anchor": content.anchor,
        "codecs": list(content.codecs),
        "nImages": len(content.images),
        "images": listed,
        "sizes": [numbers(size) for size in sizes.loc[listed].to_numpy(float)],
        "first": content.first_metric,
        "metrics": {name: _metric(metric, index) for name, metric in content.metrics.items()},
        "cells": _cells(frame, content, listed),
        "speeds": [
            {"codec": s.codec, "encode": number(s.encode_s), "decode": number(s.decode_s)}
            | {"measured": s.measured}
            for s in content.speeds
        ],
        "pictures": None if embedded is None else _pictures(embedded, content),
        "unpublished": content.unpublished,
        "agreements": [
            {"pair": [a.metric, a.other], "n": a.n_images}
            | {"spearman": number(a.spearman, 4), "kendall": number(a.kendall, 4)}
            for a in content.agreements
        ],
    }


def _listed(content: SectionContent, embedded: Embedded | None) -> list[str]:
    """Return the images whose own values are embedded: all, or an even choice of them."""
    values = len(content.section.results.frame) * (len(content.metrics) + 1)
    most = max(1, int(len(content.images) * MOST_VALUES / max(values, 1)))
    if most >= len(content.images):
        return list(content.images)
    chosen = set(evenly(content.images, most))
    chosen |= {image.image for image in embedded.images} if embedded else set()
    return [name for name in content.images if name in chosen]


def _metric(metric: MetricContent, index: list[int]) -> Json:
    axis = metric.axis
    return {
        "title": axis.title,
        "unit": axis.unit,
        "scale": axis.scale,
        "lower": axis.lower_is_better,
        "decibels": axis.decibels,
        "verdict": {
            "best": metric.verdict.best,
            "headline": metric.verdict.headline,
            "details": list(metric.verdict.details),
        },
        "curves": {band.curve.codec: _curve(band) for band in metric.bands},
        "rows": [
            {name: number(v, 6) if isinstance(v, float) else v for name, v in vars(row).items()}
            for row in metric.rows
        ],
        "imageBd": {codec: numbers(values[index], 4) for codec, values in metric.image_bd.items()},
        "published": [_reference(reference) for reference in ranked(metric.references)],
        "front": _front(metric.front),
        "extremes": [
            {"codec": e.codec, "best": e.best, "worst": e.worst, "n": e.count}
            | {"best_bd": number(e.best_bd, 4), "worst_bd": number(e.worst_bd, 4)}
            for e in metric.extremes
        ],
    }


def _reference(reference: Reference) -> Json:
    """Return a published curve, its row of the BD table with it."""
    curve, comparison = reference.curve, reference.comparison
    low, high = comparison.bd.range
    values = {
        "bd_rate": comparison.bd.bd_rate,
        "bd_quality": comparison.bd.bd_quality,
        "range_low": low,
        "range_high": high,
        "overlap": comparison.bd.overlap,
    }
    return {
        "codec": curve.codec,
        "drawn": reference.drawn,
        "s": numbers(curve.settings),
        "r": numbers(curve.rate),
        "q": numbers(curve.quality),
        "n_images": curve.n_images,
        "reason": comparison.bd.reason,
        "note": reference.entry.note,
        **{name: number(value, 6) for name, value in values.items()},
    }


def _front(points: Sequence[OperatingPoint]) -> Json:
    """Return by codec, point by point of its curve: 2 on the front of rate and quality, 1 on that
    of rate, quality and decoding time, 0 beaten; and decoding seconds.
    """
    found: Json = {}
    for point in points:
        mine = found.setdefault(point.codec, {"on": [], "t": []})
        mine["on"].append(2 if point.front else int(point.front_with_time))
        mine["t"].append(number(point.decode_s, 3))
    return found


def _curve(band: Band) -> Json:
    curve = band.curve
    return {
        "s": numbers(curve.settings),
        "r": numbers(curve.rate),
        "q": numbers(curve.quality),
        "rl": numbers(band.rate_low, 4),
        "rh": numbers(band.rate_high, 4),
        "ql": numbers(band.quality_low, 4),
        "qh": numbers(band.quality_high, 4),
        "n": curve.n_images,
        "over": band.over,
        "note": curve.note,
        "problem": band.problem,
    }


def _cells(frame: pd.DataFrame, content: SectionContent, listed: list[str]) -> Json:
    """Return rates and values per codec: a row per image listed, a column per setting."""
    some = frame[frame["image"].isin(listed) & (frame["status"] == "ok")]
    cells: Json = {}
    for codec, rows in some.groupby("codec", sort=False):
        grids = {
            name: _grid(rows, column(name) if name != "bpp" else name, listed)
            for name in ("bpp", *content.metrics)
        }
        cells[str(codec)] = {
            "s": numbers(grids["bpp"].columns.to_numpy(float)),
            "r": _rows(grids.pop("bpp")),
            "m": {name: _rows(grid) for name, grid in grids.items()},
        }
    return cells


def _rows(grid: pd.DataFrame) -> list[list[Number]]:
    width = len(grid.columns)
    flat = numbers(grid.to_numpy(np.float64).ravel())
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def _grid(rows: pd.DataFrame, name: str, listed: list[str]) -> pd.DataFrame:
    grid = rows.pivot(index="image", columns="quality", values=name)
    return grid.reindex(listed)


def _pictures(embedded: Embedded, content: SectionContent) -> Json:
    grade, (mean, largest) = embedded.grade, embedded.error
    frame = content.section.results.frame
    shown = frame[frame["image"].isin([image.image for image in embedded.images])]
    cells = shown.set_index(["codec", "quality", "image"])
    columns = ["bytes", "bpp", *map(column, content.metrics)]
    names = ["bytes", "bpp", *content.metrics]

    def values(image: EmbeddedImage, picture: EmbeddedPicture) -> Json:
        choice = picture.choice
        row = cells.loc[(choice.codec, choice.quality, image.image), columns]
        return dict(zip(names, numbers(np.asarray(row, float), 6), strict=True))

    return {
        "words": grade.words,
        "lossless": not grade.quality,
        "error": [number(mean, 2), number(largest, 2)],
        "images": [
            {
                "image": image.image,
                "size": [image.width, image.height],
                "box": list(image.box),
                "preview": image.preview,
                "original": image.original,
                "targets": {band: number(rate, 3) for band, rate in image.targets.items()},
                "pictures": [
                    {"band": p.choice.band, "codec": p.choice.codec, "setting": p.choice.quality}
                    | {"values": values(image, p), "uri": p.uri}
                    for p in image.pictures
                ],
            }
            for image in embedded.images
        ],
    }


def _named(codec: str, sections: Sequence[SectionContent]) -> Json:
    """Return what a codec, or a published curve, is called."""
    section = next((s.section for s in sections if codec in s.section.origins), None)
    if section is None:
        entry = find(codec)
        return {
            "name": codec,
            "short": entry.label,
            "title": entry.title,
            "setting": entry.setting or "setting",
            "published": True,
            "group": entry.source.title,
            "source": entry.reference or entry.source.title,
        }
    origin = section.origins[codec]
    setting = str(origin.run.codec_info(origin.codec).get("setting") or "setting")
    return {"name": codec, "title": section.codec_title(codec), "setting": setting}


def _look(look: Look) -> Json:
    return {"marker": look.marker, "open": look.open, "dash": list(look.dash)}

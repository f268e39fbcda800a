"""What moved between two baselines, for whoever accepts a change."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.analysis.compare import Comparer
from bench.analysis.curves import CellIndex, ImageCurves
from bench.gate.align import changes
from bench.gate.baseline import Baseline
from bench.gate.record import results_of_baseline
from bench.text import table


def moved(was: Baseline, now: Baseline) -> str:
    """Return what moved from one baseline to the other, as text for a terminal."""
    rows = [row for codec in now.codecs if codec in was.codecs for row in _codec(was, now, codec)]
    parts = []
    if rows:
        parts.append(
            table(("codec", "metric", "BD-rate", "bytes", "mean", "cells"), rows, "llrrrr")
        )
    lines = list(_changes(was, now))
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(parts) or "nothing moved"


def bd_rates(was: Baseline, now: Baseline, metric: str) -> dict[str, float]:
    """Return the BD-rate in percent of every codec of both, over the images and settings of both;
    NaN where it is undefined.
    """
    before, after = _curves(was, metric), _curves(now, metric)
    return {
        codec: Comparer(_at(before[codec], after[codec]), bootstrap=None)
        .compare(_at(after[codec], before[codec]))
        .bd.bd_rate
        for codec in after
        if codec in before
    }


def _curves(baseline: Baseline, metric: str) -> dict[str, ImageCurves]:
    if metric not in baseline.metrics:
        return {}
    return CellIndex.of(results_of_baseline(baseline)).curves(metric)


def _at(curves: ImageCurves, other: ImageCurves) -> ImageCurves:
    """Return the curves at the settings that the other has too."""
    from dataclasses import replace

    both = [i for i, value in enumerate(curves.settings) if value in set(other.settings)]
    return replace(
        curves,
        settings=curves.settings[both],
        rate=curves.rate[:, both],
        quality=curves.quality[:, both],
    )


def _codec(was: Baseline, now: Baseline, codec: str) -> Iterator[tuple[str, ...]]:
    pixels = {name: image.sha256 for name, image in was.images.items()}
    before = {(c.quality, pixels[c.image]): c for c in was.cells if c.codec == codec}
    both = [
        (before[key], cell)
        for cell in now.cells
        if cell.codec == codec and (key := (cell.quality, now.images[cell.image].sha256)) in before
    ]
    changed = sum(a.bitstream_sha256 != b.bitstream_sha256 for a, b in both)
    if not both:
        return
    size = 100 * (sum(b.bytes for _, b in both) / sum(a.bytes for a, _ in both) - 1)
    for metric in now.metrics:
        if metric not in was.metrics:
            continue
        i, j = list(was.metrics).index(metric), list(now.metrics).index(metric)
        steps = [
            y - x
            for a, b in both
            if (x := a.values[i]) is not None and (y := b.values[j]) is not None and x != y
        ]
        if changed or steps:
            mean = math.fsum(steps) / len(both)
            rate = bd_rates(was, now, metric).get(codec, math.nan)
            shown = "NA" if math.isnan(rate) else f"{rate:+.3f} %"
            cells = f"{changed}/{len(both)}"
            yield codec, metric, shown, f"{size:+.3f} %", f"{mean:+.5f}", cells


def _changes(was: Baseline, now: Baseline) -> Iterator[str]:
    for name in now.codecs.keys() - was.codecs.keys():
        yield f"new codec: {name}"
    for name in sorted(was.codecs.keys() - now.codecs.keys()):
        yield f"codec gone: {name}"
    for name in sorted(now.codecs.keys() & was.codecs.keys()):
        if was.settings(name) != now.settings(name):
            yield f"{name}: other settings: {was.settings(name)} → {now.settings(name)}"
        identities = was.codecs[name].identity, now.codecs[name].identity
        yield from (f"{name}: {text}" for text in changes(*identities))
    pixels = [{image.sha256 for image in b.images.values()} for b in (was, now)]
    if pixels[0] != pixels[1]:
        gone, new = len(pixels[0] - pixels[1]), len(pixels[1] - pixels[0])
        yield f"images: {gone} gone, {new} new"
    yield from (f"version of {t}" for t in changes(dict(was.metrics), dict(now.metrics)))
    yield from (f"package {t}" for t in changes(dict(was.versions), dict(now.versions)))

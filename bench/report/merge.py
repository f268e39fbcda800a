"""Several runs in one report: what may stand in one curve, and what may not.

Runs over the same pixels are put together, codec by codec; a codec that was measured in two
versions is shown as two. Runs over other pixels, though the data set has the same name, stay
apart, and values of two versions of a metric are never mixed. Each such decision is a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.results import Results, results_of
from bench.metrics.metric import column
from bench.report.sources import RunSource


@dataclass(frozen=True)
class Origin:
    """Where a codec's rows come from: the run, and the codec's name there."""

    run: RunSource
    codec: str


@dataclass(frozen=True, eq=False)
class Section:
    """One data set of a report.

    Parameters
    ----------
    results : the cells of all runs that measured these very pixels; `results.name` is unique.
    origins : for each codec in `results`, where it is from.
    notes : what was not put together, and why.
    """

    title: str
    results: Results
    origins: dict[str, Origin]
    notes: tuple[str, ...] = ()

    def codec_title(self, codec: str) -> str:
        """Return what a codec is called in full."""
        origin = self.origins[codec]
        title = str(origin.run.codec_info(origin.codec).get("title") or origin.codec)
        suffix = codec.removeprefix(origin.codec)
        return title + suffix


#: What a data set's images are: two runs with the same one measured the same pixels.
Pixels = frozenset[tuple[str, str]]


def merge(runs: Sequence[RunSource]) -> list[Section]:
    """Return the data sets of several runs, in their order; a run without a row adds none."""
    parts: dict[tuple[str, Pixels], list[tuple[RunSource, Results]]] = {}
    for run in runs:
        for dataset in run.results.datasets:
            part = run.results.only(dataset)
            parts.setdefault((dataset, _pixels(part)), []).append((run, part))
    keys = list(parts)
    return [
        _section(dataset, parts[dataset, pixels], _others(dataset, pixels, keys, parts))
        for dataset, pixels in keys
    ]


def _pixels(results: Results) -> Pixels:
    frame = results.frame.drop_duplicates(["image", "image_sha256"])
    return frozenset(zip(frame["image"], frame["image_sha256"], strict=True))


def _others(
    dataset: str,
    pixels: Pixels,
    keys: Sequence[tuple[str, Pixels]],
    parts: dict[tuple[str, Pixels], list[tuple[RunSource, Results]]],
) -> list[str]:
    """Say why runs over a data set of the same name are not in this section."""
    notes = []
    for name, theirs in keys:
        if name == dataset and theirs != pixels:
            runs = ", ".join(run.name for run, _ in parts[name, theirs])
            names = {image for image, _ in pixels}, {image for image, _ in theirs}
            if names[0] == names[1]:
                count = len(pixels - theirs)
                why = f"{count} of its {len(theirs)} images have other pixels under the same name"
            else:
                why = f"it is over {len(theirs)} images, this over {len(pixels)}"
            notes.append(
                f"{runs} measured {dataset} too, but {why}: "
                "means over other images are no curve of this one, so it is shown apart"
            )
    return notes


def _section(dataset: str, parts: list[tuple[RunSource, Results]], apart: list[str]) -> Section:
    pieces, origins, notes = _codecs(parts)
    identities = _metric_versions(pieces, notes)
    frame = pd.concat([piece.rows for piece in pieces], ignore_index=True)
    described = parts[0][0].info.get("dataset", {})
    title = str(described.get("title") or dataset)
    runs = " + ".join(run.name for run, _ in parts)
    results = results_of(
        frame,
        info={"metrics": identities, "dataset": described},
        name=runs,
        path=parts[0][1].path,
    )
    return Section(
        title=f"{title} ({runs})" if apart else title,
        results=results,
        origins=origins,
        notes=(*apart, *notes),
    )


@dataclass(eq=False)
class _Piece:
    """The rows of one codec from one run."""

    run: RunSource
    results: Results
    codec: str
    rows: pd.DataFrame


def _codecs(
    parts: list[tuple[RunSource, Results]],
) -> tuple[list[_Piece], dict[str, Origin], list[str]]:
    """Return the rows of each run under names that tell versions apart."""
    versions: dict[str, list[list[_Piece]]] = {}
    notes: list[str] = []
    for run, results in parts:
        for codec, rows in results.frame.groupby("codec", sort=False):
            piece = _Piece(run, results, str(codec), rows)
            known = versions.setdefault(piece.codec, [])
            same = next((pieces for pieces in known if _same_version(pieces, piece)), None)
            if same is None:
                known.append([piece])
                continue
            notes.append(
                f"{codec} is the same in {same[0].run.name} and {run.name} (same identity, same "
                f"bytes): it is shown once, shared cells from {same[0].run.name}"
            )
            piece.rows = _new_cells(same, piece)
            same.append(piece)
    pieces: list[_Piece] = []
    origins: dict[str, Origin] = {}
    for codec, known in versions.items():
        for version in known:
            first = version[0]
            label = codec if len(known) == 1 else f"{codec} ({first.run.name})"
            origins[label] = Origin(first.run, codec)
            for piece in version:
                piece.rows = piece.rows.assign(codec=label)
            pieces += [piece for piece in version if len(piece.rows)]
        if len(known) > 1:
            ids = ", ".join(f"{v[0].run.name}: {v[0].rows['codec_id'].iloc[0]}" for v in known)
            notes.append(f"{codec} was measured in {len(known)} versions ({ids}): shown as such")
    return pieces, origins, notes


def _same_version(known: list[_Piece], piece: _Piece) -> bool:
    """Whether the codec's identity is the same, and so are the bytes of all cells both have."""
    mine = piece.rows
    if set(known[0].rows["codec_id"]) != set(mine["codec_id"]):
        return False
    theirs = pd.concat([k.rows for k in known])
    both = theirs.merge(mine, on=["quality", "image"], suffixes=("", "_b"))
    both = both[(both["status"] == "ok") & (both["status_b"] == "ok")]
    return bool((both["bitstream_sha256"] == both["bitstream_sha256_b"]).all())


def _new_cells(known: list[_Piece], piece: _Piece) -> pd.DataFrame:
    """Return the rows of cells that are not known yet."""
    cells = {cell for k in known for cell in zip(k.rows["quality"], k.rows["image"], strict=True)}
    mine = zip(piece.rows["quality"], piece.rows["image"], strict=True)
    return piece.rows[[cell not in cells for cell in mine]]


def _metric_versions(pieces: list[_Piece], notes: list[str]) -> dict[str, str]:
    """Blank the values of a metric's other versions, with the reason; return those kept."""
    kept: dict[str, tuple[str, str]] = {}
    told: set[tuple[str, str]] = set()
    for piece in pieces:
        for metric in piece.results.metrics:
            identity = piece.results.metric_identity(metric)
            first, owner = kept.setdefault(metric, (identity, piece.run.name))
            if identity == first:
                continue
            _set_na(piece, metric, f"measured by another version of the metric than {owner}'s")
            if (metric, piece.run.name) not in told:
                told.add((metric, piece.run.name))
                notes.append(
                    f"{metric} is of another version in {piece.run.name} "
                    f"({identity or 'not stated'}) than in {owner} ({first or 'not stated'}): "
                    f"the values of {piece.run.name} are not put into its curves"
                )
    for piece in pieces:
        for metric in kept:
            if column(metric) not in piece.rows:
                _set_na(piece, metric, "not measured in this run")
    return {metric: identity for metric, (identity, _) in kept.items()}


def _set_na(piece: _Piece, metric: str, reason: str) -> None:
    name = column(metric)
    before = piece.rows["na"]
    na = before.where(before == "", before + "; ") + f"{name}: {reason}"
    piece.rows = piece.rows.assign(na=na)
    piece.rows[name] = float("nan")

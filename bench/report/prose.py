"""What a report says in words beside its numbers: heading, gaps, failures, provenance."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.complexity import HEADINGS, complexity_cells, complexity_of
from bench.profile.codecs import NO_NETWORK
from bench.report.ablation_section import AblationBlock, ablation_blocks
from bench.report.content import SectionContent
from bench.report.sources import RunSource

#: Rows of the tables of failures; more than these kinds nobody reads.
_MOST_KINDS = 200


@dataclass(frozen=True)
class Failure:
    """Cells of one codec that failed, or have no value, for one reason."""

    codec: str
    count: int
    reason: str
    where: str


@dataclass(frozen=True)
class CodecFacts:
    """What a run says of one codec."""

    name: str
    title: str
    id: str
    settings: str
    libraries: str
    reference: str


@dataclass(frozen=True)
class CostRow:
    """What a codec costs on any machine at some settings.

    Parameters
    ----------
    cells : texts, in the order of :data:`bench.analysis.complexity.HEADINGS`; empty where `reason`
        says why there are none.
    """

    codec: str
    settings: str
    cells: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class RunFacts:
    """What a run can be repeated from."""

    name: str
    command: str
    facts: tuple[tuple[str, str], ...]
    codecs: tuple[CodecFacts, ...]
    json: str


@dataclass(frozen=True)
class Prose:
    """All of it, as plain text: escaping is the business of what it is written into."""

    title: str
    subtitle: str
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    speed_note: str
    failures: tuple[Failure, ...]
    undefined: tuple[Failure, ...]
    costs: tuple[CostRow, ...]
    cost_headings: tuple[str, ...]
    ablations: tuple[AblationBlock, ...]
    runs: tuple[RunFacts, ...]


def write_prose(runs: Sequence[RunSource], sections: Sequence[SectionContent]) -> Prose:
    """Return what a report of these runs says in words."""
    before = {run.name: f"{run.name}: " if len(runs) > 1 else "" for run in runs}
    problems = [before[run.name] + text for run in runs for text in run.problems]
    problems += [note for section in sections for note in section.notes]
    remarks = [before[run.name] + text for run in runs for text in run.remarks]
    frames = [section.section.results.frame for section in sections]
    return Prose(
        title=_title(sections, runs),
        subtitle=_subtitle(sections),
        problems=tuple(map(_ended, problems)),
        remarks=tuple(map(_ended, remarks)),
        speed_note=_speed_note(runs),
        failures=tuple(failure for frame in frames for failure in _failures(frame)),
        undefined=tuple(gap for frame in frames for gap in _undefined(frame)),
        costs=_costs(runs),
        cost_headings=HEADINGS,
        ablations=ablation_blocks(runs),
        runs=tuple(_run_facts(run) for run in runs),
    )


def _costs(runs: Sequence[RunSource]) -> tuple[CostRow, ...]:
    """Return what networks cost; nothing where no codec tells, as no classical one does."""
    told: dict[CostRow, bool] = {}
    for run in runs:
        for cost in complexity_of(run.info):
            if cost.reason == NO_NETWORK:
                continue
            settings = ", ".join(f"{quality:g}" for quality in cost.qualities)
            cells = complexity_cells(cost.complexity) if cost.complexity else ()
            told[CostRow(cost.codec, settings, cells, cost.reason)] = bool(cells)
    return tuple(told) if any(told.values()) else ()


def _title(sections: Sequence[SectionContent], runs: Sequence[RunSource]) -> str:
    if not sections:
        return f"{runs[0].name}: nothing was measured"
    names = ", ".join(dict.fromkeys(section.title for section in sections))
    codecs = list(dict.fromkeys(codec for section in sections for codec in section.codecs))
    listed = ", ".join(codecs) if len(codecs) <= 4 else f"{len(codecs)} codecs"
    return f"{listed} on {names}"


def _subtitle(sections: Sequence[SectionContent]) -> str:
    if not sections:
        return "There is no result to show."
    parts = []
    for section in sections:
        rows = len(section.section.results.frame)
        images = len(section.images)
        parts.append(
            f"{section.title}: {images:,} image{'s' * (images != 1)}, {rows:,} cells"
            if len(sections) > 1
            else f"{images:,} image{'s' * (images != 1)}, {rows:,} measurements, each from real "
            "bytes: encoded, decoded from the bitstream alone, compared with the original"
        )
    return "; ".join(parts)


def _speed_note(runs: Sequence[RunSource]) -> str:
    timings = [run.info.get("timing") for run in runs]
    unit = "Mean time per megapixel over all settings and images."
    first = timings[0] if timings and all(timings) else None
    if first:
        threads = first.get("threads", 1)
        return (
            f"{unit} Measured in the timing mode: one worker, {threads} "
            f"thread{'s' * (threads != 1)} per codec, "
            f"{first.get('repeats')} repeats after a warm-up, medians."
        )
    return (
        f"{unit} Several workers ran at once and some cells may be from the cache: these times "
        "show the order of magnitude. Speed that can be quoted comes from bench run --timing."
    )


def _failures(frame: pd.DataFrame) -> Iterable[Failure]:
    failed = frame[frame["status"] == "failed"]
    kinds = failed.groupby(["codec", "error"], sort=False)
    ordered = sorted(kinds, key=lambda kind: -len(kind[1]))
    for (codec, reason), rows in ordered[:_MOST_KINDS]:
        yield Failure(str(codec), len(rows), str(reason) or "no reason was recorded", _where(rows))


def _where(rows: pd.DataFrame) -> str:
    cells = [
        f"{image} at {quality:g}"
        for image, quality in zip(rows["image"][:4], rows["quality"][:4], strict=True)
    ]
    return ", ".join(cells) + (f" and {len(rows) - 4:,} more" if len(rows) > 4 else "")


def _undefined(frame: pd.DataFrame) -> Iterable[Failure]:
    gaps = frame[(frame["na"] != "") & (frame["status"] == "ok")]
    kinds = gaps.groupby(["codec", "na"], sort=False)
    ordered = sorted(kinds, key=lambda kind: -len(kind[1]))
    for (codec, reason), rows in ordered[:_MOST_KINDS]:
        yield Failure(str(codec), len(rows), str(reason), "")


def _run_facts(run: RunSource) -> RunFacts:
    info = run.info
    words = info.get("command") or []
    command = shlex.join(_command(words)) if words else "not recorded: run.json is missing"
    cells = info.get("cells", {})
    machine = info.get("machine", {})
    dataset = info.get("dataset", {})
    versions = info.get("versions", {})
    facts = {
        "Folder": str(run.folder.name),
        "Time": " to ".join(t for t in (info.get("started"), info.get("finished")) if t),
        "Data set": _joined(dataset.get("title"), dataset.get("reference")),
        "Images": _joined(dataset.get("n_images"), _digest(dataset.get("sha256"))),
        "Cells": ", ".join(f"{count:,} {name}" for name, count in cells.items()),
        "Metrics": "; ".join(
            f"{name} ({_short(i)})" for name, i in info.get("metrics", {}).items()
        ),
        "Machine": _joined(
            machine.get("processor"),
            f"{machine['cores']} cores" if machine.get("cores") else None,
            machine.get("system"),
        ),
        "Software": _joined(
            f"bench {versions['bench']}" if versions.get("bench") else None,
            f"Python {versions['python']}" if versions.get("python") else None,
        ),
        "Plan": str(info.get("plan", "")),
        "results.csv": _digest(info.get("results_sha256")),
    }
    return RunFacts(
        name=run.name,
        command=command,
        facts=tuple((name, value) for name, value in facts.items() if value),
        codecs=tuple(_codec_facts(name, facts) for name, facts in info.get("codecs", {}).items()),
        json=json.dumps(info, indent=1, ensure_ascii=False, default=str),
    )


def _command(words: Sequence[str]) -> list[str]:
    """Return the command as one would type it: the program's name instead of its path."""
    program = str(words[0]).replace("\\", "/").rpartition("/")[2]
    name = "bench" if program in {"bench", "bench.exe", "__main__.py"} else program
    return [name, *map(str, words[1:])]


def _codec_facts(name: str, facts: dict[str, Any]) -> CodecFacts:
    libraries = facts.get("identity", {}).get("libraries", {})
    settings = ", ".join(str(value) for value in facts.get("qualities", ()))
    return CodecFacts(
        name=name,
        title=str(facts.get("title", "")),
        id=str(facts.get("id", "")),
        settings=f"{facts.get('setting', '')} {settings}".strip(),
        libraries=", ".join(
            f"{library} {_short(version)}" for library, version in libraries.items()
        ),
        reference=str(facts.get("reference", "")),
    )


def _digest(value: object) -> str:
    return f"SHA-256 {value}" if value else ""


def _short(value: object) -> str:
    """Return a digest's first digits, and anything else as it is."""
    text = str(value)
    digest = len(text) >= 40 and all(c in "0123456789abcdef" for c in text)
    return text[:12] + "…" if digest else text


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _ended(text: str) -> str:
    return text + "." * (not text.endswith((".", "!", "?")))

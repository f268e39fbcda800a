"""Whether a report is up to date: told from its own bytes, without computing anything.

A report carries a digest of what it was made from: the rows and the plan of each run, the anchor,
and the templates and code that make it. Cheap, and nothing heavy is imported: a run that found
everything in the cache asks this at its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from bench import __version__, paths

#: Format of a report to the name of its file.
FILES = {"html": "report.html", "pdf": "report.pdf"}
#: What `bench ablate` adds to a run's folder; only then has the report a section on variants.
ABLATION = "ablation.json"
_MARK = b"bench-report"


@dataclass(frozen=True)
class Asked:
    """What a report was asked for beside its runs: as :func:`~bench.report.build.write_report`."""

    anchor: str | None = None
    published: str | Sequence[str] | None = None


def fingerprint(run_folders: Iterable[str | Path], asked: Asked = Asked()) -> str:
    """Return the SHA-256 of everything that a report of these runs depends on.

    Times of day and counts of cached cells are left out: a run that is repeated from the cache
    has the same report.
    """
    digest = sha256(f"{__version__}\0{json.dumps(asdict(asked))}\0".encode())
    for file in _makers():
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    for folder in map(Path, run_folders):
        folder = folder.parent if folder.is_file() else folder
        digest.update(f"\0{folder.resolve().name}\0{_facts(folder)}\0".encode())
        results = folder / "results.csv"
        if results.is_file():
            with results.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        digest.update(b"ablation" * (folder / ABLATION).is_file())
    return digest.hexdigest()


def is_current(
    run_folders: Sequence[str | Path],
    kind: str,
    asked: Asked = Asked(),
    out: str | Path | None = None,
) -> bool:
    """Whether the report of a format ("html", "pdf") exists and was made from just these runs."""
    folder = Path(out) if out is not None else Path(run_folders[0])
    path = folder / FILES[kind]
    try:
        content = path.read_bytes() if kind == "pdf" else _head(path)
    except OSError:
        return False
    return _MARK in content and fingerprint(run_folders, asked).encode() in content


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4096)


def _makers() -> list[Path]:
    """Return the templates and the modules that make reports."""
    here = Path(__file__).parent
    reports = paths.catalogue("reports")
    found = [file for place in ("*", "js/*", "published/*") for file in reports.glob(place)]
    found += [*here.glob("*.py"), *(here.parent / "analysis").glob("*.py")]
    return sorted((file for file in found if file.is_file()), key=str)


def _facts(folder: Path) -> str:
    """Return what run.json says that can change a report, without what changes at every run."""
    try:
        info = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(info, dict):
        return ""
    kept = {key: info.get(key) for key in ("plan", "status", "metrics", "left_out", "timing")}
    return json.dumps(kept, sort_keys=True)

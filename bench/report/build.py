"""A report from the folders of runs: read, merge, compute, write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import RunError, UsageError
from bench.report.fingerprint import FILES, fingerprint, is_current

if TYPE_CHECKING:
    from bench.cards import CodecCard


def write_report(
    run_folders: Iterable[str | Path],
    formats: Iterable[str] = ("html", "pdf"),
    anchor: str | None = None,
    out: str | Path | None = None,
    *,
    cards: Mapping[str, CodecCard] | None = None,
    reuse: bool = False,
) -> list[Path]:
    """Write report.html and report.pdf.

    Parameters
    ----------
    run_folders : of one run or several.
    formats : "html", "pdf" or both.
    anchor : what BD-rates are against; jpeg where present, else the first codec.
    out : the folder to write into; that of the first run if left out.
    cards : codecs that no catalogue has, by name, so that their pictures can be decoded.
    reuse : leave reports as they are that were made from the same.

    Returns
    -------
    paths : the reports, written or left as they are.

    Raises
    ------
    UsageError : an unknown format, or no codec called `anchor`.
    RunError : no folder of a run, or one that can't be written to.
    SchemaError : a run of another version of bench.
    """
    folders = [Path(folder) for folder in run_folders]
    kinds = list(dict.fromkeys(formats))
    for kind in kinds:
        if kind not in FILES:
            raise UsageError(f"a report is written as {' or '.join(FILES)}, not as {kind!r}")
    target = Path(out) if out is not None else _folder(folders)
    wanted = [kind for kind in kinds if not (reuse and is_current(folders, kind, anchor, target))]
    if wanted:
        _make(folders, wanted, anchor, target, cards or {})
    return [target / FILES[kind] for kind in kinds]


def _folder(folders: list[Path]) -> Path:
    if not folders:
        raise RunError("a report is made from the folder of a run: bench report runs/NAME")
    return folders[0].parent if folders[0].is_file() else folders[0]


def _make(
    folders: list[Path],
    kinds: list[str],
    anchor: str | None,
    target: Path,
    cards: Mapping[str, CodecCard],
) -> None:
    from bench.report.content import describe
    from bench.report.merge import merge
    from bench.report.prose import write_prose
    from bench.report.sources import read_runs
    from bench.report.static import draw

    print_of = fingerprint(folders, anchor)
    runs = read_runs(folders)
    sections = describe(merge(runs), anchor)
    prose = write_prose(runs, sections)
    if "html" in kinds:
        from bench.report.html import render_html

        figures = [draw(section, list(section.metrics)[:1]) for section in sections]
        page = render_html(sections, prose, figures, print_of, cards)
        _write(target / FILES["html"], page.encode())
    if "pdf" in kinds:
        from bench.report.pdf import render_pdf, shown

        figures = [draw(section, shown(section)) for section in sections]
        _write(target / FILES["pdf"], render_pdf(sections, prose, figures, print_of))


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises RunError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunError(f"can't write {path}: {error.strerror}") from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise RunError(f"can't write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)

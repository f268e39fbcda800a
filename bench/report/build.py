"""A report from the folders of runs: read, merge, compute, write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import RunError, UsageError
from bench.report.fingerprint import FILES, Asked, fingerprint, is_current

if TYPE_CHECKING:
    from bench.cards import CodecCard


def write_report(
    run_folders: Iterable[str | Path],
    formats: Iterable[str] = ("html", "pdf"),
    anchor: str | None = None,
    out: str | Path | None = None,
    *,
    published: str | Sequence[str] | None = None,
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
    published : names of the published curves that are drawn beside runs over Kodak, "none" or
        "all"; some well-known ones if left out.
    cards : codecs that no catalogue has, by name, so that their pictures can be decoded.
    reuse : leave reports as they are that were made from the same.

    Returns
    -------
    paths : the reports, written or left as they are.

    Raises
    ------
    UsageError : an unknown format; no codec called `anchor`, or no curve as in `published`.
    RunError : no folder of a run, or one that can't be written to.
    SchemaError : a run of another version of bench.
    """
    folders = [Path(folder) for folder in run_folders]
    kinds = list(dict.fromkeys(formats))
    for kind in kinds:
        if kind not in FILES:
            raise UsageError(f"a report is written as {' or '.join(FILES)}, not as {kind!r}")
    target = Path(out) if out is not None else _folder(folders)
    asked = Asked(anchor, published)
    wanted = [kind for kind in kinds if not (reuse and is_current(folders, kind, asked, target))]
    if wanted:
        _make(folders, wanted, asked, target, cards or {})
    return [target / FILES[kind] for kind in kinds]


def _folder(folders: list[Path]) -> Path:
    if not folders:
        raise RunError("a report is made from the folder of a run: bench report runs/NAME")
    return folders[0].parent if folders[0].is_file() else folders[0]


def _make(
    folders: list[Path],
    kinds: list[str],
    asked: Asked,
    target: Path,
    cards: Mapping[str, CodecCard],
) -> None:
    from bench.report.content import describe, has_references
    from bench.report.merge import merge
    from bench.report.palette import looks
    from bench.report.pdf import shown
    from bench.report.prose import write_prose
    from bench.report.references import choose, published_looks
    from bench.report.sources import read_runs
    from bench.report.static import draw, draw_more

    print_of = fingerprint(folders, asked)
    published = choose(asked.published)
    runs = read_runs(folders)
    sections = describe(merge(runs), asked.anchor, published)
    prose = write_prose(runs, sections)
    found = looks([codec for section in sections for codec in section.codecs])
    found |= published_looks() if any(map(has_references, sections)) else {}
    # What the PDF shows; the page needs the first metric's, for readers without scripts.
    names = [shown(section)[: None if "pdf" in kinds else 1] for section in sections]
    figures = [draw(s, drawn, found) for s, drawn in zip(sections, names, strict=True)]
    if "html" in kinds:
        from bench.report.html import render_html

        first = [[f for f in some if f.metric == s.first_metric]
                 for s, some in zip(sections, figures, strict=True)]  # fmt: skip
        page = render_html(sections, prose, first, found, print_of, cards)
        _write(target / FILES["html"], page.encode())
    if "pdf" in kinds:
        from bench.report.pdf import render_pdf

        more = [draw_more(section, found) for section in sections]
        _write(target / FILES["pdf"], render_pdf(sections, prose, figures, more, print_of))


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

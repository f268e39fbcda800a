"""Reading reports, and damaging runs, for the tests of reports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from pypdf import PdfReader

from bench.report.build import write_report

ROOT = Path(__file__).resolve().parents[2]
#: As a file name and as what must never become markup.
HOSTILE = "<img src=x onerror=alert(1)>.png"


@contextmanager
def home_at(path: Path) -> Iterator[None]:
    before = os.environ.get("BENCH_HOME")
    os.environ["BENCH_HOME"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["BENCH_HOME"]
        else:
            os.environ["BENCH_HOME"] = before


def text_of(pdf: Path) -> str:
    """All text of a PDF with plain spaces; soft breaks inside long names are taken out."""
    pages = [page.extract_text() for page in PdfReader(pdf).pages]
    text = "\n".join(pages).replace("\u202f", " ").replace("\u200b", "")
    return " ".join(text.split())


def data_of(page: str) -> dict[str, Any]:
    found = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    loaded: dict[str, Any] = json.loads(found)
    return loaded


def make(folders: list[Path], out: Path, **options: Any) -> str:
    write_report(folders, ["html"], out=out, **options)
    return (out / "report.html").read_text("utf-8")


def digest_of(folder: Path) -> str:
    return sha256((folder / "results.csv").read_bytes()).hexdigest()


def change_rows(folder: Path, change: Any) -> None:
    frame = pd.read_csv(folder / "results.csv", keep_default_na=False, dtype=str)
    change(frame).to_csv(folder / "results.csv", index=False, lineterminator="\n")
    change_info(folder, results_sha256=digest_of(folder))


def change_info(folder: Path, **fields: Any) -> None:
    info = json.loads((folder / "run.json").read_text("utf-8"))
    (folder / "run.json").write_text(json.dumps(info | fields), "utf-8")

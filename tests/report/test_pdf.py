"""The PDF: its text, its numbers, its pages."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from report.reading import change_rows, text_of

from bench.analysis.agreement import rank_correlation
from bench.analysis.images import best_and_worst, image_ranking
from bench.analysis.results import read_results
from bench.report.build import write_report


def shown(value: str) -> str:
    return f"{float(value):+.1f} %".replace("-", "−")


def bare(low: str, high: str) -> str:
    return f"{float(low):+.1f} … {float(high):+.1f}".replace("-", "−")


def rendered(pdf: Path, folder: Path) -> list[Image.Image]:
    """The pages as pictures, by poppler."""
    if shutil.which("pdftoppm") is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("no pdftoppm here: apt-get install poppler-utils")
        pytest.skip("no pdftoppm here: apt-get install poppler-utils")
    command = ["pdftoppm", "-r", "50", "-png", str(pdf), str(folder / "page")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return [Image.open(path) for path in sorted(folder.glob("page*.png"))]


def test_every_bd_rate_and_interval_equals_bd_csv(measured: Path, reports: Path) -> None:
    text = text_of(reports / "report.pdf")
    with (measured / "bd.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == {"psnr", "ms-ssim"}
    for row in rows:
        assert not math.isnan(float(row["bd_rate"]))
        interval = bare(row["ci_low"], row["ci_high"])
        assert f"{row['codec']} {shown(row['bd_rate'])} {interval}" in text
        of_images = bare(row["image_ci_low"], row["image_ci_high"])
        assert f"{shown(row['image_mean'])} {of_images}" in text


def test_best_and_worst_images_and_the_agreement_of_metrics_are_in_it(
    measured: Path, reports: Path
) -> None:
    text = text_of(reports / "report.pdf")
    results = read_results(measured)
    for row in best_and_worst(image_ranking(results, "psnr", "jpeg")).itertuples():
        best, worst = shown(row.best_bd_rate), shown(row.worst_bd_rate)
        assert f"{row.codec} {row.best} {best} {row.worst} {worst}" in text
    pair = rank_correlation(results).iloc[0]
    assert f"MS-SSIM (RGB) {pair['spearman']:.3f} {pair['kendall']:.3f}" in text


def test_html_carries_the_numbers_of_bd_csv(measured: Path, reports: Path) -> None:
    page = (reports / "report.html").read_text("utf-8")
    data = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    metrics = json.loads(data)["sections"][0]["metrics"]
    with (measured / "bd.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found = next(r for r in metrics[row["metric"]]["rows"] if r["codec"] == row["codec"])
            for name in ("bd_rate", "ci_low", "ci_high", "image_mean", "overlap", "range_low"):
                assert found[name] == float(row[name]), name


def test_text_is_not_taken_for_markup(copied: Path, tmp_path: Path) -> None:
    odd = r'#panic("x") $a_1$ *b* _c_ `d` <e> @f \g [h] // i /* j'
    info = json.loads((copied / "run.json").read_text("utf-8"))
    info["codecs"]["webp"]["title"] = odd
    info["command"] = ["bench", "run", "--dataset", "#import 'x'"]
    (copied / "run.json").write_text(json.dumps(info), "utf-8")
    write_report([copied], ["pdf"], out=tmp_path)
    text = text_of(tmp_path / "report.pdf")
    assert odd in text
    assert "#import" in text


def test_long_names_stay_on_the_page(copied: Path, tmp_path: Path) -> None:
    long = "a-codec-with-a-name-of-more-than-eighty-letters-which-nobody-would-type-but-a-script"
    change_rows(copied, lambda frame: frame.replace({"codec": {"jpeg-444": long}}))
    write_report([copied], ["pdf"], out=tmp_path)
    for page in rendered(tmp_path / "report.pdf", tmp_path):
        dark = np.asarray(page.convert("L")) < 200
        margin = round(0.075 * dark.shape[1])  # the page's is 2 of 21 cm
        assert dark.any()
        assert not dark[:, :margin].any()
        assert not dark[:, -margin:].any()


def test_every_page_renders(reports: Path, tmp_path: Path) -> None:
    pages = rendered(reports / "report.pdf", tmp_path)
    assert len(pages) == len(PdfReader(reports / "report.pdf").pages)
    assert all((np.asarray(page) < 128).any() for page in pages)


def test_same_inputs_give_the_same_bytes(measured: Path, reports: Path, tmp_path: Path) -> None:
    write_report([measured], ["pdf"], out=tmp_path)
    assert (tmp_path / "report.pdf").read_bytes() == (reports / "report.pdf").read_bytes()

"""Exports: tables with the numbers of the analysis, and files that peers' readers take."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.compare import Comparer
from bench.analysis.curves import rd_curves
from bench.analysis.foreign import read_foreign
from bench.analysis.results import Results, read_results, results_of
from bench.analysis.tables import bd_table, point_table
from bench.errors import UsageError
from bench.report.exports import FORMATS, export
from bench.report.markup import escape_latex, latex_table, markdown_table


@pytest.fixture
def results(run_folder: Path) -> Results:
    return read_results(run_folder)


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_writes_the_files_it_names_and_no_others(
    results: Results, tmp_path: Path, to: str
) -> None:
    paths = export(results, to, tmp_path / "out" / to)
    assert paths
    assert sorted(paths) == sorted(p for p in (tmp_path / "out" / to).rglob("*") if p.is_file())


def test_csv_and_parquet_hold_the_tables_of_the_analysis(results: Results, tmp_path: Path) -> None:
    export(results, "csv", tmp_path)
    export(results, "parquet", tmp_path)
    points, table = point_table(results), bd_table(results)
    for read, ending in ((pd.read_csv, "csv"), (pd.read_parquet, "parquet")):
        stored = read(tmp_path / f"points.{ending}").drop(columns="dataset")
        pd.testing.assert_frame_equal(stored, points, check_dtype=False)
        assert list(read(tmp_path / f"bd.{ending}")["bd_rate"]) == list(table["bd_rate"])
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    pd.testing.assert_frame_equal(cells, results.frame, check_dtype=False)


def test_csv_holds_bd_image_by_image_and_the_agreement_of_metrics(
    results: Results, tmp_path: Path
) -> None:
    export(results, "csv", tmp_path)
    images = pd.read_csv(tmp_path / "images.csv", keep_default_na=False)
    assert list(images.columns[:5]) == ["dataset", "metric", "anchor", "codec", "image"]
    assert set(images["metric"]) == {"psnr", "ssim"}
    table = pd.read_csv(tmp_path / "bd.csv").set_index("metric")["image_mean"]
    means = images.groupby("metric")["bd_rate"].mean()
    assert means.to_dict() == pytest.approx(table.to_dict())
    (pair,) = pd.read_csv(tmp_path / "agreement.csv").to_dict("records")
    assert (pair["dataset"], pair["metric"], pair["other"]) == ("crops", "psnr", "ssim")


def test_figures_come_in_every_kind_for_every_metric(results: Results, tmp_path: Path) -> None:
    names = {path.name for path in export(results, "figures", tmp_path)}
    assert names == {
        f"{what}-{metric}.{kind}"
        for what in ("curves", "front") for metric in ("psnr", "ssim")
        for kind in ("svg", "pdf", "png")
    }  # fmt: skip
    assert (tmp_path / "curves-psnr.pdf").read_bytes().startswith(b"%PDF")


def test_the_latex_table_is_in_booktabs_style_with_all_rows(
    results: Results, tmp_path: Path
) -> None:
    export(results, "latex", tmp_path)
    text = (tmp_path / "bd.tex").read_text("utf-8")
    lines = text.splitlines()
    assert lines[1] == r"\begin{tabular}{lrrrr}"
    assert lines[2] == r"\toprule"
    assert lines[3].startswith(r"codec & BD-rate, PSNR (RGB) (\%) & 95 \% interval &")
    value = bd_table(results)["bd_rate"].iloc[0]
    assert lines[5].startswith(f"webp & $-${abs(value):.1f} & ")
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert (tmp_path / "points.tex").read_text("utf-8").count(r" \\") == 1 + 12


def test_markdown_is_a_table_with_all_rows(results: Results, tmp_path: Path) -> None:
    export(results, "markdown", tmp_path)
    lines = (tmp_path / "points.md").read_text("utf-8").splitlines()
    assert lines[0].startswith("| codec | setting | bpp | PSNR (RGB) (dB) |")
    assert lines[1].startswith("| :-- | --: |")
    assert sum(line.startswith(("| jpeg ", "| webp ")) for line in lines) == 12


def test_names_that_mean_something_in_a_markup_language_are_text() -> None:
    name = r"a_b&c%d$e#f{g}~^\<img src=x>"
    row = latex_table(["x"], [[name]], "l").splitlines()[4]
    assert row == (
        r"a\_b\&c\%d\$e\#f\{g\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
        r"\textless{}img src=x\textgreater{} \\"
    )
    cell = markdown_table(["x"], [["a|b<script>*c*\nd"]], "l").splitlines()[2]
    assert cell == r"| a\|b&lt;script&gt;\*c\* d |"
    assert escape_latex("-1.5 … (-2) x-1") == r"$-$1.5 \ldots{} ($-$2) x-1"


def test_compressais_json_can_be_read_back_as_the_same_curve(
    results: Results, tmp_path: Path
) -> None:
    paths = export(results, "compressai", tmp_path)
    assert [path.name for path in paths] == ["jpeg.json", "webp.json"]
    document = json.loads(paths[1].read_text("utf-8"))
    assert (document["name"], document["description"]) == ("webp", "WebP")
    assert list(document["results"]) == [
        "psnr-rgb", "ssim", "bpp", "encoding_time", "decoding_time",
    ]  # fmt: skip
    curve = read_foreign(paths[1]).curve("psnr")
    jpeg, webp = rd_curves(results, "psnr")
    np.testing.assert_allclose(curve.quality, webp.quality)
    assert (curve.dataset, curve.n_images, curve.note) == ("crops", 5, "")
    ours, theirs = (Comparer(jpeg).compare(test).bd.bd_rate for test in (webp, curve))
    assert ours == pytest.approx(theirs)


def test_compressais_json_has_the_fields_of_its_own_files(
    results: Results, tmp_path: Path, shared: Path
) -> None:
    theirs = json.loads((shared / "published" / "compressai" / "jpeg.json").read_text())
    ours = json.loads(export(results, "compressai", tmp_path)[0].read_text("utf-8"))
    assert set(theirs) <= set(ours)
    assert set(theirs["results"]) - {"ms-ssim-rgb"} <= set(ours["results"])


def test_codec_compares_batches_keep_the_rules_of_its_loader(
    results: Results, tmp_path: Path
) -> None:
    # webmproject/codec-compare, README "Plug data at serve time" and src/entry_loader.ts: as many
    # values as descriptions, in the same order; one description an object; the list names files.
    paths = export(results, "codec-compare", tmp_path)
    index = json.loads((tmp_path / "batches.json").read_text())
    assert index == [["jpeg.json"], ["webp.json"]]
    assert paths[-1].name == "batches.json"
    for (name,), codec in zip(index, ("jpeg", "webp"), strict=True):
        batch = json.loads((tmp_path / name).read_text("utf-8"))
        constants = [next(iter(entry)) for entry in batch["constant_descriptions"]]
        values = dict(zip(constants, batch["constant_values"], strict=True))
        assert values["codec"] == codec
        assert all(isinstance(value, str) and value for value in values.values())
        fields = [next(iter(entry)) for entry in batch["field_descriptions"]]
        assert all(len(entry) == 1 for entry in batch["field_descriptions"])
        assert {"original_name", "quality", "encoded_size", "bpp", "psnr", "ssim"} <= set(fields)
        cells = results.frame[results.frame["codec"] == codec]
        assert len(batch["field_values"]) == len(cells)
        assert all(len(row) == len(fields) for row in batch["field_values"])
        sizes = [row[fields.index("encoded_size")] for row in batch["field_values"]]
        assert sizes == list(cells["bytes"])
        assert all(isinstance(size, int) for size in sizes)


def test_cells_that_json_can_not_hold_are_left_out_with_a_warning(
    measured_cells: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cells = measured_cells.copy()
    cells.loc[3, "psnr"] = math.inf
    with caplog.at_level(logging.WARNING, "bench"):
        export(results_of(cells), "codec-compare", tmp_path)
    assert "jpeg: 1 of 30 cells are not exported" in caplog.text
    assert len(json.loads((tmp_path / "jpeg.json").read_text())["field_values"]) == 29


def test_several_data_sets_do_not_overwrite_each_other(
    measured_cells: pd.DataFrame, tmp_path: Path
) -> None:
    other = measured_cells.assign(dataset="../my set")
    both = results_of(pd.concat([measured_cells, other], ignore_index=True))
    names = sorted(path.name for path in export(both, "compressai", tmp_path))
    assert names == [
        "crops-jpeg.json", "crops-webp.json", "my-set-jpeg.json", "my-set-webp.json",
    ]  # fmt: skip


def test_a_run_of_which_nothing_worked_is_refused(
    measured_cells: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="there is nothing to export"):
        export(results_of(measured_cells.assign(status="failed")), "csv", tmp_path)
    with pytest.raises(UsageError, match="no format is called 'xml'"):
        export(results_of(measured_cells.copy()), "xml", tmp_path)

"""BD tables as text and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from bench.analysis.axis import axis_of
from bench.analysis.compare import Comparer, Comparison
from bench.analysis.curves import image_curves
from bench.analysis.published import published_curve
from bench.analysis.results import results_of
from bench.report.bd_text import bd_json, bd_text


@pytest.fixture
def comparisons(measured_cells: pd.DataFrame) -> list[Comparison]:
    curves = image_curves(results_of(measured_cells.copy()), "psnr")
    lossless = replace(curves["webp"], codec="lossless", quality=curves["webp"].quality + math.inf)
    comparer = Comparer(curves["jpeg"])
    return [comparer.compare(lossless), comparer.compare(curves["webp"])]


def test_json_has_the_fields_that_others_read(comparisons: list[Comparison]) -> None:
    undefined, webp = json.loads(json.dumps(bd_json(comparisons), allow_nan=False))
    fields = ["codec", "anchor", "metric", "bd_rate", "ci_low", "ci_high"]
    fields += ["bd_quality", "range", "overlap", "n_images", "reason"]
    fields += ["image_mean", "image_ci_low", "image_ci_high", "image_n", "convention"]
    assert list(webp) == list(undefined) == fields
    assert webp["reason"] is None
    assert webp["ci_low"] < webp["bd_rate"] < webp["ci_high"] < 0
    assert webp["range"] == list(comparisons[1].bd.range)
    assert webp["image_ci_low"] < webp["image_mean"] < webp["image_ci_high"] < 0
    assert (webp["image_n"], webp["convention"]) == (5, "mean")
    assert undefined["bd_rate"] is None
    assert undefined["range"] is None
    assert undefined["reason"] == "lossless: psnr is infinite at a setting (lossless)"


def test_the_table_has_the_best_first_and_says_why_a_value_is_missing(
    comparisons: list[Comparison],
) -> None:
    text = bd_text(comparisons, axis_of("psnr"))
    lines = text.splitlines()
    assert lines[0] == "BD over psnr against jpeg, crops"
    assert [line.split()[0] for line in lines[3:5]] == ["webp", "lossless"]
    assert f"{comparisons[1].bd.bd_rate:+.1f} %" in lines[3]
    assert "NA" in lines[4]
    assert "NA  lossless: psnr is infinite at a setting (lossless)" in lines
    assert "Intervals over fewer than 8 images are narrower than they should be." in lines


def test_columns_that_are_empty_are_left_out() -> None:
    vtm = published_curve("vtm", "psnr")
    text = bd_text([Comparer(vtm).compare(published_curve("jpeg", "psnr"))], axis_of("psnr"))
    assert "interval" not in text
    assert "+208.5 %" in text
    assert "26.14 … 40.56" in text


def test_a_narrow_terminal_gets_the_table_in_two_parts(comparisons: list[Comparison]) -> None:
    text = bd_text(comparisons, axis_of("psnr"), width=72)
    assert max(map(len, text.splitlines())) <= 72
    assert text.count("\ncodec ") == 2


def test_ms_ssim_says_that_it_is_in_decibels() -> None:
    vtm = published_curve("vtm", "ms-ssim")
    text = bd_text([Comparer(vtm).compare(published_curve("bpg", "ms-ssim"))], axis_of("ms-ssim"))
    assert "compared in dB, -10 log10(1 - x); the range is in dB too" in text

"""What a user names becomes curves, each under a label of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.analysis.compare import Operand
from bench.analysis.sources import Comparees, gather, open_results
from bench.errors import RunError, UnknownNameError, UsageError


def _labels(compared: Comparees) -> tuple[str, list[str]]:
    def label(operand: Operand) -> str:
        return operand.codec

    return label(compared.anchor), [label(test) for test in compared.tests]


def test_the_anchor_is_jpeg_where_present(run_folder: Path) -> None:
    assert _labels(gather([str(run_folder)])) == ("jpeg", ["webp"])
    assert _labels(gather([str(run_folder)], anchor="webp")) == ("webp", ["jpeg"])


def test_published_curves_stand_beside_measured_ones(run_folder: Path) -> None:
    compared = gather([str(run_folder), "published:bpg"], anchor="published:vtm")
    assert _labels(compared) == ("published:vtm", ["jpeg", "webp", "published:bpg"])


def test_the_same_codec_of_two_runs_is_told_by_the_runs_name(run_folder: Path) -> None:
    other = run_folder.with_name("other")
    shutil.copytree(run_folder, other)
    sources = [str(run_folder), str(other / "results.csv")]
    with pytest.raises(
        UsageError, match=r"several runs have the codec jpeg; .* small/jpeg, other/"
    ):
        gather(sources, anchor="jpeg")
    compared = gather(sources, anchor="small/jpeg")
    assert _labels(compared) == ("small/jpeg", ["small/webp", "other/jpeg", "other/webp"])


def test_a_json_file_is_a_curve(run_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "their.json"
    results = {"bpp": [0.5, 1, 2, 3], "psnr-rgb": [28, 31, 34, 37]}
    file.write_text(json.dumps({"name": "webp", "results": results}))
    compared = gather([str(run_folder), str(file)])
    assert _labels(compared) == ("jpeg", ["small/webp", "their.json/webp"])
    assert _labels(gather([str(run_folder)], anchor=str(file)))[0] == "webp"


def test_what_is_nowhere_is_refused(run_folder: Path) -> None:
    with pytest.raises(RunError, match="there is no"):
        gather(["nowhere"])
    with pytest.raises(UnknownNameError, match=r"'vtm'.*a published curve is published:NAME"):
        gather([str(run_folder)], anchor="vtm")
    with pytest.raises(UsageError, match="there is no codec but the anchor, published:vtm"):
        gather(["published:vtm"])
    with pytest.raises(UsageError, match="is no run"):
        open_results("published:vtm")

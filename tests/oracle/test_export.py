"""What `bench export --to compressai` writes, read by CompressAI's own plotting."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.curves import rd_curves
from bench.analysis.results import read_results
from bench.report.exports import export

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("compressai", reason="the oracle: tox -e oracle")
    from compressai.utils.plot.__main__ import parse_json_file


def test_compressais_plot_reads_the_curve(run_folder: Path, tmp_path: Path) -> None:
    results = read_results(run_folder)
    paths = export(results, "compressai", tmp_path)
    for path, curve in zip(paths, rd_curves(results, "psnr"), strict=True):
        read = parse_json_file(path, "psnr")
        assert read["name"] == curve.codec
        np.testing.assert_allclose(read["xs"], curve.rate)
        np.testing.assert_allclose(read["ys"], curve.quality)

"""How far metrics agree."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.agreement import rank_correlation
from bench.analysis.results import results_of


def test_agreement_of_metrics_is_scipys_averaged_over_images(measured_cells: pd.DataFrame) -> None:
    # LPIPS falls where quality rises: here exactly as the SSIM does, so the two agree fully.
    cells = measured_cells.assign(lpips=1 - measured_cells["ssim"])
    table = rank_correlation(results_of(cells)).set_index(["metric", "other"])
    each = [
        (stats.spearmanr(g["psnr"], g["ssim"])[0], stats.kendalltau(g["psnr"], g["ssim"])[0])
        for _, g in cells.groupby("image")
    ]
    spearman, kendall = np.mean(each, axis=0)
    row = table.loc[("psnr", "ssim")]
    assert (row["spearman"], row["kendall"]) == pytest.approx((spearman, kendall))
    assert row["n_images"] == 5
    agreed = table.loc[("ssim", "lpips")]
    assert (agreed["spearman"], agreed["kendall"]) == pytest.approx((1, 1))


def test_an_image_that_a_metric_can_not_judge_counts_for_the_others(
    measured_cells: pd.DataFrame,
) -> None:
    cells = measured_cells.assign(lpips=1 - measured_cells["ssim"])
    cells.loc[cells["image"] == "kodim02.png", "ssim"] = math.nan
    table = rank_correlation(results_of(cells)).set_index(["metric", "other"])["n_images"]
    assert (table[("psnr", "ssim")], table[("psnr", "lpips")]) == (4, 5)

"""Images ranked by what a codec saves on them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.analysis.bd import bd
from bench.analysis.curves import image_curves
from bench.analysis.images import best_and_worst, image_ranking
from bench.analysis.results import Results, results_of
from bench.errors import UnknownNameError


@pytest.fixture
def results(measured_cells: pd.DataFrame) -> Results:
    return results_of(measured_cells.copy())


def test_images_are_ranked_by_what_a_codec_saves_on_them(results: Results) -> None:
    ranking = image_ranking(results, "psnr", "jpeg")
    curves = image_curves(results, "psnr")
    for row in ranking.itertuples():
        one = bd(*(curves[codec].of_image(str(row.image)) for codec in ("jpeg", "webp")))
        assert row.bd_rate == pytest.approx(one.bd_rate)
        assert row.bd_quality == pytest.approx(one.bd_quality)
    first = ranking.loc[ranking["bd_rate"].idxmin()]
    last = ranking.loc[ranking["bd_rate"].idxmax()]
    assert (first["rank"], last["rank"]) == (1, 5)
    extremes = best_and_worst(ranking).iloc[0]
    assert (extremes["codec"], extremes["best"], extremes["worst"]) == (
        "webp", first["image"], last["image"],
    )  # fmt: skip
    assert extremes["n_images"] == 5


def test_an_image_without_a_bd_rate_has_a_reason_and_no_rank(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    cells.loc[(cells["image"] == "kodim03.png") & (cells["quality"] == 90), "psnr"] = math.inf
    ranking = image_ranking(results_of(cells), "psnr", "jpeg").set_index("image")
    assert ranking.loc["kodim03.png", "reason"] == "infinite quality at a setting (lossless)"
    assert math.isnan(ranking.loc["kodim03.png", "rank"])
    assert best_and_worst(ranking.reset_index())["n_images"].iloc[0] == 4


def test_an_unknown_anchor_is_refused(results: Results) -> None:
    with pytest.raises(UnknownNameError, match="did you mean jpeg"):
        image_ranking(results, "psnr", "jpg")

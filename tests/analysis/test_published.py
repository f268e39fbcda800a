"""Published curves: every point of the source is there, under the names that people use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.published import find, published, published_curve
from bench.errors import UnknownNameError, UsageError

#: Plain names, and the curve of the source that each stands for.
PLAIN = {
    "vtm": "vtm",
    "hm": "hm",
    "av1": "av1",
    "bpg": "bpg_444_x265_ycbcr",
    "jpeg": "jpeg",
    "jpeg2000": "jpeg2000",
    "webp": "webp",
    "bmshj2018-factorized": "compressai-bmshj2018-factorized_mse_cuda",
    "bmshj2018-hyperprior": "compressai-bmshj2018-hyperprior_mse_cuda",
    "mbt2018-mean": "compressai-mbt2018-mean_mse_cuda",
    "mbt2018": "compressai-mbt2018_mse_cuda",
    "cheng2020-anchor": "compressai-cheng2020-anchor_mse_cuda",
    "cheng2020-attn": "compressai-cheng2020-attn_mse_cuda",
    "elic2022": "paper-elic2022_mse",
}

_SOURCES = {"tfc": "TFC", "authors": "author repo"}


@pytest.fixture(scope="module")
def source_points(shared: Path) -> pd.DataFrame:
    return pd.read_csv(shared / "published" / "kodak_published_points.csv")


def test_all_points_of_the_source_can_be_reached(source_points: pd.DataFrame) -> None:
    names = {"psnr": "psnr_rgb_db", "ms_ssim": "ms_ssim_rgb", "ms_ssim_db": "ms_ssim_rgb_db"}
    reached = 0
    for entry in published():
        source = source_points[
            (source_points["source"] == _SOURCES.get(entry.source.name, "CompressAI"))
            & (source_points["curve"].str.removesuffix("#msssim") == entry.file)
        ]
        points = find(entry.key).points
        for ours, theirs in {"bpp": "bpp", **names}.items():
            np.testing.assert_array_equal(points[ours], source[theirs], err_msg=entry.key)
        # Times are kept to six digits.
        np.testing.assert_allclose(points["decode_s"], source["dec_s"], rtol=1e-5)
        reached += len(points)
    assert reached == len(source_points) == 1917


@pytest.mark.parametrize(("name", "curve"), PLAIN.items())
def test_a_plain_name_is_the_sources_own_measurement(
    name: str, curve: str, source_points: pd.DataFrame
) -> None:
    entry = find(name)
    assert (entry.label, entry.file) == (name, curve)
    own = source_points[source_points["source"] == "CompressAI"]
    points = own[own["curve"] == curve].sort_values("bpp")
    ours = published_curve(f"published:{name}", "psnr")
    np.testing.assert_array_equal(ours.rate, points["bpp"])
    np.testing.assert_array_equal(ours.quality, points["psnr_rgb_db"])
    assert (ours.origin, ours.dataset, ours.n_images) == ("published", "kodak", 24)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("bmshj2018-hyperprior@paper", "bmshj2018-hyperprior@paper"),
        ("jpeg@tfc", "jpeg@tfc"),
        ("jpeg420@tfc", "jpeg@tfc"),
        ("published:BPG@TFC", "bpg@tfc"),
        ("elic2022@paper", "elic2022@paper"),
        ("minnen-2020-icip", "minnen-2020-icip@tfc"),
        ("mbt2018@cpu", "mbt2018@cpu"),
        ("HPCM-Base", "hpcm-base@authors"),
    ],
)
def test_other_sources_are_named_after_an_at_sign(name: str, key: str) -> None:
    assert find(name).key == key


def test_every_label_leads_to_its_own_curve() -> None:
    for entry in published():
        assert find(entry.label) == entry
        assert find(entry.key) == entry
        assert find(f"{entry.file}@{entry.source.name}") == entry


def test_every_curve_says_where_it_is_from() -> None:
    classical = {"vtm", "hm", "av1", "bpg", "bpg-420", "jpeg", "jpeg2000", "webp"}
    for entry in published():
        assert entry.source.url.startswith("https://")
        assert entry.source.licence
        assert entry.reference or entry.name in classical or "jpeg2000" in entry.name


def test_known_settings_are_kept() -> None:
    assert list(find("vtm").points["setting"]) == [47, 42, 37, 32, 27, 22, 17, 12]
    assert list(find("av1").points["setting"])[:2] == [62, 57]
    assert list(published_curve("jpeg", "psnr").settings) == list(range(5, 100, 5))
    assert find("vtm").setting == "QP"


def test_ms_ssim_that_was_published_in_decibels_alone_is_used() -> None:
    entry = find("elic2022-ms-ssim")
    assert entry.metrics == ("ms-ssim",)
    curve = published_curve("elic2022-ms-ssim", "ms-ssim")
    assert curve.scaled == pytest.approx(sorted(entry.points["ms_ssim_db"]))


def test_files_that_hold_another_models_values_are_not_taken_for_truth() -> None:
    doubtful = [entry for entry in published() if entry.distrust]
    assert {entry.name for entry in doubtful} == {
        f"{name}-ms-ssim"
        for name in ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018")
    }
    assert {entry.source.name for entry in doubtful} == {"8bit"}
    with pytest.raises(UsageError, match="values of the model trained for MSE"):
        published_curve(doubtful[0].key, "ms-ssim")


def test_an_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'vtn'; did you mean vtm\?.*bench published"):
        find("vtn")


def test_a_metric_that_was_not_published_is_refused() -> None:
    with pytest.raises(UsageError, match="elic2022 has no ms-ssim; published for it: psnr"):
        published_curve("elic2022", "ms-ssim")

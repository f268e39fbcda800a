"""Variants against their bases."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.analysis.ablation import COLUMNS, Variant, ablation, ablations
from bench.analysis.ablation_verdict import verdict
from bench.analysis.bd import BD
from bench.analysis.compare import Comparison
from bench.analysis.results import Results, results_of
from bench.analysis.tables import bd_table
from bench.codec import Complexity
from bench.errors import UsageError

SOUND = BD(-3.0, 0.2, (25.0, 40.0), 0.9, (8, 8))


def variant(base: str, change: str = "added") -> dict[str, Any]:
    """Return what run.json holds of a codec that is a variant of `base`."""
    return {"card": {"base": base, "change": change, "differs": f"what {base} lacks"}}


def family(cells: pd.DataFrame, **codecs: dict[str, Any]) -> Results:
    """Return cells as the results of a run whose run.json says `codecs` of its codecs."""
    return results_of(cells, info={"codecs": codecs, "metrics": {"psnr": "psnr/1"}})


def plus(cells: pd.DataFrame, codec: str, **changes: Any) -> pd.DataFrame:
    """Return cells with those of jpeg once more, as another codec, some columns changed."""
    mine = cells[cells["codec"] == "jpeg"].assign(codec=codec, **changes)
    return pd.concat([cells, mine], ignore_index=True)


def doubled(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells with those of every image once more under another name."""
    again = cells.assign(
        image="again-" + cells["image"], image_sha256=cells["image_sha256"].str[::-1]
    )
    return pd.concat([cells, again], ignore_index=True)


def test_bd_rates_are_those_of_the_bd_table(measured_cells: pd.DataFrame) -> None:
    results = family(measured_cells, jpeg={}, webp=variant("jpeg"))
    table = ablation(results).table()
    assert tuple(table.columns) == COLUMNS
    base, *rows = table.to_dict("records")
    assert (base["codec"], base["change"]) == ("jpeg", "base")
    for row, expected in zip(rows, bd_table(results).to_dict("records"), strict=True):
        assert (row["codec"], row["base"], row["change"]) == ("webp", "jpeg", "added")
        for name in set(expected) - {"anchor"}:
            assert row[name] == expected[name] or math.isnan(expected[name]), name


def test_half_the_rate_is_minus_50_percent_whichever_way_the_metric_runs(
    measured_cells: pd.DataFrame,
) -> None:
    cells = doubled(measured_cells.assign(lpips=np.exp(-measured_cells["psnr"] / 10)))
    jpeg = cells[cells["codec"] == "jpeg"]
    cells = plus(cells, "half", bpp=jpeg["bpp"] / 2, bitstream_sha256="other")
    cells = plus(cells, "twice", bpp=jpeg["bpp"] * 2, bitstream_sha256="other")
    results = family(cells, half=variant("jpeg"), twice=variant("jpeg", "removed"))
    table = ablation(results, metrics=["psnr", "lpips"]).table().set_index(["codec", "metric"])
    for metric in ("psnr", "lpips"):
        assert table.at[("half", metric), "bd_rate"] == pytest.approx(-50)
        assert table.at[("half", metric), "image_mean"] == pytest.approx(-50)
        assert table.at[("half", metric), "verdict"] == "better"
        assert table.at[("twice", metric), "bd_rate"] == pytest.approx(100)
        assert table.at[("twice", metric), "verdict"] == "worse"


@pytest.mark.parametrize(
    ("interval", "image_interval", "expected"),
    [
        ((-4.0, -1.0), (-5.0, -0.5), "better"),
        ((1.0, 4.0), (0.5, 5.0), "worse"),
        ((-4.0, 1.0), (-5.0, -0.5), "no difference shown"),
        ((-4.0, -1.0), (-5.0, 0.5), "no difference shown"),
        ((-4.0, -1.0), (0.5, 2.0), "no difference shown"),
        ((-4.0, 0.0), (-4.0, -1.0), "no difference shown"),
        ((-4.0, -1.0), (math.nan, math.nan), "better"),
        ((math.nan, math.nan), (-4.0, -1.0), "no difference shown"),
    ],
)
def test_a_difference_is_shown_only_where_no_interval_holds_zero(
    interval: tuple[float, float], image_interval: tuple[float, float], expected: str
) -> None:
    compared = Comparison("a", "b", "psnr", "kodak", SOUND, interval, -3.0, image_interval, 24, 24)
    assert verdict(compared) == expected
    assert verdict(replace(compared, n_images=7)) == "too few images"


def test_trainings_from_other_seeds_bound_what_one_training_can_show(
    measured_cells: pd.DataFrame,
) -> None:
    cells = doubled(measured_cells)
    rate = cells.loc[cells["codec"] == "jpeg", "bpp"]
    factors = {"seed-2": 1.01, "seed-3": 1.03, "small": 0.97, "large": 0.5}
    for name, factor in factors.items():
        cells = plus(cells, name, bpp=rate * factor, bitstream_sha256=name)
    codecs = {name: variant("jpeg") for name in factors}
    for name in ("seed-2", "seed-3"):
        codecs[name]["card"]["differs"] = f"seed {name[-1]} for 1"
    run = ablation(family(cells, jpeg={}, **codecs), metrics=["psnr"])
    found = {finding.variant.codec: finding for finding in run.findings["jpeg"]}
    # Student's t for 2 degrees of freedom is 4.303 (any table of it).
    logs = np.log([1.0, 1.01, 1.03])
    reach = 4.303 * logs.std(ddof=1) * math.sqrt(4 / 3)
    expected = [100 * (math.exp(logs.mean() + sign * reach) - 1) for sign in (-1, 1)]
    seeds = found["small"].seeds["psnr"]
    assert (seeds.low, seeds.high) == pytest.approx(expected, rel=1e-3)
    assert seeds.n == 3
    verdicts = {name: finding.verdict("psnr") for name, finding in found.items()}
    assert verdicts == {
        "seed-2": "within seeds", "seed-3": "within seeds", "small": "within seeds",
        "large": "better",
    }  # fmt: skip


def test_one_further_training_bounds_nothing(measured_cells: pd.DataFrame) -> None:
    cells = plus(measured_cells, "seed-2", bitstream_sha256="other")
    again = variant("jpeg")
    again["card"]["differs"] = "seed 2 for 1"
    run = ablation(family(cells, **{"seed-2": again}), metrics=["psnr"])
    assert run.findings["jpeg"][0].seeds == {}


def test_what_is_undefined_is_na_with_its_reason(measured_cells: pd.DataFrame) -> None:
    few = measured_cells[(measured_cells["codec"] == "jpeg") | (measured_cells["quality"] > 40)]
    table = ablation(family(few, webp=variant("jpeg")), metrics=["psnr"]).table()
    row = table[table["codec"] == "webp"].iloc[0]
    assert math.isnan(row["bd_rate"])
    assert row["verdict"] == "NA"
    assert row["reason"] == "webp: 3 distinct points, at least 4 are needed"
    undefined = Comparison("a", "b", "psnr", "k", replace(SOUND, bd_rate=math.nan))
    assert verdict(undefined) == "NA"


def test_a_variant_whose_every_cell_is_the_bases_is_called_identical(
    measured_cells: pd.DataFrame,
) -> None:
    cells = plus(measured_cells, "same")
    cells = plus(cells, "other-pixels", psnr=measured_cells["psnr"] + 0.001)
    run = ablation(
        family(cells, **{"same": variant("jpeg"), "other-pixels": variant("jpeg")}),
        metrics=["psnr"],
    )
    same, other = run.findings["jpeg"]
    assert (same.identical, same.verdict("psnr")) == (True, "identical")
    assert (other.identical, other.verdict("psnr")) == (False, "too few images")


def test_each_base_has_its_own_variants_both_ways(measured_cells: pd.DataFrame) -> None:
    cells = plus(measured_cells, "plain", bitstream_sha256="other")
    codecs = {"jpeg": {}, "plain": variant("jpeg", "removed"), "webp": variant("plain")}
    run = ablation(family(cells, **codecs), metrics=["psnr"])
    assert list(run.bases) == ["jpeg", "plain"]
    assert [f.variant.codec for f in run.findings["jpeg"]] == ["plain"]
    assert [f.variant.codec for f in run.findings["plain"]] == ["webp"]
    assert run.findings["plain"][0].comparisons["psnr"].anchor == "plain"


def test_costs_are_seconds_per_megapixel_and_what_run_json_tells(
    measured_cells: pd.DataFrame,
) -> None:
    told = {"parameters": 1_234_567, "encode_kmac": 80.5, "decode_kmac": 120.25}
    small = {"parameters": 1_000, "encode_kmac": 8.5, "decode_kmac": 12.25}
    entries = [{"qualities": [10], **small}, {"qualities": [50], **told}]
    codecs = {
        "jpeg": {"complexity": [{"qualities": [10, 50], "reason": "no network"}]},
        "webp": {**variant("jpeg"), "complexity": entries},
    }
    run = ablation(family(measured_cells, **codecs), metrics=["psnr"])
    jpeg = measured_cells[measured_cells["codec"] == "jpeg"]
    # All of these crops are 192×160.
    assert run.bases["jpeg"].decode_s == pytest.approx(jpeg["decode_s"].mean() / 0.03072)
    assert run.bases["jpeg"].complexity is None
    assert run.findings["jpeg"][0].cost.complexity == Complexity(1_234_567, 80.5, 120.25)
    row = run.table().iloc[1]
    assert (row["parameters"], row["decode_kmac"]) == (1_234_567, 120.25)
    assert not run.timed


def test_variants_that_were_not_measured_have_a_row_with_the_reason(
    measured_cells: pd.DataFrame,
) -> None:
    gone = Variant("gone", "jpeg", "added", "arithmetic coding")
    orphan = Variant("orphan", "gone", "added", "more")
    run = ablation(
        family(measured_cells, webp=variant("jpeg")),
        metrics=["psnr"],
        left_out={gone: "no program", orphan: "gone can't run here"},
    )
    row = run.table().iloc[-1]
    assert (row["codec"], row["verdict"], row["reason"]) == ("gone", "NA", "no program")
    assert list(run.bases) == ["jpeg"]


def test_a_run_without_variants_has_no_ablation(measured_cells: pd.DataFrame) -> None:
    assert ablations(results_of(measured_cells)) == []
    assert not ablation(family(measured_cells, webp=variant("not-here"))).bases
    with pytest.raises(UsageError, match="lpips was not measured"):
        ablation(family(measured_cells, webp=variant("jpeg")), metrics=["lpips"])

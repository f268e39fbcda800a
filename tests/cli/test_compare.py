"""The commands that compare, list, export and import, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import main


def test_compare_prints_the_published_figures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["jpeg", "bpg", "bmshj2018-hyperprior", "cheng2020-anchor"]
    sources = [f"published:{name}" for name in names]
    assert main(["compare", *sources, "--anchor", "published:vtm", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [round(row["bd_rate"], 1) for row in rows] == [208.5, 22.0, 30.5, 3.7]
    assert {row["anchor"] for row in rows} == {"published:vtm"}
    assert {row["ci_low"] for row in rows} == {None}


def test_compare_takes_a_range_and_a_method(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "published:jpeg", "--anchor", "published:bpg", "--range", "28,34"]
    assert main([*words, "--method", "akima", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert round(row["bd_rate"]) == 151
    assert row["range"] == [28, 34]


def test_compare_prints_a_table_of_a_run(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(run_folder), "--metric", "ssim"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("BD over ssim against jpeg, crops\n")
    assert "webp" in output


def test_the_table_says_what_its_curves_are(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = {}
    for convention, words in (("mean", ""), ("rate", ", curves at equal rates of all images")):
        assert main(["compare", str(run_folder), "--convention", convention]) == 0
        heading = capsys.readouterr().out.splitlines()[0]
        assert heading == f"BD over psnr against jpeg, crops{words}"
        assert main(["compare", str(run_folder), "--convention", convention, "--json"]) == 0
        (webp,) = json.loads(capsys.readouterr().out)
        assert webp["convention"] == convention
        rates[convention] = webp["bd_rate"]
    assert rates["mean"] != rates["rate"]


def test_image_by_image_the_best_and_the_worst_are_named(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(run_folder), "--images", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in rows] == [f"kodim0{k}.png" for k in range(1, 6)]
    best, worst = (pick(rows, key=lambda row: row["bd_rate"]) for pick in (min, max))
    assert (best["rank"], worst["rank"], best["reason"]) == (1, 5, None)
    assert main(["compare", str(run_folder), "--images"]) == 0
    output = capsys.readouterr().out
    summary = next(line for line in output.splitlines() if line.startswith("webp"))
    assert summary.split()[1:3] == [best["image"], f"{best['bd_rate']:+.1f}"]
    assert worst["image"] in summary
    assert f"{worst['image']}  {worst['bd_rate']:+.1f} %" in output


def test_codecs_are_read_off_at_a_rate_and_at_a_quality(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(run_folder), "--at-quality", "32", "--json"]) == 0
    jpeg, webp = json.loads(capsys.readouterr().out)
    assert (jpeg["codec"], jpeg["quality"], jpeg["difference"]) == ("jpeg", 32, 0)
    assert webp["difference"] == pytest.approx(100 * (webp["rate"] / jpeg["rate"] - 1))
    assert webp["ci_low"] < webp["difference"] < webp["ci_high"]
    # Where a codec has 32 dB at r bpp, it has 32 dB at r bpp.
    words = ["compare", str(run_folder), "--at-rate", str(webp["rate"])]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["quality"] == pytest.approx(32, abs=0.05)
    assert main(words) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[2].split()[:3] == ["codec", "psnr", "(dB)"]
    assert output.splitlines()[3].startswith("webp")  # the best first


def test_agreement_of_metrics_is_printed(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(run_folder), "--agreement", "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)
    assert (pair["metric"], pair["other"], pair["n_images"]) == ("psnr", "ssim", 5)
    assert main(["compare", str(run_folder), "--agreement"]) == 0
    assert f"psnr    ssim      {pair['spearman']:.3f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["published:jpeg", "--images"], "there are only means"),
        (["published:jpeg", "--agreement"], "published:jpeg is no run"),
        (["published:jpeg", "--at-rate", "0"], "bits per pixel above 0"),
        (["published:jpeg", "--at-rate", "1", "--range", "1,2"], "--range belongs to BD-rates"),
        (["published:jpeg", "--range", "40"], "--range: LO,HI was expected"),
        (["published:jpeg", "--metric", "psmr"], "no metric is called 'psmr'; did you mean psnr"),
        (["published:vtn"], "did you mean vtm"),
        (["nowhere"], "there is no"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *words, "--anchor", "published:vtm"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_published_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["published"]) == 0
    listed = capsys.readouterr().out
    assert {"vtm", "elic2022", "jpeg@tfc"} <= {line.split(" ")[0] for line in listed.splitlines()}
    assert "@8bit" in listed
    assert "bmshj2018-factorized-ms-ssim@8bit" not in listed
    assert main(["published", "--json"]) == 0
    curves = json.loads(capsys.readouterr().out)
    assert {"name", "source", "licence", "metrics", "reference"} <= set(curves[0])
    assert main(["published", "show", "vtm"]) == 0
    shown = capsys.readouterr().out
    assert "truncation" in shown
    assert "0.048245" in shown
    assert main(["published", "show", "vtm", "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert points[0]["bpp"] == pytest.approx(0.04824490017361111, abs=1e-14)


def test_what_is_exported_can_be_imported_and_compared(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run_folder), "--to", "compressai"]) == 0
    files = capsys.readouterr().out.split()
    assert files == [
        str(run_folder / "exports" / "compressai" / f"{n}.json") for n in ("jpeg", "webp")
    ]
    assert main(["import", files[1], "--name", "theirs"]) == 0
    assert "imported:theirs: 6 points" in capsys.readouterr().out
    assert main(["import"]) == 0
    assert "imported:theirs" in capsys.readouterr().out
    assert main(["compare", str(run_folder), "imported:theirs", "--json"]) == 0
    webp, theirs = json.loads(capsys.readouterr().out)
    assert theirs["codec"] == "imported:theirs"
    assert theirs["bd_rate"] == pytest.approx(webp["bd_rate"])
    assert main(["import", *files, "--name", "one"]) == 2

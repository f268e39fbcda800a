"""`bench ablate` on real images, and what becomes of its table."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bench.analysis.ablation import ablation
from bench.analysis.results import read_results
from bench.cli import main
from bench.report.ablation_text import ablation_text
from bench.report.exports import export

OPTIONS = [
    *("--images", "8", "--metrics", "psnr", "--jobs", "0"),
    *("--quality", "10,30,60,85", "--report", "none"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an ablation of JPEG on the first eight Kodak images."""
    path = tmp_path_factory.mktemp("ablation") / "run"
    command = ["ablate", "jpeg", "--variants", "jpeg-optimised,jpeg-444,jpeg-rgb", *OPTIONS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(path.parent / "home"))
        assert main([*command, "--out", str(path), "--quiet"]) == 0
    return path


def test_the_table_has_the_figures_of_bench_compare(folder, capsys):
    rows = json.loads((folder / "ablation.json").read_text("utf-8"))["variants"]
    assert [(row["codec"], row["base"]) for row in rows] == [
        ("jpeg-optimised", "jpeg"),
        ("jpeg-444", "jpeg"),
        ("jpeg-rgb", "jpeg-444"),
    ]
    for row in rows:
        command = ["compare", str(folder), "--anchor", row["base"], "--metric", "psnr", "--json"]
        assert main(command) == 0
        compared = {c["codec"]: c for c in json.loads(capsys.readouterr().out)}
        expected = compared[row["codec"]]
        assert {name: row["bd"]["psnr"][name] for name in expected} == expected


def test_optimised_tables_save_bits_and_coding_rgb_costs_them(folder):
    table = pd.read_csv(folder / "ablation.csv").set_index(["codec", "base"])
    assert table.at[("jpeg-optimised", "jpeg"), "verdict"] == "better"
    assert table.at[("jpeg-rgb", "jpeg-444"), "verdict"] == "worse"
    assert table.at[("jpeg-rgb", "jpeg-444"), "bd_rate"] > 20
    # The same pixels: what is saved is the mean difference of log rate, and no more.
    assert -20 < table.at[("jpeg-optimised", "jpeg"), "bd_rate"] < -1


def test_the_exports_have_the_table(folder, tmp_path):
    results = read_results(folder)
    frame = pd.read_csv(folder / "ablation.csv")
    for to, ending in (
        ("csv", "csv"),
        ("parquet", "parquet"),
        ("latex", "tex"),
        ("markdown", "md"),
    ):
        export(results, to, tmp_path)
        assert (tmp_path / f"ablation.{ending}").is_file()
    for exported in (
        pd.read_csv(tmp_path / "ablation.csv"),
        pd.read_parquet(tmp_path / "ablation.parquet"),
    ):
        assert list(exported["codec"]) == list(frame["codec"])
        assert exported["bd_rate"].tolist() == pytest.approx(
            frame["bd_rate"].tolist(), rel=1e-5, nan_ok=True
        )
    rate = f"{frame['bd_rate'].iloc[1]:+.2f}"
    latex = (tmp_path / "ablation.tex").read_text("utf-8")
    assert r"\toprule" in latex
    assert f"+ optimised Huffman tables & {rate.replace('-', '$-$')} & " in latex
    markdown = (tmp_path / "ablation.md").read_text("utf-8")
    assert f"| + optimised Huffman tables | {rate} | " in markdown
    assert "| − colour transform to YCbCr | " in markdown


def test_a_narrow_terminal_gets_the_table_in_parts_and_no_metric_torn_apart(folder):
    found = ablation(read_results(folder))
    wide, narrow = ablation_text(found), ablation_text(found, 120)
    for text in (wide, narrow):
        assert "Against jpeg, kodak, 8 images" in text
        assert "Against jpeg-444, kodak, 8 images" in text
        assert "better: less rate than the base for the same quality" in text
        assert "Times are per megapixel, indicative." in text
    heads = [line.split() for line in narrow.splitlines() if line.startswith("codec")]
    assert ["codec", "encode", "(ms/MP)", "decode", "(ms/MP)"] in heads
    assert [line for line in wide.splitlines() if "by PSNR" in line and "encode" in line]
    assert not [line for line in narrow.splitlines() if "by PSNR" in line and "encode" in line]
    for line in narrow.splitlines():
        assert ("BD-rate" in line) == ("by PSNR" in line)


def test_the_reports_have_the_table_of_an_ablation_and_only_of_one(folder, tmp_path):
    from report.reading import text_of

    from bench.report.build import write_report

    rate = pd.read_csv(folder / "ablation.csv")["bd_rate"].iloc[1]
    shown = f"{rate:+.2f}\u202f%".replace("-", "−")
    page, document = write_report([folder], out=tmp_path)
    html = page.read_text("utf-8")
    text = text_of(document)
    for written in (html, text):
        assert "Variants of jpeg-444 on kodak" in written
        assert "+ optimised Huffman tables" in written
    assert f"<td>{shown}<small" in html
    assert shown.replace("\u202f", " ") in text
    compared = tmp_path / "compared"
    compared.mkdir()
    for name in ("results.csv", "run.json"):
        (compared / name).write_bytes((folder / name).read_bytes())
    (page,) = write_report([compared], ["html"])
    assert "Variants of jpeg" not in page.read_text("utf-8")


def test_a_switch_that_changes_no_byte_is_told(tmp_path, capsys):
    """libjpeg codes progressive scans with optimised tables whether told to or not."""
    card = (Path(__file__).parents[2] / "codecs" / "jpeg-progressive.yaml").read_text("utf-8")
    for old, new in (
        ("name: jpeg-progressive", "name: switched"),
        ("optimize: false", "optimize: true"),
        ("base: jpeg\n", "base: jpeg-progressive\n"),
        ("differs: progressive scans", "differs: Huffman tables"),
    ):
        assert old in card
        card = card.replace(old, new)
    (tmp_path / "switched.yaml").write_text(card)
    command = ["ablate", "jpeg-progressive", "--variants", str(tmp_path / "switched.yaml")]
    assert main([*command, *OPTIONS, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "identical" in out
    assert "switched: every bitstream and every value is equal to jpeg-progressive's" in out


def test_a_base_without_variants_is_exit_2(tmp_path, capsys):
    assert main(["ablate", "avif", *OPTIONS, "--out", str(tmp_path / "run")]) == 2
    assert "no card names avif as its base" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

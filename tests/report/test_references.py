"""Published curves in reports: beside runs over Kodak, never elsewhere, never among what was
measured.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from report.conftest import Runner
from report.reading import data_of, home_at, make, text_of

import bench
from bench.analysis.compare import Comparer
from bench.analysis.curves import image_curves
from bench.analysis.published import is_content, published_curve
from bench.analysis.results import read_results
from bench.errors import UnknownNameError, UsageError
from bench.report.palette import looks
from bench.report.references import DEFAULT, choose, labels


def test_their_content_is_the_24_images_that_ship(kodak_run: Path) -> None:
    digests = read_results(kodak_run).frame["image_sha256"].unique()
    assert len(digests) == 24
    assert is_content(digests)
    assert not is_content(digests[:23])
    assert not is_content([*digests[:23], "0" * 64])


def test_names_none_all_and_the_default_choose_what_is_drawn() -> None:
    assert choose(None) == DEFAULT
    assert choose("none") == ()
    assert choose("all") == tuple(sorted(labels(), key=choose("all").index))
    assert choose("VTM, jpeg@tfc,vtm") == ("vtm", "jpeg@tfc")
    with pytest.raises(UnknownNameError, match="vtm"):
        choose("vmt")
    with pytest.raises(UsageError, match="holds the values of the model trained for MSE"):
        choose("mbt2018-ms-ssim@8bit")
    with pytest.raises(UsageError, match="were expected"):
        choose(" , ")


def test_a_wrong_name_ends_a_run_before_it_measures(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="vtm"):
        bench.run("jpeg", photos, out=tmp_path / "run", published="vmt")
    assert not (tmp_path / "run").exists()


def test_page_draws_the_default_ones_and_offers_the_others(kodak_reports: Path) -> None:
    data = data_of((kodak_reports / "report.html").read_text("utf-8"))
    section = data["sections"][0]
    found = section["metrics"]["psnr"]["published"]
    drawn = {row["codec"] for row in found if row["drawn"]}
    assert drawn == {f"published:{label}" for label in DEFAULT}
    assert len(found) > 60
    assert section["metrics"]["psnr-y"]["published"] == []
    assert section["unpublished"] == ""
    named = {codec["name"]: codec for codec in data["codecs"]}
    assert "Cheng" in named["published:cheng2020-anchor"]["source"]
    assert all(named[name]["dash"] for name in drawn)
    assert not any(codec["dash"] for codec in data["codecs"] if not codec.get("published"))


def test_bd_rates_of_published_curves_are_those_of_compare(
    kodak_run: Path, kodak_reports: Path
) -> None:
    anchor = image_curves(read_results(kodak_run), "psnr")["jpeg"]
    expected = Comparer(anchor).compare(published_curve("vtm", "psnr")).bd
    data = data_of((kodak_reports / "report.html").read_text("utf-8"))
    rows = data["sections"][0]["metrics"]["psnr"]["published"]
    row = next(row for row in rows if row["codec"] == "published:vtm")
    assert row["bd_rate"] == pytest.approx(expected.bd_rate, rel=1e-5)
    assert row["overlap"] == pytest.approx(expected.overlap, rel=1e-5)
    shown = f"{expected.bd_rate:+.1f} %".replace("-", "−")
    assert f"{shown} NA NA" in text_of(kodak_reports / "report.pdf")


def test_measured_rows_hold_nothing_published(kodak_run: Path, kodak_reports: Path) -> None:
    data = data_of((kodak_reports / "report.html").read_text("utf-8"))
    metric = data["sections"][0]["metrics"]["psnr"]
    assert {row["codec"] for row in metric["rows"]} == {"jpeg", "jpeg-444"}
    assert set(metric["curves"]) == {"jpeg", "jpeg-444"}
    with (kodak_run / "bd.csv").open(encoding="utf-8") as file:
        assert {row["codec"] for row in csv.DictReader(file)} == {"jpeg-444"}


def test_pdf_marks_them_and_says_why_they_have_no_interval(kodak_reports: Path) -> None:
    text = text_of(kodak_reports / "report.pdf")
    assert "Dashed: curves that others published" in text
    assert "results of single images were not published" in text


def test_none_draws_none_and_says_nothing(kodak_run: Path, tmp_path: Path) -> None:
    section = data_of(make([kodak_run], tmp_path, published="none"))["sections"][0]
    assert section["metrics"]["psnr"]["published"] == []
    assert section["unpublished"] == ""


def test_other_data_say_why_none_is_drawn(reports: Path) -> None:
    page = (reports / "report.html").read_text("utf-8")
    section = data_of(page)["sections"][0]
    assert section["metrics"]["psnr"]["published"] == []
    reason = "Published curves are not drawn: they are means over the 24 images of Kodak"
    assert section["unpublished"].startswith(reason)
    assert reason in text_of(reports / "report.pdf")


def test_a_part_of_kodak_says_that_it_is_another_mean(measure: Runner, tmp_path: Path) -> None:
    part = measure("jpeg", "kodak", metrics="psnr", quality=[10, 50], images=2)
    section = data_of(make([part], tmp_path))["sections"][0]
    assert section["unpublished"].endswith("24 images of Kodak, and this is over 2 images")


def test_the_figure_of_a_run_has_them_unless_told_otherwise(
    measure: Runner, kodak_run: Path, home: Path
) -> None:
    figure = kodak_run / "curves.svg"
    assert "stroke-dasharray" in figure.read_text("utf-8")
    with home_at(home):
        bench.run(
            "jpeg,jpeg-444", "kodak", metrics="psnr,psnr-y", quality=[10, 30, 50, 80], jobs=0,
            out=kodak_run, published="none",
        )  # fmt: skip
    assert "stroke-dasharray" not in figure.read_text("utf-8")


def test_a_codec_has_one_colour_on_the_page_in_the_pdf_and_in_the_figure(
    measured: Path, measure: Runner, photos: Path, home: Path, tmp_path: Path
) -> None:
    """With a second data set that names its codecs in another order."""
    from bench.report.content import describe
    from bench.report.merge import merge
    from bench.report.sources import read_runs
    from bench.report.static import draw

    other = tmp_path / "others"
    other.mkdir()
    (other / "x.png").write_bytes((photos / "b.png").read_bytes())
    second = measure("webp,jpeg-444", other, metrics="psnr", quality=[10, 50], name="second")
    page = make([measured, second], tmp_path / "out")
    codecs = [codec["name"] for codec in data_of(page)["codecs"]]
    assert codecs == ["jpeg", "jpeg-444", "webp"]
    found = looks(codecs)
    for index, codec in enumerate(codecs):
        assert f".c{index}{{--c:{found[codec].light}}}" in page
        assert found[codec].light.lower() in (measured / "curves.svg").read_text("utf-8")
    sections = describe(merge(read_runs([measured, second])))
    (figure,) = draw(sections[1], ["psnr"], found)
    assert found["webp"].light.lower() in figure.svg
    assert found["jpeg"].light.lower() not in figure.svg

"""The page in a real Chromium, from disk, with the network off."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report.reading import change_rows, make

from bench.analysis.agreement import rank_correlation
from bench.analysis.curves import image_curves, rd_curves
from bench.analysis.images import best_and_worst, image_ranking
from bench.analysis.results import read_results
from bench.analysis.tradeoff import quality_at, rate_at

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 740}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        message = "no Chromium here: apt-get install chromium"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


Opener = Callable[..., Any]


@pytest.fixture
def opened(browser: Any) -> Iterator[Opener]:
    """Open a file; when the test is over, no page may have complained or asked for the network."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: Path, **options: Any) -> Any:
        options = {"viewport": DESKTOP, "offline": True, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        # A violation of the Content-Security-Policy is a console error too.
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: _only_local(request.url, complaints))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _only_local(url: str, complaints: list[str]) -> None:
    if not url.startswith(("file:", "data:")):
        complaints.append(f"asked for {url}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_opens_and_draws_every_curve(
    opened: Opener, reports: Path, viewport: dict[str, int], scheme: str
) -> None:
    page = opened(reports / "report.html", viewport=viewport, color_scheme=scheme)

    paths = page.locator("#curves-chart .series .curve")
    assert paths.count() == 3
    # Eight settings: a move and seven lines.
    assert all(len(re.findall("[ML]", p.get_attribute("d"))) == 8 for p in paths.all())
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 29)"}[scheme]


def test_theme_button_overrides_the_system(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html", color_scheme="dark")
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: light"
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(255, 255, 255)"


def test_legend_hides_a_codec_and_shows_it_again(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    button = page.locator("#legend button[data-codec=webp]")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert page.locator("#curves-chart .series[data-codec=webp]").count() == 0
    page.keyboard.press("Enter")  # the focus has stayed on the button
    assert page.locator("#curves-chart .series[data-codec=webp]").count() == 1


def test_metric_switch_changes_curves_table_and_verdict(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    before = page.inner_text("#headline"), page.inner_text("#bd-table")
    page.select_option("#metric-choice", "ms-ssim")
    assert "MS-SSIM" in page.locator("#curves-chart .label").last.text_content()
    after = page.inner_text("#headline"), page.inner_text("#bd-table")
    assert "MS-SSIM" in after[0]
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_decibels_and_log_rate_change_the_axes(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    assert page.locator("#scale-control").is_hidden()  # PSNR has one form
    page.select_option("#metric-choice", "ms-ssim")
    assert "in dB" in page.locator("#curves-chart .label").last.text_content()
    page.uncheck("#in-decibels")
    assert "in dB" not in page.locator("#curves-chart .label").last.text_content()
    page.check("#log-rate")
    assert "log scale" in page.locator("#curves-chart .label").first.text_content()


def test_single_image_has_its_own_curves_and_ranking(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    before = page.locator("#curves-chart .curve").first.get_attribute("d")
    page.select_option("#image-choice", label="b.png")
    assert page.locator("#curves-chart .curve").first.get_attribute("d") != before
    assert "b.png alone" in page.inner_text("#ranking-caption")


def test_pointer_shows_codec_setting_rate_value_and_interval(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    page.locator(".series[data-codec=jpeg] .marker").nth(3).hover(force=True)
    tip = page.locator("#curves-tip")
    assert tip.is_visible()
    pattern = r"jpeg\s+quality 35\s+\d\.\d{3} bpp \(95 %: .+ to .+\)\s+PSNR.* dB \(95 %: .+ to .+\)"
    assert re.fullmatch(pattern, tip.inner_text().replace("\u202f", " "), re.DOTALL)


def test_arrow_keys_walk_the_curves(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    page.focus("#curves-chart svg")
    page.keyboard.press("ArrowRight")
    first = page.inner_text("#curves-tip")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#curves-tip") != first
    page.keyboard.press("ArrowDown")
    assert not page.inner_text("#curves-tip").startswith("jpeg\n")
    page.keyboard.press("Escape")
    assert page.locator("#curves-tip").is_hidden()


def test_table_sorts_by_a_column_both_ways(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")

    def column() -> list[str]:
        return page.locator("#bd-table tbody th").all_inner_texts()

    page.locator("#bd-table thead button").first.click()
    rising = column()
    assert rising == sorted(rising)
    page.locator("#bd-table thead button").first.click()
    assert column() == rising[::-1]
    assert page.locator("#bd-table th[aria-sort=descending]").count() == 1


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_slider_moves_by_keyboard_and_pointer(
    opened: Opener, reports: Path, viewport: dict[str, int]
) -> None:
    page = opened(reports / "report.html", viewport=viewport, has_touch=viewport is PHONE)
    page.locator("#split").scroll_into_view_if_needed()
    page.wait_for_function("document.getElementById('stage-left').width > 200")

    def clip() -> str:
        return str(page.evaluate("document.getElementById('stage-right').style.clipPath"))

    before = clip()
    page.focus("#split")
    page.keyboard.press("ArrowLeft")
    assert clip() != before
    box = page.locator("#split").bounding_box()
    place = box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2
    if viewport is PHONE:
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    assert 70 < float(page.input_value("#split")) < 90


def test_pictures_differ_between_codecs_and_have_an_error_map(
    opened: Opener, reports: Path
) -> None:
    page = opened(reports / "report.html")
    page.wait_for_function("document.getElementById('error-left').width > 200")
    digest = """id => { const c = document.getElementById(id);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let sum = 0; for (const v of d) sum = (sum * 31 + v) % 1000000007; return sum; }"""
    left, right = page.evaluate(digest, "stage-left"), page.evaluate(digest, "stage-right")
    assert left != right
    assert page.evaluate(digest, "error-left") != page.evaluate(digest, "error-right")
    page.select_option("#picture-left", "")  # the original has no error map
    page.wait_for_function("document.getElementById('error-figure-left').hidden")
    assert page.inner_text("#facts-left") == "original"


def test_published_curves_are_dashed_and_come_and_go(opened: Opener, kodak_reports: Path) -> None:
    page = opened(kodak_reports / "report.html")
    dashed = page.locator("#curves-chart .series.published .curve")
    assert dashed.count() == 4
    assert all(path.get_attribute("stroke-dasharray") for path in dashed.all())
    assert page.locator("#bd-table .apart tr").count() == 5  # a heading and four rows
    page.click("#published-legend button[data-codec='published:vtm']")
    assert dashed.count() == 3
    assert "vtm" not in page.inner_text("#bd-table")
    page.uncheck("#published-on")
    assert dashed.count() == 0
    assert page.locator("#bd-table .apart").count() == 0
    page.check("#published-on")
    page.select_option("#published-add", "published:elic2022")
    assert dashed.count() == 4
    assert "elic2022" in page.inner_text("#bd-table")


def test_published_point_shows_its_source(opened: Opener, kodak_reports: Path) -> None:
    page = opened(kodak_reports / "report.html")
    page.locator(".series[data-codec='published:vtm'] .marker").nth(2).hover(force=True)
    tip = page.inner_text("#curves-tip")
    assert "vtm (published)" in tip
    assert "QP 37" in tip
    assert "Source: CompressAI" in tip


def test_where_no_published_curve_belongs_the_page_says_why(
    opened: Opener, kodak_reports: Path
) -> None:
    page = opened(kodak_reports / "report.html")
    page.select_option("#metric-choice", "psnr-y")
    assert page.locator("#published").is_hidden()
    assert "No curves are published by PSNR" in page.inner_text("#published-why")
    page.select_option("#metric-choice", "psnr")
    page.select_option("#image-choice", "0")
    assert page.locator("#curves-chart .series.published").count() == 0
    assert "means over all images" in page.inner_text("#published-why")


def test_pareto_front_is_drawn_with_a_row_for_every_codec(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    assert page.locator("#front-chart .marker").count() == 24  # three codecs at eight settings
    assert page.locator("#front-chart .front-2").count() > 4
    assert page.locator("#front-table tbody tr").count() == 3
    assert "indicative" in page.inner_text("#front-mark")


def rows_of(page: Any, table: str) -> dict[str, list[str]]:
    """The rows of a table by codec, with plain signs and spaces."""
    texts = [row.inner_text() for row in page.locator(f"{table} tbody tr").all()]
    cells = [text.replace("−", "-").replace("\u202f", " ").split("\t") for text in texts]
    return {name.split()[0]: rest for name, *rest in cells}


def test_codecs_at_a_rate_and_at_a_quality_are_those_of_bench_compare(
    opened: Opener, reports: Path, measured: Path
) -> None:
    page = opened(reports / "report.html")
    jpeg, jpeg_444, webp = rd_curves(read_results(measured), "psnr")

    page.fill("#target-value", "0.8")
    found = rows_of(page, "#target-table")
    for curve in (jpeg, jpeg_444, webp):
        expected = quality_at(curve, 0.8).value
        assert float(found[curve.codec][0]) == pytest.approx(expected, abs=0.006)
    difference = quality_at(webp, 0.8).value - quality_at(jpeg, 0.8).value
    assert float(found["webp"][1]) == pytest.approx(difference, abs=0.011)
    page.select_option("#target-by", "quality")
    page.fill("#target-value", "30")
    assert float(rows_of(page, "#target-table")["webp"][0]) == pytest.approx(
        rate_at(webp, 30).value, abs=0.0006
    )
    page.fill("#target-value", "99")
    assert "NA: its curve covers" in page.inner_text("#target-table")
    page.fill("#target-value", "")
    assert page.is_visible("#target-wrong")
    assert page.is_hidden("#target-table")


def test_at_a_target_a_single_image_is_read_off_its_own_curve(
    opened: Opener, reports: Path, measured: Path
) -> None:
    page = opened(reports / "report.html")
    page.select_option("#metric-choice", "ms-ssim")
    page.select_option("#image-choice", label="c.png")
    page.fill("#target-value", "0.9")
    webp = image_curves(read_results(measured), "ms-ssim")["webp"].of_image("c.png")
    row = rows_of(page, "#target-table")["webp"]
    assert float(row[0]) == pytest.approx(quality_at(webp, 0.9).value, abs=0.006)


def test_a_codec_over_other_images_is_not_compared_at_a_target(
    opened: Opener, copied: Path, tmp_path: Path
) -> None:
    def fail(frame: pd.DataFrame) -> pd.DataFrame:
        mine = (frame["codec"] == "webp") & (frame["quality"] == "50") & (frame["image"] == "b.png")
        frame.loc[mine, ["bytes", "bitstream_sha256", "bpp", "psnr", "ms_ssim"]] = ""
        return frame.assign(status=frame["status"].mask(mine, "failed"))

    change_rows(copied, fail)
    make([copied], tmp_path)
    page = opened(tmp_path / "report.html")
    row = page.locator("#target-table tbody tr", has_text="webp").inner_text()
    assert "over other images than jpeg: not compared with it" in row
    rest = rows_of(page, "#target-table")
    assert rest["webp"][1] == "NA"
    assert float(rest["jpeg-444"][1]) < 0


def test_best_and_worst_image_of_each_codec_are_named_and_lead_to_their_curves(
    opened: Opener, reports: Path, measured: Path
) -> None:
    page = opened(reports / "report.html")
    extremes = best_and_worst(image_ranking(read_results(measured), "psnr", "jpeg"))
    found = rows_of(page, "#extremes-table")
    assert len(found) == len(extremes) == 2
    for expected in extremes.itertuples():
        best, worst = f"{expected.best_bd_rate:+.1f} %", f"{expected.worst_bd_rate:+.1f} %"
        assert found[expected.codec][:4] == [expected.best, best, expected.worst, worst]
    page.locator("#extremes-table button.link").first.click()
    assert "alone" in page.inner_text("#ranking-caption")


def test_agreement_of_metrics_is_shown(opened: Opener, reports: Path, measured: Path) -> None:
    page = opened(reports / "report.html")
    pair = rank_correlation(read_results(measured)).iloc[0]
    text = page.inner_text("#agreement-table")
    assert f"{pair['spearman']:.3f}" in text
    assert f"{pair['kendall']:.3f}" in text


def test_hostile_file_name_is_shown_as_text(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    assert "<img src=x onerror=alert(1)>.png" in page.inner_text("#image-table")
    assert page.locator("img[src=x]").count() == 0
    content = (reports / "report.html").read_text("utf-8")
    assert "<img src=x" not in content
    assert "\\u003cimg src=x" in content


def test_without_scripts_curves_and_tables_are_there(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html", java_script_enabled=False)
    image = page.locator("img.static")
    assert image.count() == 1
    assert image.bounding_box()["height"] > 200
    assert "BD-rate" in page.inner_text("noscript table >> nth=0")
    assert page.locator("#result").is_hidden()


def test_printed_page_shows_results_without_controls(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator(".bar").is_hidden()
    assert page.locator("#curves-chart svg").is_visible()
    assert re.fullmatch(r"At [\d.]+ bits per pixel\.", page.inner_text("#target-said"))
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(255, 255, 255)"


def test_everything_that_takes_the_focus_shows_it(opened: Opener, reports: Path) -> None:
    page = opened(reports / "report.html")
    page.keyboard.press("Tab")
    for _ in range(25):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            """() => { const e = document.activeElement, shown = e.closest('.stage') || e;
            return [e.id || e.className || e.tagName, getComputedStyle(shown).outlineStyle] }"""
        )
        assert outline[1] != "none", outline

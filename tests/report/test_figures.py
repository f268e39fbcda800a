"""Figures: the same bytes each time, every codec told apart, published curves marked."""

from __future__ import annotations

import logging
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from bench.analysis.curves import Curve, rd_curves
from bench.analysis.published import published, published_curve
from bench.analysis.results import Results, results_of
from bench.analysis.tradeoff import OperatingPoint
from bench.errors import UsageError
from bench.report.figures import curve_looks, draw_curves, plot_curves
from bench.report.front_figure import draw_front


@pytest.fixture
def results(measured_cells: pd.DataFrame) -> Results:
    return results_of(measured_cells.copy())


def test_a_figure_is_written_as_svg_and_png(results: Results, tmp_path: Path) -> None:
    paths = plot_curves(results, "psnr", tmp_path / "curves", titles={"webp": "WebP"})
    assert [path.name for path in paths] == ["curves.svg", "curves.png"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    with PIL.Image.open(paths[1]) as image:
        assert image.width > 1200
    figure = draw_curves(rd_curves(results, "psnr"))
    assert figure is not None
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_xlim()[0]) == ("linear", 0)
    assert axes.get_ylabel() == "PSNR (RGB) in dB"
    assert axes.get_title(loc="left") == "crops, mean over 5 images"


def test_the_same_curves_give_the_same_bytes(results: Results, tmp_path: Path) -> None:
    formats = ("svg", "png", "pdf")
    first = plot_curves(results, "psnr", tmp_path / "a", formats=formats)
    again = plot_curves(results, "psnr", tmp_path / "b", formats=formats)
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_users_own_style_does_not_show(results: Results, tmp_path: Path) -> None:
    import matplotlib

    (first,) = plot_curves(results, "psnr", tmp_path / "a", formats=["svg"])
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "black"}):
        (again,) = plot_curves(results, "psnr", tmp_path / "b", formats=["svg"])
    assert first.read_bytes() == again.read_bytes()


def _measured(names: list[str]) -> list[Curve]:
    from dataclasses import replace

    return [replace(published_curve(name, "psnr"), origin="measured") for name in names]


def test_thirty_codecs_are_told_apart() -> None:
    names = [entry.label for entry in published() if "psnr" in entry.metrics and not entry.distrust]
    figure = draw_curves(_measured(names[:30]))
    assert figure is not None
    looks = [
        (line.get_color(), line.get_marker(), line.get_markerfacecolor(), line.get_linestyle())
        for line in figure.axes[0].get_lines()
    ]
    assert len(looks) == 30
    assert all(one != other for one, other in combinations(looks, 2))


def test_many_curves_leave_their_axes_room_beside_a_legend_that_fits() -> None:
    names = [entry.label for entry in published() if "psnr" in entry.metrics and not entry.distrust]
    curves = _measured(names[:36])
    long = {
        curve.codec: f"Hybrid, small: with squeeze-and-excitation {curve.codec}" for curve in curves
    }
    figure = draw_curves(curves, titles=long)
    assert figure is not None
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    page = figure.bbox
    inside = legend.get_window_extent()
    assert inside.y0 >= page.y0
    assert inside.x1 <= page.x1
    assert figure.axes[0].get_window_extent().width > 0.35 * page.width


def test_a_front_of_many_codecs_leaves_its_axes_room() -> None:
    curves = _measured(
        [e.label for e in published() if "psnr" in e.metrics and not e.distrust][:36]
    )
    points = [
        OperatingPoint(curve.codec, setting, 24, bpp, quality, 1, 1)
        for curve in curves
        for setting, (bpp, quality) in enumerate(zip(curve.rate, curve.quality, strict=True))
    ]
    figure = draw_front(points, curves[0].axis, curve_looks(curves))
    assert figure is not None
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_window_extent().y0 >= figure.bbox.y0
    assert figure.axes[0].get_window_extent().width > 0.35 * figure.bbox.width


def test_the_legend_lists_codecs_as_their_curves_lie() -> None:
    figure = draw_curves(_measured(["jpeg", "webp", "vtm"]))
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "vtm", "webp", "jpeg",
    ]  # fmt: skip
    assert "first" in legend.get_title().get_text()


def test_published_curves_are_dashed_marked_and_do_not_stretch_the_axis(results: Results) -> None:
    from dataclasses import replace

    measured = rd_curves(results, "psnr")
    vtm = replace(published_curve("vtm", "psnr"), rate=published_curve("vtm", "psnr").rate * 10)
    figure = draw_curves([vtm, *measured])
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_xlim()[1] < 1.1 * max(curve.rate.max() for curve in measured)
    styles = [line.get_linestyle() for line in axes.get_lines()]
    assert styles == ["-", "-", "--"]
    legend = axes.get_legend()
    assert legend is not None
    assert "vtm (published)" in [text.get_text() for text in legend.get_texts()]


def test_a_published_curve_of_another_data_set_is_left_out_with_a_warning(
    results: Results, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bench"):
        plot_curves(results, "psnr", tmp_path / "a", published=[published_curve("vtm", "psnr")])
    assert "published:vtm is not drawn: another metric or data set" in caplog.text


def test_a_codec_without_a_curve_is_named_below_the_figure(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    failed = cells["codec"] == "webp"
    cells.loc[failed, ["bpp", "psnr"]] = np.nan
    cells.loc[failed, "status"] = "failed"
    cells.loc[0, ["bpp", "psnr", "status"]] = [np.nan, np.nan, "failed"]
    figure = draw_curves(rd_curves(results_of(cells), "psnr"))
    assert figure is not None
    assert figure.get_supxlabel() == "webp: no curve"
    assert "mean over 4 images" in figure.axes[0].get_title(loc="left")


def test_infinite_points_are_not_drawn(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    cells.loc[cells["quality"] == 90, "psnr"] = math.inf
    figure = draw_curves(rd_curves(results_of(cells), "psnr"))
    assert figure is not None
    assert [len(line.get_xdata()) for line in figure.axes[0].get_lines()] == [5, 5]


def test_a_run_without_a_point_gives_no_file(measured_cells: pd.DataFrame, tmp_path: Path) -> None:
    cells = measured_cells.assign(psnr=np.nan, status="failed")
    assert plot_curves(results_of(cells), "psnr", tmp_path / "a") == []
    assert list(tmp_path.iterdir()) == []


def test_where_less_is_better_the_axis_says_so_and_better_is_up() -> None:
    from dataclasses import replace

    from bench.analysis.axis import axis_of

    curves = [
        replace(curve, axis=axis_of("lpips"), quality=1 / curve.quality)
        for curve in _measured(["jpeg", "vtm"])
    ]
    figure = draw_curves(curves)
    assert figure is not None
    assert figure.axes[0].yaxis_inverted()
    assert "lower is better" in figure.axes[0].get_ylabel()


def test_a_folder_that_can_not_be_written_to_is_an_error(results: Results, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't write"):
        plot_curves(results, "psnr", tmp_path / "file" / "curves")

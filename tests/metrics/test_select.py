"""Metrics by name, glob and list, and what identifies them."""

from __future__ import annotations

import logging
import re

import pytest

from bench.errors import CardError, UnavailableError, UnknownNameError, UsageError
from bench.metrics import BUILT_IN, DEFAULT, metric_identity, select_metrics
from bench.metrics.lpips import LpipsSqueeze
from bench.metrics.metric import Metric
from bench.registry import Entry, metrics


@pytest.fixture(autouse=True)
def _no_programs(monkeypatch, tmp_path):
    """Keep programs of this machine out: what is available is what ships."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_the_default_is_the_fields_usual_set():
    assert select_metrics() == DEFAULT
    assert DEFAULT == ("psnr", "psnr-y", "ssim", "ms-ssim", "ms-ssim-db", "lpips")
    assert select_metrics("default") == DEFAULT


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("psnr", ("psnr",)),
        ("ssim, psnr", ("ssim", "psnr")),
        (["ssim", "psnr"], ("ssim", "psnr")),
        (["ssim,lpips", "psnr"], ("ssim", "lpips", "psnr")),
        ("psnr,ssim,psnr", ("psnr", "ssim")),
        ("psnr*", ("psnr", "psnr-y")),
        ("lpips,psnr*,ssim", ("lpips", "psnr", "psnr-y", "ssim")),
        ("*ssim", ("ssim", "ms-ssim")),
        ("all", DEFAULT),
    ],
)
def test_names_globs_and_lists_are_taken_in_their_order(spec, names):
    assert select_metrics(spec) == names


@pytest.mark.parametrize(
    ("spec", "names"),
    [("bpp", ()), ("bpp,compression-ratio,psnr", ("psnr",)), ("comp*,ssim", ("ssim",))],
)
def test_naming_the_rate_is_harmless(spec, names):
    assert select_metrics(spec) == names


@pytest.mark.parametrize("spec", ["", " , ", []])
def test_naming_nothing_is_an_error(spec):
    with pytest.raises(UsageError, match="no metric is named"):
        select_metrics(spec)


def test_a_wrong_name_gets_suggestions():
    with pytest.raises(UnknownNameError, match="'msssim'; did you mean ms-ssim"):
        select_metrics("psnr,msssim")
    with pytest.raises(UnknownNameError, match=re.escape("'vmaf*'")):
        select_metrics("vmaf*")


def test_a_metric_that_is_not_available_is_an_error_by_its_own_name():
    with pytest.raises(UnavailableError, match="bench metrics get lpips-squeeze"):
        select_metrics("lpips-squeeze")


@pytest.mark.parametrize(("spec", "left_out"), [("lpips*", 2), ("all", 3)])
def test_a_metric_that_is_not_available_is_left_out_of_a_glob_with_a_line(spec, left_out, caplog):
    with caplog.at_level(logging.WARNING, "bench"):
        chosen = select_metrics(spec)
    assert "lpips" in chosen
    assert "lpips-vgg" not in chosen
    assert len(caplog.messages) == left_out
    assert "lpips-vgg is left out: the weights of vgg16 are not on this machine" in caplog.text


def test_every_metric_says_what_it_is():
    for name in BUILT_IN:
        cls = metrics().get(name)
        assert cls.name == name
        assert cls.title
        assert cls.direction in ("higher", "lower")
        assert cls.range[0] < cls.range[1]
        assert cls.version >= 1
        assert cls.reference or name in ("bpp", "compression-ratio")


def test_an_identity_names_all_that_can_change_a_value():
    assert metric_identity("psnr") == "psnr/1"
    assert metric_identity("ms-ssim-db") == "ms-ssim-db/1 of ms-ssim/1"
    pattern = r"lpips/1 alexnet=[0-9a-f]{16} lpips=[\d.]+ torch=[\d.]+"
    assert re.fullmatch(pattern, metric_identity("lpips"))
    digest = LpipsSqueeze.trunk.sha256[:16]
    assert f"squeezenet1_1={digest}" in metric_identity("lpips-squeeze").split()


PLUG_IN = """
import bench

class Sharpness(bench.Metric):
    name = "sharpness"
    title = "Sharpness"
    range = (0.0, 1.0)
    def measure(self, reference, distorted, prepared):
        return {value}
"""


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """`plugged_in(0.5)`: the identity of a metric whose source returns that."""
    from bench.registry import load_module

    def add(value: float) -> str:
        folder = tmp_path / str(value)
        folder.mkdir()
        (folder / "sharp.py").write_text(PLUG_IN.format(value=value))
        cls = load_module(folder / "sharp.py").Sharpness
        metrics.cache_clear()
        metrics().add(Entry("sharpness", "this test", lambda: cls))
        return metric_identity("sharpness")

    yield add
    metrics.cache_clear()


def test_a_plug_in_is_identified_by_its_source_too(plugged_in):
    first, second = plugged_in(0.25), plugged_in(0.75)
    assert re.fullmatch(r"sharpness/1 source=[0-9a-f]{16}", first)
    assert first != second
    assert select_metrics("all") == (*DEFAULT, "sharpness")


def test_a_plug_in_that_is_no_metric_is_an_error_that_says_so():
    metrics.cache_clear()

    def load() -> type[Metric]:
        raise CardError("some-package 1.0", "a subclass of bench.Metric was expected, got 3")

    metrics().add(Entry("broken", "some-package 1.0", load))
    try:
        with pytest.raises(CardError, match=r"some-package 1\.0"):
            select_metrics("broken")
        assert select_metrics("all") == DEFAULT
    finally:
        metrics.cache_clear()

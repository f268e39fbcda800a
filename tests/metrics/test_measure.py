"""The measurer: one original, many decoded images, any metric's failure a record."""

from __future__ import annotations

import gc
import math
import resource
from pathlib import Path
from typing import ClassVar

import pytest

from bench.errors import ContractError, NotApplicableError, UsageError
from bench.image import Image
from bench.metrics.measure import Measurer, Value
from bench.metrics.metric import DerivedMetric, Metric
from bench.registry import Entry, metrics


class Planted(Metric):
    """A metric that does what the test tells it to."""

    name: ClassVar[str] = "planted"
    title: ClassVar[str] = "Planted"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    answer: ClassVar[object] = 0.5
    prepared: ClassVar[list[Image]] = []
    fails_to_open: ClassVar[bool] = False

    def open(self):
        if self.fails_to_open:
            raise OSError("no such file")

    def prepare(self, reference):
        self.prepared.append(reference)
        return reference.digest

    def measure(self, reference, distorted, prepared):
        assert prepared == reference.digest
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Doubled(DerivedMetric):
    """Twice the planted one."""

    name: ClassVar[str] = "doubled"
    title: ClassVar[str] = "Doubled"
    range: ClassVar[tuple[float, float]] = (0.0, 2.0)
    base: ClassVar[str] = "planted"

    def derive(self, value):
        if value == 1:
            raise NotApplicableError("one can't be doubled")
        return 2 * value


@pytest.fixture
def planted(monkeypatch):
    """The two metrics above, in the registry."""
    metrics.cache_clear()
    for cls in (Planted, Doubled):
        metrics().add(Entry(cls.name, "this test", lambda cls=cls: cls))
    monkeypatch.setattr(Planted, "prepared", [])
    yield Planted
    metrics.cache_clear()


def measurer(*names: str, original: Image) -> Measurer:
    measurer = Measurer(names)
    measurer.open()
    measurer.reference(original)
    return measurer


def test_values_come_in_the_order_asked_for(photo, jpeg):
    original = photo(13, 176, 192)
    values = measurer("ms-ssim-db", "psnr", original=original).measure(jpeg(original, 30))
    assert list(values) == ["ms-ssim-db", "psnr"]
    assert all(value.value > 0 and not value.reason for value in values.values())


def test_what_was_prepared_serves_every_decoded_image_and_changes_no_value(photo, jpeg):
    names = ("psnr", "psnr-y", "ssim", "ms-ssim", "ms-ssim-db", "lpips")
    first, second = photo(13, 176, 192), photo(8, 176, 192)
    reused = Measurer(names)
    reused.open()
    for original in (first, second, first):
        reused.reference(original)
        for quality in (10, 80):
            decoded = jpeg(original, quality)
            fresh = measurer(*names, original=original).measure(decoded)
            assert reused.measure(decoded) == fresh


def test_the_original_is_prepared_once(planted, flat):
    original = flat(1)
    ours = measurer("planted", original=original)
    for level in range(5):
        ours.reference(original)
        ours.measure(flat(level))
    assert planted.prepared == [original]


def test_nothing_is_prepared_before_it_is_needed(planted, flat):
    ours = measurer("planted", "psnr", original=flat(1))
    assert ours.measure(flat(2), names=["psnr"]).keys() == {"psnr"}
    assert planted.prepared == []


def test_a_derived_value_comes_from_its_base(planted, flat):
    assert measurer("doubled", original=flat(1)).measure(flat(2)) == {"doubled": Value(1.0)}


def test_a_derived_value_is_not_available_where_its_base_is_not(planted, flat, monkeypatch):
    monkeypatch.setattr(Planted, "answer", NotApplicableError("too small"))
    values = measurer("planted", "doubled", original=flat(1)).measure(flat(2))
    assert values == {"planted": Value(None, "too small"), "doubled": Value(None, "too small")}


def test_a_derived_value_can_be_undefined_by_itself(planted, flat, monkeypatch):
    monkeypatch.setattr(Planted, "answer", 1.0)
    values = measurer("planted", "doubled", original=flat(1)).measure(flat(2))
    assert values == {"planted": Value(1.0), "doubled": Value(None, "one can't be doubled")}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (math.nan, "planted returned nan"),
        (math.inf, "planted returned inf"),
        ("much", "ValueError: could not convert string to float: 'much'"),
        (None, "TypeError"),
    ],
)
def test_a_metric_that_fails_costs_no_other_metric_its_value(
    planted, flat, monkeypatch, answer, reason
):
    monkeypatch.setattr(Planted, "answer", answer)
    values = measurer("planted", "psnr", original=flat(1)).measure(flat(2))
    assert values["planted"].value is None
    assert values["planted"].reason.startswith(reason)
    assert values["psnr"].value == pytest.approx(48.1308, abs=1e-4)


def test_a_metric_that_can_not_be_opened_has_no_value(planted, flat, monkeypatch):
    monkeypatch.setattr(Planted, "fails_to_open", True)
    values = measurer("planted", "psnr", original=flat(1)).measure(flat(2))
    assert values["planted"] == Value(None, "OSError: no such file")
    assert values["psnr"].value is not None


def test_infinity_is_a_value_where_the_range_says_so(flat):
    ours = measurer("psnr", "ms-ssim-db", original=flat(1, 200, 200))
    assert ours.measure(flat(1, 200, 200)) == {
        "psnr": Value(math.inf),
        "ms-ssim-db": Value(math.inf),
    }


def test_a_small_image_has_values_where_they_are_defined_and_reasons_elsewhere(flat):
    ours = measurer("psnr", "ssim", "ms-ssim", "ms-ssim-db", "lpips", original=flat(1, 5, 5))
    values = ours.measure(flat(2, 5, 5))
    assert values["psnr"].value is not None
    for name in ("ssim", "ms-ssim", "ms-ssim-db", "lpips"):
        assert values[name].value is None
        assert "the image has 5" in values[name].reason


def test_another_size_breaks_the_contract(flat):
    with pytest.raises(ContractError, match="the decoded image is 16x8, the original 16x16"):
        measurer("psnr", original=flat(1)).measure(flat(1, 8, 16))


def test_wrong_use_is_said_so(flat):
    with pytest.raises(UsageError, match="comes before"):
        Measurer(["psnr"]).measure(flat(1))
    with pytest.raises(UsageError, match="bpp is measured on a bitstream"):
        Measurer(["bpp"])


def test_better_quality_is_better_by_every_metric(photo, jpeg):
    names = ("psnr", "psnr-y", "ssim", "ms-ssim", "ms-ssim-db", "lpips")
    original = photo(13, 256, 256)
    ours = measurer(*names, original=original)
    ladder = [ours.measure(jpeg(original, quality)) for quality in (5, 15, 40, 75, 95)]
    for name in names:
        values = [step[name].value for step in ladder]
        falling = metrics().get(name).direction == "lower"
        assert values == sorted(values, reverse=falling), name


def test_the_number_of_threads_changes_no_value(photo, jpeg):
    import cv2
    import torch

    names = ("psnr", "psnr-y", "ssim", "ms-ssim", "lpips")
    original = photo(13, 256, 256)
    decoded = jpeg(original, 30)
    before = cv2.getNumThreads(), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            torch.set_num_threads(threads)
            found.append(measurer(*names, original=original).measure(decoded))
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])
    for name in names:
        assert found[0][name].value == pytest.approx(found[1][name].value, abs=1e-6)


@pytest.mark.parametrize("originals", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_number_of_originals(photo, jpeg, originals):
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("the resident size is read from /proc")
    ours = Measurer(("psnr", "psnr-y", "ssim", "ms-ssim", "ms-ssim-db", "lpips"))
    ours.open()
    pixels = photo(13).pixels

    def measure(numbers: range) -> None:
        for number in numbers:
            original = Image(pixels[number : number + 170, number : number + 170 + number % 7])
            ours.reference(original)
            ours.measure(jpeg(original, 30))

    def resident() -> int:
        gc.collect()
        return int(status.read_text().split()[1]) * resource.getpagesize()

    measure(range(10))
    before = resident()
    measure(range(10, 10 + originals))
    # What is kept of one original is 3 MB: a leak of that would be 180 MB or more.
    assert resident() - before < 30e6

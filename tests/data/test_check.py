"""Checking a data set against its card, and against what can be measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import registry
from bench.data.check import check_dataset
from bench.errors import DatasetError


@pytest.fixture
def copy(kodak: Path, tmp_path: Path) -> Path:
    """A copy of the Kodak images that a test may damage."""
    target = tmp_path / "kodak"
    shutil.copytree(kodak, target)
    return target


def test_the_shipped_images_are_the_genuine_ones() -> None:
    check = check_dataset("kodak")
    assert check.problems == ()
    assert check.digests == 24
    # 18 landscapes and 6 portraits, as https://r0k.us/graphics/kodak/ shows them.
    assert check.sizes == {"768×512": 18, "512×768": 6}
    assert check.megapixels == pytest.approx(24 * 768 * 512 / 1e6)
    assert check.same == ()


def test_a_damaged_and_a_changed_file_are_found(copy: Path) -> None:
    data = (copy / "kodim07.png").read_bytes()
    (copy / "kodim07.png").write_bytes(data[:100_000])
    shutil.copy(copy / "kodim02.png", copy / "kodim03.png")
    check = check_dataset("kodak", data_root=copy)
    found = [(problem.image, problem.what.partition(":")[0]) for problem in check.problems]
    assert found[:2] == [
        ("kodim03.png", "not the published file"),
        ("kodim07.png", "not the published file"),
    ]
    assert found[2][0] == "kodim07.png"
    assert "truncated" in check.problems[2].what
    assert check.same == (("kodim02.png", "kodim03.png"),)


def test_a_missing_file_is_an_error_that_names_it(copy: Path) -> None:
    (copy / "kodim24.png").unlink()
    with pytest.raises(DatasetError, match=r"23 of the 24 images; missing: kodim24\.png"):
        check_dataset(registry.datasets().get("kodak"), data_root=copy)


def test_a_folder_has_no_digests_but_its_images_are_read(shared: Path) -> None:
    check = check_dataset(shared / "samples/odd_modes")
    assert check.digests == 0
    assert [problem.image for problem in check.problems] == ["gui.png"]
    assert "transparent" in check.problems[0].what
    assert check.sizes == {"640×480": 1}

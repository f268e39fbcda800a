"""From a name or a folder to images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.cards import read_card
from bench.data.cards import DatasetCard
from bench.data.dataset import natural_key
from bench.data.load import load_dataset
from bench.errors import CardError, DatasetError, UnknownNameError, UsageError


def _image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return path


def _names(*args: Any, **options: Any) -> list[str]:
    return [image.name for image in load_dataset(*args, **options).images]


def _card(**fields: Any) -> DatasetCard:
    return DatasetCard.model_validate({"name": "set", "access": "by post", **fields})


# The catalogue


def test_kodak_ships() -> None:
    dataset = load_dataset("kodak")
    assert [image.name for image in dataset.images] == [f"kodim{i:02}.png" for i in range(1, 25)]
    assert dataset.title == "Kodak"
    assert dataset.licence
    assert dataset.reference
    # The genuine file has this many bytes.
    assert dataset.images[0].path.stat().st_size == 736_501


def test_every_card_of_the_catalogue_is_well_formed() -> None:
    expected = {
        "kodak": 24,
        "div2k-valid": 100,
        "div2k-train": 800,
        "clic2020-professional": 41,
        "clic2020-professional-test": 250,
        "tecnick": 100,
        "coco-val2017": 5_000,
        "imagenet-val": 50_000,
    }
    catalogue = Path(__file__).parents[2] / "datasets"
    cards = {path.stem: read_card(DatasetCard, path) for path in catalogue.glob("*.yaml")}
    assert {name: card.count for name, card in cards.items()} == expected
    for card in cards.values():
        assert card.licence
        assert card.reference
        assert card.size


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("div2k-valid", "div2k_valid_crops"),
        ("coco-val2017", "coco_val2017"),
        ("imagenet-val", "imagenet_val"),
    ],
)
def test_cards_know_the_names_of_the_real_files(shared: Path, name: str, folder: str) -> None:
    real = sorted(path.name for path in (shared / "samples" / folder).iterdir())
    card = registry.datasets().get(name)
    small = card.model_copy(update={"count": len(real)})
    found = load_dataset(small, data_root=shared / "samples" / folder)
    assert [image.name for image in found.images] == real


def test_an_unknown_name_gets_suggestions() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean kodak\?"):
        load_dataset("kodac")


def test_a_card_of_the_users_own_is_a_data_set(tmp_path: Path) -> None:
    _image(tmp_path / "mine/a.png")
    card = tmp_path / "mine.yaml"
    card.write_text("name: mine\ntitle: My own\ncount: 1\npattern: '*.png'\nroot: mine\n")
    assert _names(str(card)) == ["a.png"]
    home = Path(os.environ["BENCH_HOME"]) / "datasets"
    home.mkdir(parents=True)
    shutil.copy(card, home)
    shutil.copytree(tmp_path / "mine", home / "mine")
    registry.datasets.cache_clear()
    try:
        assert load_dataset("mine").title == "My own"
    finally:
        registry.datasets.cache_clear()


def test_an_installed_package_brings_a_data_set(tmp_path: Path) -> None:
    package = tmp_path / "photos"
    _image(package / "images/p1.png")
    _image(package / "images/p2.png")
    (package / "__init__.py").write_text("from pathlib import Path\n"
        "CARD = Path(__file__).parent / 'photos.yaml'\n")  # fmt: skip
    (package / "photos.yaml").write_text("name: photos\ncount: 2\nroot: images\nlicence: CC0\n")
    info = tmp_path / "photos-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: photos\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[bench.datasets]\nphotos = photos:CARD\nbroken = photos:NOTHING\n"
    )
    run = [sys.executable, "-m", "bench", "datasets"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("photos"))
    assert line.split() == ["photos", "2", "CC0", "ships"]
    assert "data set broken is left out: photos 1.0 (photos:NOTHING)" in done.stderr


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"count": 0, "access": "x"}, "count: Input should be greater than 0"),
        ({"count": 2, "access": "x", "pattern": ""}, "pattern: "),
        ({"count": 1}, "one of root, sources or access"),
        ({"count": 3, "access": "x", "numbered": {"name": "{:02}", "first": 1, "last": 2}},
         "count: 3, but 2 files are named"),
        ({"count": 1, "access": "x", "numbered": {"name": "{0.__class__}", "first": 1, "last": 1}},
         "numbered.name: "),
        ({"count": 1, "access": "x", "digests": {"../a.png": "0" * 64}}, "a plain file name"),
        ({"count": 1, "access": "x", "digests": {"a.png": "0" * 63}}, "digests.a.png"),
        ({"count": 1, "sources": [{"url": "ftp://x/a.zip"}]}, "sources.0.url"),
        ({"count": 1, "sources": [{"url": "https://x/a.rar"}]}, "sources.0.archive"),
        ({"count": 1, "sources": [{"url": "https://x/a.zip", "sha256": "AB"}]}, "sources.0.sha256"),
        ({"count": 1, "access": "x", "layouts": ["../up"]}, "a path below the data set's folder"),
        ({"count": 1, "access": "x", "cuont": 2}, "cuont: there is no such field"),
    ],
)  # fmt: skip
def test_a_malformed_card_names_the_field(
    tmp_path: Path, fields: dict[str, Any], problem: str
) -> None:
    import yaml

    card = tmp_path / "set.yaml"
    card.write_text(yaml.safe_dump({"name": "set", **fields}))
    with pytest.raises(CardError) as caught:
        load_dataset(str(card))
    assert str(caught.value).startswith(f"{card}: ")
    assert problem in str(caught.value)


# A copy that lies elsewhere


@pytest.mark.parametrize(
    "layout", ["", "set", "Set_HR", "data/Set_HR", "set/Set_HR", "set/data/Set_HR"]
)
def test_a_copy_is_found_in_each_accepted_layout(tmp_path: Path, layout: str) -> None:
    for i in (1, 2):
        _image(tmp_path / layout / f"{i:02}.png")
    _image(tmp_path / "Set_LR/01.png")
    card = _card(
        count=2,
        numbered={"name": "{:02}.png", "first": 1, "last": 2},
        layouts=["Set_HR", "data/Set_HR"],
    )
    dataset = load_dataset(card, data_root=tmp_path)
    assert dataset.folder == tmp_path / layout
    assert [image.name for image in dataset.images] == ["01.png", "02.png"]


def test_images_in_a_folder_per_class_are_found_under_their_own_names(tmp_path: Path) -> None:
    for i, label in ((1, "n02"), (2, "n01"), (3, "n02")):
        _image(tmp_path / "val" / label / f"v{i}.png")
    fields = {"count": 3, "pattern": "v*.png", "layouts": ["val"]}
    assert _names(_card(**fields, subfolders=True), data_root=tmp_path) == [
        "v1.png", "v2.png", "v3.png",
    ]  # fmt: skip
    with pytest.raises(DatasetError, match="holds none of its 3 images"):
        load_dataset(_card(**fields), data_root=tmp_path)


def test_an_image_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    _image(tmp_path / "a/v1.png")
    _image(tmp_path / "b/v1.png")
    with pytest.raises(DatasetError, match=r"v1\.png is there twice"):
        load_dataset(_card(count=1, subfolders=True), data_root=tmp_path)


def test_an_incomplete_copy_names_the_first_missing_files(tmp_path: Path) -> None:
    card = registry.datasets().get("div2k-valid")
    for i in [*range(801, 811), *range(821, 901)]:
        (tmp_path / f"{i:04}.png").touch()
    with pytest.raises(DatasetError) as caught:
        load_dataset(card, data_root=tmp_path)
    assert "holds 90 of the 100 images" in str(caught.value)
    assert "missing: 0811.png, 0812.png, 0813.png, 0814.png, 0815.png, …" in str(caught.value)


def test_a_count_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    for i in range(4):
        _image(tmp_path / f"{i}.png")
    with pytest.raises(DatasetError, match=r"4 images that match '\*\.png', 1 more"):
        load_dataset(_card(count=3, pattern="*.png"), data_root=tmp_path)
    with pytest.raises(DatasetError, match="holds 4 of the 5 images"):
        load_dataset(_card(count=5, pattern="*.png"), data_root=tmp_path)


def test_a_root_without_the_data_set_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset("tecnick", data_root=tmp_path)
    assert "RGB_OR_1200x1200_001.png … RGB_OR_1200x1200_100.png" in str(caught.value)
    assert "TESTIMAGES/RGB/RGB_OR_1200x1200" in str(caught.value)
    with pytest.raises(DatasetError, match="there is no folder"):
        load_dataset("tecnick", data_root=tmp_path / "none")


def test_a_data_root_does_not_go_with_a_folder(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    with pytest.raises(UsageError, match="is a folder"):
        load_dataset(tmp_path, data_root=tmp_path)


# Any folder


def test_a_folder_is_read_recursively_and_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    for name in ("b10.png", "b2.PNG", "deep/er/c.jpg", "d.webp"):
        _image(tmp_path / name)
    for name in (".hidden.png", ".git/x.png", "__MACOSX/y.png", "._b2.png"):
        _image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert _names(tmp_path) == ["b2.PNG", "b10.png", "d.webp", "deep/er/c.jpg"]
    dataset = load_dataset(str(tmp_path))
    assert dataset.name == tmp_path.name
    assert all(image.path.is_file() for image in dataset.images)


def test_a_name_that_is_no_data_set_but_a_folder_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _image(tmp_path / "photos/a.png")
    _image(tmp_path / "kodak/b.png")
    monkeypatch.chdir(tmp_path)
    assert _names("photos") == ["a.png"]
    assert len(_names("kodak")) == 24
    assert _names("./kodak") == ["b.png"]


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    _image(tmp_path / "real/a.png")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "linked").symlink_to(tmp_path / "real")
    (folder / "linked/again").symlink_to(folder)
    assert _names(folder) == ["linked/a.png"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("nothing to see")
    with pytest.raises(DatasetError, match="holds no image, nor do its subfolders"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    "spec", ["no/such/folder", "./none", "~/no-such-folder-anywhere", "~no-such-user/x"]
)
def test_a_path_that_is_not_there_is_an_error(spec: str) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        load_dataset(spec)


def test_a_single_file_says_how_it_is_given(kodak: Path) -> None:
    with pytest.raises(UsageError, match="give its folder"):
        load_dataset(str(kodak / "kodim01.png"))
    assert _names(kodak, images="kodim01.png") == ["kodim01.png"]


def test_names_with_odd_signs_are_names(tmp_path: Path) -> None:
    odd = ["a b.png", "<img src=x>.png", "ä [1].png", "$(x).png"]
    for name in odd:
        _image(tmp_path / name)
    assert sorted(_names(tmp_path)) == sorted(odd)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permission bits")
def test_a_folder_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    _image(locked / "a.png")
    tmp_path.chmod(0o755)
    locked.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything; be nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(DatasetError, match="can't be read: Permission denied"):
            load_dataset(locked)
    finally:
        os.seteuid(user)
        locked.chmod(0o755)


# Some of the images


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (3, ["kodim01", "kodim02", "kodim03"]),
        ("2", ["kodim01", "kodim02"]),
        ("kodim2*", ["kodim20", "kodim21", "kodim22", "kodim23", "kodim24"]),
        ("kodim05", ["kodim05"]),
        ("kodim2[34].png,kodim07", ["kodim07", "kodim23", "kodim24"]),
    ],
)
def test_some_of_the_images_are_chosen(images: str | int, expected: list[str]) -> None:
    assert _names("kodak", images=images) == [f"{name}.png" for name in expected]


def test_a_number_with_a_leading_zero_is_a_name(tmp_path: Path) -> None:
    for i in range(801, 811):
        _image(tmp_path / f"{i:04}.png")
    assert _names(tmp_path, images="0803") == ["0803.png"]
    assert len(_names(tmp_path, images="803")) == 10


@pytest.mark.parametrize("images", ["kodim3*", "kodim01,lena", "", "kodim1"])
def test_choosing_nothing_is_an_error_with_suggestions(images: str) -> None:
    with pytest.raises(UsageError, match=r"matches none of the 24 images of kodak.*kodim"):
        load_dataset("kodak", images=images)


@pytest.mark.parametrize("images", [0, -1])
def test_fewer_than_one_image_is_an_error(images: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        load_dataset("kodak", images=images)


def test_more_images_than_there_are_means_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "bench")
    assert len(_names("kodak", images=99)) == 24
    assert "kodak has only 24 images, not 99" in caplog.text


@given(st.lists(st.text(min_size=1)))
def test_the_natural_order_is_total_and_stable(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)


@given(st.sets(st.integers(0, 10**6)))
def test_numbers_are_in_the_order_of_their_value(numbers: set[int]) -> None:
    names = sorted((f"image{number}.png" for number in numbers), key=natural_key)
    assert names == [f"image{number}.png" for number in sorted(numbers)]

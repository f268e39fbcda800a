"""Getting a data set from a real server: download, pin, unpack, verify, put in place."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bench import paths
from bench.data.cards import DatasetCard
from bench.data.download import TRIES
from bench.data.fetch import get
from bench.data.load import load_dataset
from bench.data.status import status
from bench.errors import DatasetError, DownloadError
from bench.image import read_image


@pytest.fixture
def crops(shared: Path) -> list[Path]:
    """Crops of the first ten validation images of DIV2K."""
    return sorted((shared / "samples/div2k_valid_crops").glob("*.png"))


def _zip_of(files: list[Path], folder: str = "DIV2K_valid_HR") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(f"{folder}/", "")
        for file in files:
            # A fixed date: the archive is the same however often it is packed.
            zipped.writestr(zipfile.ZipInfo(f"{folder}/{file.name}"), file.read_bytes())
    return buffer.getvalue()


def _card(*sources: dict[str, Any], **fields: Any) -> DatasetCard:
    values = {
        "name": "div2k-ten",
        "count": 10,
        "numbered": {"name": "{:04}.png", "first": 801, "last": 810},
        "layouts": ["DIV2K_valid_HR"],
        "sources": list(sources),
        "access": "by post",
        **fields,
    }
    return DatasetCard.model_validate(values)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_data_set_is_downloaded_unpacked_and_loaded(site: Any, crops: list[Path]) -> None:
    archive = _zip_of(crops)
    site.add("/d.zip", archive, etag='"1"', cuts=[len(archive) // 2])
    card = _card({"url": f"{site.url}/d.zip", "size": len(archive), "sha256": _sha256(archive)})
    assert status(card).state == "absent"
    dataset = load_dataset(card, download=True)
    assert [image.name for image in dataset.images] == [crop.name for crop in crops]
    for image, crop in zip(dataset.images, crops, strict=True):
        assert read_image(image.path).digest == read_image(crop).digest
    assert status(card).state == "present"
    # Neither the archive nor anything half done is left.
    home = paths.data_dir() / "datasets"
    assert sorted(p.name for p in home.iterdir() if not p.name.endswith(".lock")) == [
        ".downloads",
        "digests.json",
        "div2k-ten",
    ]
    assert [p.suffix for p in (home / ".downloads").iterdir()] == [".lock"]


def test_what_is_here_is_not_downloaded_again(site: Any, crops: list[Path]) -> None:
    site.add("/d.zip", _zip_of(crops))
    card = _card({"url": f"{site.url}/d.zip"})
    get(card)
    site.asked.clear()
    get(card)
    load_dataset(card, download=True)
    assert site.asked == []


def test_a_tar_is_unpacked_too(site: Any, crops: list[Path]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for crop in crops:
            tar.add(crop, f"DIV2K_valid_HR/{crop.name}")
    site.add("/d.tgz", buffer.getvalue())
    assert len(get(_card({"url": f"{site.url}/d.tgz"})).files) == 10


def test_without_download_the_error_names_the_command(crops: list[Path]) -> None:
    card = _card({"url": "http://127.0.0.1:9/d.zip"}, size="1.3 MB")
    with pytest.raises(DatasetError) as caught:
        load_dataset(card)
    for hint in ("bench datasets get div2k-ten (1.3 MB)", "--data-root", "--download"):
        assert hint in str(caught.value)


def test_a_set_that_can_not_be_downloaded_says_how_it_is_got() -> None:
    card = _card()
    for attempt in (lambda: load_dataset(card), lambda: load_dataset(card, download=True)):
        with pytest.raises(DatasetError, match="by post"):
            attempt()


def test_the_first_download_pins_the_digest(site: Any, crops: list[Path]) -> None:
    archive = _zip_of(crops)
    file = site.add("/d.zip", archive)
    card = _card({"url": f"{site.url}/d.zip"})
    home = get(card).folder
    pins = json.loads((home.parent / "digests.json").read_text())
    assert pins[f"{site.url}/d.zip"]["sha256"] == _sha256(archive)
    assert pins[f"{site.url}/d.zip"]["size"] == len(archive)

    shutil.rmtree(home)
    file.body = _zip_of([*crops[:9], crops[9].rename(crops[9])], "other/DIV2K_valid_HR")
    with pytest.raises(DownloadError, match=r"at the first download it was .*digests\.json"):
        get(card)
    assert not home.exists()

    (home.parent / "digests.json").unlink()
    assert len(get(card).files) == 10


def test_a_page_in_place_of_the_archive_is_neither_kept_nor_pinned(
    site: Any, crops: list[Path]
) -> None:
    file = site.add("/d.zip", b"<html>Please log in</html>")
    card = _card({"url": f"{site.url}/d.zip"})
    with pytest.raises(DownloadError, match="damaged"):
        get(card)
    file.body = _zip_of(crops)
    assert len(get(card).files) == 10


def test_the_next_source_is_tried(site: Any, crops: list[Path]) -> None:
    site.add("/wrong.zip", _zip_of(crops[:3]))
    site.add("/right.zip", _zip_of(crops))
    urls = [f"{site.url}/{name}.zip" for name in ("gone", "wrong", "right")]
    assert len(get(_card(*({"url": url} for url in urls))).files) == 10


def test_if_no_source_brings_it_every_reason_is_told(site: Any, crops: list[Path]) -> None:
    site.add("/few.zip", _zip_of(crops[:8]))
    with pytest.raises(DownloadError) as caught:
        get(_card({"url": f"{site.url}/gone.zip"}, {"url": f"{site.url}/few.zip"}))
    assert "404 Not Found" in str(caught.value)
    assert "holds 8 of the 10 images; missing: 0809.png, 0810.png" in str(caught.value)


def test_files_are_compared_with_the_digests_of_the_card(site: Any, crops: list[Path]) -> None:
    site.add("/d.zip", _zip_of(crops))
    digests = {crop.name: _sha256(crop.read_bytes()) for crop in crops}
    good = _card({"url": f"{site.url}/d.zip"}, digests=digests, numbered=None)
    bad = good.model_copy(
        update={"name": "bad", "digests": {**digests, "0805.png": _sha256(b"another")}}
    )
    assert len(get(good).files) == 10
    with pytest.raises(DownloadError, match=r"0805\.png in it is not the file of the card"):
        get(bad)


def test_unpacking_that_was_interrupted_starts_anew(site: Any, crops: list[Path]) -> None:
    archive = _zip_of(crops)
    site.add("/d.zip", archive)
    card = _card({"url": f"{site.url}/d.zip", "sha256": _sha256(archive)})
    home = paths.data_dir() / "datasets"
    half = home / ".div2k-ten.unpacking"
    half.mkdir(parents=True)
    (half / "0801.png").write_bytes(b"half an image")
    (half / "9999.png").write_bytes(b"of another version")
    downloads = home / ".downloads"
    downloads.mkdir()
    (downloads / "div2k-ten.zip").write_bytes(archive)
    copy = get(card)
    assert site.asked == []
    assert sorted(path.name for path in copy.folder.iterdir()) == [crop.name for crop in crops]
    assert copy.files["0801.png"].read_bytes() == crops[0].read_bytes()
    assert not half.exists()


def test_an_incomplete_copy_is_replaced(site: Any, crops: list[Path]) -> None:
    site.add("/d.zip", _zip_of(crops))
    card = _card({"url": f"{site.url}/d.zip"})
    home = get(card).folder
    (home / "0803.png").unlink()
    assert status(card).state == "incomplete"
    with pytest.raises(DatasetError, match=r"holds 9 of the 10 images; missing: 0803\.png;.*get"):
        load_dataset(card)
    assert len(load_dataset(card, download=True).images) == 10


def test_a_broken_download_is_taken_up_by_the_next_command(site: Any, crops: list[Path]) -> None:
    archive = _zip_of(crops)
    file = site.add("/d.zip", archive, etag='"1"', cuts=[500_000] + [0] * TRIES)
    card = _card({"url": f"{site.url}/d.zip"})
    with pytest.raises(DownloadError, match="Start again later: it goes on where it was"):
        get(card)
    file.cuts = []
    site.asked.clear()
    assert len(get(card).files) == 10
    assert [asked.range for asked in site.asked] == ["bytes=500000-"]


def test_two_processes_get_a_data_set_once(site: Any, crops: list[Path], tmp_path: Path) -> None:
    site.add("/d.zip", _zip_of(crops), pause=0.02)
    card = tmp_path / "div2k-ten.yaml"
    card.write_text(
        "name: div2k-ten\ncount: 10\npattern: '*.png'\nlayouts: [DIV2K_valid_HR]\n"
        f"sources: [{{url: {site.url}/d.zip}}]\n"
    )
    code = "import sys; from bench.data.load import load_dataset; "
    code += "print(len(load_dataset(sys.argv[1], download=True).images))"
    command = [sys.executable, "-c", code, str(card)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["10"] * 3
    assert len(site.asked) == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_damaged_file_of_pins_is_an_error_that_names_it(
    site: Any, crops: list[Path], content: str
) -> None:
    site.add("/d.zip", _zip_of(crops))
    pins = paths.data_dir() / "datasets/digests.json"
    pins.parent.mkdir(parents=True)
    pins.write_text(content)
    with pytest.raises(DownloadError, match=r"digests\.json"):
        get(_card({"url": f"{site.url}/d.zip"}))

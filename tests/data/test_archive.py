"""Archives: what is taken out of them, and what they are refused for."""

from __future__ import annotations

import contextlib
import io
import random
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data import archive as archive_module
from bench.data.archive import unpack
from bench.data.cards import DatasetCard
from bench.errors import DownloadError

Kind = Literal["zip", "tar"]


def _card(count: int = 2, **fields: Any) -> DatasetCard:
    fields = {"layouts": ("Set_HR",), "pattern": "*.png", "access": "by post", **fields}
    return DatasetCard(name="set", count=count, **fields)


def _zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in entries.items():
            zipped.writestr(name, data)
    return path


def _tar(path: Path, entries: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def _pack(path: Path, kind: Kind, entries: dict[str, bytes]) -> Path:
    return _zip(path, entries) if kind == "zip" else _tar(path, entries)


def _unpacked(archive: Path, kind: Kind, card: DatasetCard) -> dict[str, bytes]:
    target = archive.parent / "target"
    target.mkdir()
    unpack(archive, kind, card, target)
    return {path.name: path.read_bytes() for path in sorted(target.iterdir())}


def _refusal(archive: Path, kind: Kind, card: DatasetCard | None = None) -> str:
    """Return why; assert that nothing was written beside the target."""
    target = archive.parent / "target"
    target.mkdir(exist_ok=True)
    before = set(archive.parent.rglob("*"))
    with pytest.raises(DownloadError) as caught:
        unpack(archive, kind, card or _card(), target)
    new = set(archive.parent.rglob("*")) - before
    assert all(path.parent == target for path in new)
    assert str(caught.value).startswith("set: the archive is refused: ")
    return str(caught.value).removeprefix("set: the archive is refused: ")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_only_the_images_come_out(tmp_path: Path, kind: Kind) -> None:
    archive = _pack(
        tmp_path / "a",
        kind,
        {
            "Set_HR/1.png": b"one",
            "Set_HR/2.png": b"two",
            "Set_HR/readme.txt": b"read me",
            "Set_LR/1.png": b"small",
            "__MACOSX/Set_HR/1.png": b"resource fork",
            "Set_HR/._1.png": b"resource fork",
        },
    )
    assert _unpacked(archive, kind, _card()) == {"1.png": b"one", "2.png": b"two"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_may_be_compressed_in_any_way(tmp_path: Path, mode: str) -> None:
    archive = _tar(tmp_path / "a", {"x/Set_HR/1.png": b"one", "x/Set_HR/2.png": b"two"}, mode)
    assert _unpacked(archive, "tar", _card()) == {"1.png": b"one", "2.png": b"two"}


def test_a_mirror_may_pack_the_images_without_folders(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a", {"1.png": b"one", "2.png": b"two"})
    assert _unpacked(archive, "zip", _card()) == {"1.png": b"one", "2.png": b"two"}


_ESCAPES = [
    "../1.png",
    "Set_HR/../../1.png",
    "/Set_HR/1.png",
    "..\\1.png",
    "Set_HR\\1.png",
    "C:/1.png",
    "C:1.png",
    "//server/share/1.png",
]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", _ESCAPES)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, kind: Kind, name: str) -> None:
    archive = _pack(tmp_path / "a", kind, {"Set_HR/2.png": b"two", name: b"evil"})
    assert "is not below its folder" in _refusal(archive, kind)


def test_a_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    for link in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        archive = tmp_path / "a.tar"
        with tarfile.open(archive, "w") as tar:
            info = tarfile.TarInfo("Set_HR/1.png")
            info.type = link
            info.linkname = "/etc/passwd"
            tar.addfile(info)
        assert "'Set_HR/1.png' in it is no regular file" in _refusal(archive, "tar")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        info = zipfile.ZipInfo("Set_HR/1.png")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(info, "/etc/passwd")
    assert "is no regular file" in _refusal(archive, "zip")


def test_a_link_to_a_folder_can_not_be_written_through(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("Set_HR")
        info.type = tarfile.SYMTYPE
        info.linkname = str(outside)
        tar.addfile(info)
        for name in ("Set_HR/1.png", "Set_HR/2.png"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"two"))
    assert set(_unpacked(archive, "tar", _card())) == {"1.png", "2.png"}
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["Set_HR/1.png", "notes.txt"])
def test_a_bomb_is_refused(
    tmp_path: Path, kind: Kind, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "FREE_BYTES", 1 << 20)
    archive = _pack(tmp_path / "a", kind, {name: bytes(20 << 20)})
    assert archive.stat().st_size < 50_000
    assert "unpacks to far more" in _refusal(archive, kind)
    assert list((tmp_path / "target").iterdir()) == []


def test_a_bomb_of_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_ENTRIES", 100)
    archive = _zip(tmp_path / "a", {f"{i}.txt": b"" for i in range(101)})
    assert "unpacks to far more" in _refusal(archive, "zip")


def test_a_size_that_is_a_lie_does_not_help_a_bomb(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a", {"Set_HR/1.png": bytes(5 << 20), "Set_HR/2.png": b"two"})
    data = bytearray(archive.read_bytes())
    # The uncompressed size in the central directory: 24 bytes after its signature.
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    archive.write_bytes(data)
    assert "damaged" in _refusal(archive, "zip")
    assert all(path.stat().st_size <= 100 for path in (tmp_path / "target").iterdir())


def test_more_images_than_the_card_names_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a", {f"Set_HR/{i}.png": b"x" for i in range(3)})
    assert "more than the 2 images" in _refusal(archive, "zip")


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a", {"x/Set_HR/1.png": b"x", "y/Set_HR/1.PNG": b"y"})
    assert "holds 1.PNG twice" in _refusal(archive, "zip", _card(pattern="*"))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_page_in_place_of_an_archive_is_refused(tmp_path: Path, kind: Kind) -> None:
    archive = tmp_path / "a"
    archive.write_text("<html>Please log in</html>")
    assert "it is damaged" in _refusal(archive, kind)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keep=st.floats(0, 1), edits=st.lists(st.tuples(st.integers(0), st.integers(0, 255))))
def test_a_damaged_archive_is_whole_or_refused(
    tmp_path: Path, kind: Kind, keep: float, edits: list[tuple[int, int]]
) -> None:
    noise = random.Random(3)
    good = {f"Set_HR/{i}.png": noise.randbytes(300) for i in (1, 2)}
    archive = _pack(tmp_path / "a", kind, good)
    data = bytearray(archive.read_bytes())
    for position, value in edits:
        data[position % len(data)] = value
    archive.write_bytes(data[: int(keep * len(data)) + 1])
    target = tmp_path / "target"
    target.mkdir(exist_ok=True)
    for path in target.iterdir():
        path.unlink()
    try:
        unpack(archive, kind, _card(), target)
    except DownloadError:
        return
    for path in target.iterdir():
        assert path.stat().st_size <= 300


_PARTS = st.sampled_from(["..", ".", "", "Set_HR", "x", "1.png", "2.png", "C:", "~", "\\", "a\\b"])


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(st.lists(_PARTS, min_size=1, max_size=5).map("/".join), max_size=4))
def test_whatever_an_archive_calls_its_entries_nothing_is_written_elsewhere(
    tmp_path: Path, names: list[str]
) -> None:
    archive = tmp_path / "in" / "a.tar"
    archive.parent.mkdir(exist_ok=True)
    _tar(archive, {name: b"data" for name in names if name}, "w")
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True, exist_ok=True)
    for path in target.iterdir():
        path.unlink()
    before = {path for path in tmp_path.rglob("*") if path.parent != target}
    with contextlib.suppress(DownloadError):
        unpack(archive, "tar", _card(), target)
    assert {path for path in tmp_path.rglob("*") if path.parent != target} == before
    assert {path.name for path in target.iterdir()} <= {"1.png", "2.png"}

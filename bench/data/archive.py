"""Taking a data set's images out of its archive, and nothing else, and nowhere else.

Only regular files whose own name is one of the data set's are written, under that name, straight
into the target folder: no path of the archive is ever used to write to. An archive that tries to
leave its folder, that holds a link in place of an image, or that would unpack to far more than its
own size is refused as a whole.
"""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from bench.data.cards import DatasetCard
from bench.data.locate import belongs
from bench.errors import DownloadError

#: Images are compressed already, so an archive of them holds little more than its own size.
MAX_RATIO = 10
#: What is not counted against the ratio.
FREE_BYTES = 64 << 20
#: More entries than any archive of the catalogue has.
MAX_ENTRIES = 1_000_000

_CHUNK = 1 << 20
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError),
)


@dataclass(frozen=True)
class _Member:
    """An entry of an archive: its path there, what it is, its unpacked size, how to open it."""

    path: str
    kind: Literal["file", "folder", "other"]
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, kind: Literal["zip", "tar"], card: DatasetCard, target: Path) -> None:
    """Write the card's images out of `archive` into the empty folder `target`.

    Raises
    ------
    DownloadError : no such archive, a damaged or a dangerous one, or one without the images.
    OSError : the disk.
    """
    with _reading(archive, card):
        # Other folders of an archive may hold files of the same names: smaller copies, masks. Yet
        # a mirror's archive may have no folders at all.
        if not _unpack_below(card.layouts, archive, kind, card, target) and card.layouts:
            _unpack_below((), archive, kind, card, target)


def _unpack_below(
    layouts: tuple[str, ...],
    archive: Path,
    kind: Literal["zip", "tar"],
    card: DatasetCard,
    target: Path,
) -> int:
    """Unpack the images in the folders `layouts`, or in any; return how many there were."""
    names = None if card.names is None else frozenset(card.names)
    budget = FREE_BYTES + MAX_RATIO * archive.stat().st_size
    written: set[str] = set()
    with _members(archive, kind) as members:
        for count, member in enumerate(members):
            budget -= member.size
            if budget < 0 or member.size < 0 or count >= MAX_ENTRIES:
                raise DownloadError(_refused(card, "it unpacks to far more than its own size"))
            path = _checked_path(member.path, card)
            if (
                member.kind == "folder"
                or "__MACOSX" in path.parts
                or not belongs(card, path.name, names)
                or not _is_below(path, layouts)
            ):
                continue
            if member.kind != "file":
                raise DownloadError(_refused(card, f"{member.path!r} in it is no regular file"))
            if path.name.casefold() in written:
                raise DownloadError(_refused(card, f"it holds {path.name} twice"))
            written.add(path.name.casefold())
            if len(written) > card.count:
                raise DownloadError(
                    _refused(card, f"it holds more than the {card.count:,} images of the data set")
                )
            _write(member, target / path.name, card)
    return len(written)


def _is_below(path: PurePosixPath, layouts: tuple[str, ...]) -> bool:
    folder = path.parent.parts
    places = [PurePosixPath(place).parts for place in layouts]
    return not places or any(folder[-len(place) :] == place for place in places)


def _checked_path(text: str, card: DatasetCard) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or any(sign in text for sign in ("\\", ":", "\0")):
        raise DownloadError(_refused(card, f"the path {text!r} in it is not below its folder"))
    return path


def _write(member: _Member, path: Path, card: DatasetCard) -> None:
    source = member.open()
    if source is None:
        raise DownloadError(_refused(card, f"{member.path!r} in it is no regular file"))
    left = member.size
    with source, path.open("xb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise DownloadError(_refused(card, f"{member.path!r} in it lies about its size"))
            file.write(chunk)
    if left:
        raise DownloadError(_refused(card, f"{member.path!r} in it is cut short"))


@contextmanager
def _members(archive: Path, kind: Literal["zip", "tar"]) -> Iterator[Iterator[_Member]]:
    if kind == "zip":
        with zipfile.ZipFile(archive) as zipped:
            yield (_zip_member(zipped, info) for info in zipped.infolist())
    else:
        with tarfile.open(archive, "r:*") as tar:
            yield (_tar_member(tar, info) for info in tar)


def _zip_member(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = stat.S_IFMT(info.external_attr >> 16)
    kind: Literal["file", "folder", "other"] = "file"
    if info.is_dir():
        kind = "folder"
    elif mode not in {0, stat.S_IFREG}:
        kind = "other"
    # zipfile replaces the system's own separator in `filename`; the original can't hide it.
    return _Member(info.orig_filename, kind, info.file_size, lambda: zipped.open(info))


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    kind: Literal["file", "folder", "other"] = "other"
    if info.isreg() and not info.issparse():
        kind = "file"
    elif info.isdir():
        kind = "folder"
    return _Member(info.name, kind, info.size, lambda: tar.extractfile(info))


@contextmanager
def _reading(archive: Path, card: DatasetCard) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(_refused(card, f"it is damaged ({said})")) from None
    except OSError as error:
        if error.errno is not None:  # the disk; bz2 and gzip raise theirs without a number
            raise
        raise DownloadError(_refused(card, f"it is damaged ({error})")) from None


def _refused(card: DatasetCard, why: str) -> str:
    return f"{card.name}: the archive is refused: {why}"

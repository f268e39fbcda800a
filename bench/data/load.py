"""From what the user calls a data set to its images."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from bench import registry
from bench.cards import read_card
from bench.data.cards import DatasetCard
from bench.data.dataset import Dataset, ImageFile, natural_key
from bench.data.locate import Copy, find_complete, find_copy, home_of, incomplete
from bench.errors import DatasetError, UnknownNameError, UsageError
from bench.image import SUFFIXES

log = logging.getLogger("bench")


def load_dataset(
    spec: str | Path | DatasetCard,
    *,
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | int | None = None,
) -> Dataset:
    """Return the data set that `spec` names, complete and in natural order.

    Parameters
    ----------
    spec : a name of the catalogue, a card or the path of one, or a folder of images. A name that
        is no data set but an existing folder is that folder; its images are found recursively,
        and hidden files and what is no image are passed over.
    data_root : a folder with a copy of the data set: the images themselves, or a folder called as
        the data set or as the publisher's archive calls it.
    download : fetch a data set of the catalogue that is not there.
    images : how many of the first images to take, or which: a glob over names, with or without
        folder and ending, or several, separated by commas.

    Raises
    ------
    UnknownNameError : neither a data set nor a folder; near names are suggested.
    DatasetError : the data set is not there, and what gets it; or it is incomplete.
    DownloadError : the download failed.
    UsageError : `images` selects nothing, or `data_root` does not go with a folder.
    CardError : a card that does not hold what a card must hold.
    """
    found = resolve(spec)
    if isinstance(found, Path):
        if data_root is not None:
            raise UsageError(
                f"a data root goes with a data set of the catalogue, and {spec} is a folder"
            )
        dataset = _from_folder(found)
    else:
        dataset = _from_card(found, None if data_root is None else Path(data_root), download)
    return dataset if images is None else select_images(dataset, images)


def resolve(spec: str | Path | DatasetCard) -> DatasetCard | Path:
    """Return the card or the folder that `spec` stands for. Raises as load_dataset."""
    if isinstance(spec, DatasetCard):
        return spec
    if isinstance(spec, str) and spec in registry.datasets():
        return registry.datasets().get(spec)
    path = _expanded(spec)
    try:
        if path.is_dir():
            return path
        is_file = path.is_file()
    except OSError as error:
        raise DatasetError(f"{spec}: can't be read: {error.strerror}") from None
    if is_file and path.suffix in {".yaml", ".yml"}:
        return read_card(DatasetCard, path.resolve())
    if is_file:
        raise UsageError(
            f"{spec} is a file; give its folder as the data set and its name as the images"
        )
    if isinstance(spec, Path) or any(sign in spec for sign in ("/", os.sep, "~")):
        raise DatasetError(f"there is no folder {spec}")
    raise UnknownNameError(
        "data set", spec, registry.datasets().names(), "(and there is no folder of that name)"
    )


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~somebody who has no home here
        raise DatasetError(f"there is no folder {path}") from None


def find(card: DatasetCard) -> Copy | None:
    """Return the copy that ships, or else the one that was downloaded, or None; if there is no
    whole one, what there is.
    """
    roots = [card.shipped, home_of(card.name)]
    copies = [copy for root in roots if root and (copy := find_copy(card, root))]
    whole = [copy for copy in copies if not incomplete(card, copy)]
    return next(iter(whole or copies), None)


def how_to_get(card: DatasetCard) -> str:
    """Return what the user can do to get a data set that is not there."""
    by_root = f"give the folder of a copy with --data-root (images: {card.count:,})"
    if card.sources:
        size = f" ({card.size})" if card.size else ""
        return f"get it with: bench datasets get {card.name}{size}; or {by_root}"
    return f"{card.access or 'it can not be downloaded'}; then {by_root}"


def _from_card(card: DatasetCard, data_root: Path | None, download: bool) -> Dataset:
    if data_root is not None:
        copy: Copy | None = find_complete(card, _expanded(data_root))
    else:
        copy = find(card)
        if download and (copy is None or incomplete(card, copy)):
            from bench.data.fetch import get

            copy = get(card)
    if copy is None:
        also = ", or run with --download" if card.sources else ""
        raise DatasetError(f"{card.name} is not here; {how_to_get(card)}{also}")
    if problem := incomplete(card, copy):
        raise DatasetError(f"{card.name}: {problem}; {how_to_get(card)}")
    return Dataset(
        name=card.name,
        title=card.label,
        images=tuple(ImageFile(name, path) for name, path in copy.files.items()),
        reference=card.reference,
        licence=card.licence,
        folder=copy.folder,
    )


def _from_folder(folder: Path) -> Dataset:
    root = folder.resolve()
    found = [
        ImageFile(path.relative_to(root).as_posix(), path)
        for path in _walk(root, {root})
        if path.suffix.lower() in SUFFIXES
    ]
    if not found:
        known = " ".join(sorted(SUFFIXES))
        raise DatasetError(f"{folder} holds no image, nor do its subfolders; read are: {known}")
    found.sort(key=lambda image: natural_key(image.name))
    name = root.name or "root"
    return Dataset(name, name, tuple(found), folder=root)


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield the files below `folder`; links to folders are followed, each folder once."""
    try:
        entries = sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and path.name != "__MACOSX"
        )
        folders = {path: path.resolve() for path in entries if path.is_dir()}
        files = [path for path in entries if path not in folders and path.is_file()]
    except OSError as error:
        raise DatasetError(f"{folder}: can't be read: {error.strerror}") from None
    yield from files
    for path, real in folders.items():
        if real not in seen:
            seen.add(real)
            yield from _walk(path, seen)


def select_images(dataset: Dataset, images: str | int) -> Dataset:
    """Return the data set with the images that `images` selects; see load_dataset.

    Raises UsageError where it selects none.
    """
    count = _as_count(images)
    if count is not None:
        if count < 1:
            raise UsageError(f"images: at least 1 must be measured, not {count}")
        if count > len(dataset.images):
            log.info("%s has only %d images, not %d", dataset.name, len(dataset.images), count)
        return replace(dataset, images=dataset.images[:count])
    text = str(images)
    chosen = _matching(dataset, [text])
    if not chosen and "," in text:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        for part in parts:
            if not _matching(dataset, [part]):
                raise UsageError(_selects_nothing(dataset, part))
        chosen = _matching(dataset, parts)
    if not chosen:
        raise UsageError(_selects_nothing(dataset, text))
    return replace(dataset, images=chosen)


def _as_count(images: str | int) -> int | None:
    """Return N where `images` means the first N: "0801" is the name of an image, 801 is not."""
    if isinstance(images, int):
        return int(images)
    return int(images) if images.isascii() and images.isdecimal() and images[0] != "0" else None


def _matching(dataset: Dataset, patterns: list[str]) -> tuple[ImageFile, ...]:
    return tuple(
        image
        for image in dataset.images
        if any(fnmatchcase(name, pattern) for pattern in patterns for name in _names(image))
    )


def _names(image: ImageFile) -> tuple[str, ...]:
    """Return what an image may be called: with folder and ending, or without either."""
    last = image.name.rpartition("/")[2]
    stem = last.rpartition(".")[0]
    return image.name, last, stem


def _selects_nothing(dataset: Dataset, pattern: str) -> str:
    names = [image.name for image in dataset.images]
    near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.5) or names[:3]
    return (
        f"images: {pattern!r} matches none of the {len(names):,} images of {dataset.name}, "
        f"which are called like {', '.join(near)}"
    )

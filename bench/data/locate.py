"""Finding a data set's files on disk, and saying what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from os import scandir
from pathlib import Path, PurePosixPath

from bench import paths
from bench.data.cards import DatasetCard
from bench.data.dataset import natural_key
from bench.errors import DatasetError
from bench.image import SUFFIXES


@dataclass(frozen=True)
class Copy:
    """The files of a data set in a folder, by name in natural order; maybe not all of them."""

    folder: Path
    files: dict[str, Path]


def home_of(name: str) -> Path:
    """Return the folder that the data set `name` is downloaded to (not created)."""
    return paths.data_dir() / "datasets" / name


def find_copy(card: DatasetCard, root: Path) -> Copy | None:
    """Return the best copy of a data set in or right below `root`, or None.

    Looked at are `root` itself, `root`/NAME, and the places where the publisher's archive puts the
    images, below either. The one with most of the files is taken, the first of equals.
    """
    best: Copy | None = None
    for folder in _places(card, root):
        files = _matching(card, folder)
        if files and (best is None or len(files) > len(best.files)):
            best = Copy(folder, files)
    return best


def find_complete(card: DatasetCard, root: Path) -> Copy:
    """Return a whole copy of a data set in or right below `root`.

    Raises
    ------
    DatasetError : no file of it is there, some are missing, or there are more than there should
        be; names the folder and the first few files.
    """
    copy = find_copy(card, root)
    if copy is None:
        if not root.is_dir():
            raise DatasetError(f"{card.name}: there is no folder {root}")
        below = ", ".join(str(PurePosixPath(place)) for place in (card.name, *card.layouts))
        raise DatasetError(
            f"{card.name}: {root} holds none of its {card.count:,} images ({_looked_for(card)}), "
            f"neither itself nor in {below} below it"
        )
    if problem := incomplete(card, copy):
        raise DatasetError(f"{card.name}: {problem}")
    return copy


def incomplete(card: DatasetCard, copy: Copy) -> str:
    """Return what is wrong with the names and the number of the files, or ""."""
    expected, found = card.count, len(copy.files)
    if found == expected:
        return ""
    if found > expected:
        return (
            f"{copy.folder} holds {found:,} images that match {card.pattern!r}, "
            f"{found - expected:,} more than the data set's {expected:,}"
        )
    problem = f"{copy.folder} holds {found:,} of the {expected:,} images"
    if card.names is not None:
        missing = [name for name in card.names if name not in copy.files]
        problem += f"; missing: {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}"
    return problem


def _looked_for(card: DatasetCard) -> str:
    names = card.names
    if names is None:
        return card.pattern
    return f"{names[0]} … {names[-1]}" if len(names) > 1 else names[0]


def _places(card: DatasetCard, root: Path) -> list[Path]:
    bases = [root, root / card.name]
    return [base / place for base in bases for place in ("", *card.layouts)]


def _matching(card: DatasetCard, folder: Path) -> dict[str, Path]:
    """Return the card's files in `folder`; by name, so that both layouts of a set look the same."""
    files = _files(folder, card.subfolders)
    names = None if card.names is None or not files else frozenset(card.names)
    found: dict[str, Path] = {}
    for path in files:
        if belongs(card, path.name, names):
            if path.name in found:
                raise DatasetError(
                    f"{card.name}: {path.name} is there twice: {found[path.name]} and {path}"
                )
            found[path.name] = path
    return {name: found[name] for name in sorted(found, key=natural_key)}


def belongs(card: DatasetCard, name: str, names: frozenset[str] | None) -> bool:
    """Whether a file of this name is one of the data set's; `names`, those that the card knows."""
    if names is not None:
        return name in names
    return (
        not name.startswith(".")
        and PurePosixPath(name).suffix.lower() in SUFFIXES
        and fnmatchcase(name, card.pattern)
    )


def _files(folder: Path, subfolders: bool) -> list[Path]:
    """Return the files in `folder`, and those one level deeper where `subfolders` says so."""
    try:
        with scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        files = [Path(entry.path) for entry in listed if entry.is_file()]
        folders = [Path(entry.path) for entry in listed if subfolders and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DatasetError(f"{folder}: can't be read: {error.strerror}") from None
    for below in folders:
        if not below.name.startswith("."):
            files.extend(_files(below, subfolders=False))
    return files

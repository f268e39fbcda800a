"""What a data set's card says: which files, how many, where they come from, under what terms."""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, model_validator

from bench.cards import Card

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path:
        raise ValueError("a path below the data set's folder, with '/' between its parts")
    return path


def _plain_name(name: str) -> str:
    if PurePosixPath(name).name != name or "\\" in name or ":" in name or name.startswith("."):
        raise ValueError("a plain file name")
    return name


class Source(BaseModel):
    """An archive that holds the whole data set, and what its publisher says of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+/\S+$")]
    #: Bytes, where published.
    size: PositiveInt | None = None
    #: Where none is published, the digest of the first download is pinned.
    sha256: Sha256 | None = None
    #: Told by the URL's ending if left out; "tar" may be compressed in any way.
    archive: Literal["zip", "tar"]

    @model_validator(mode="before")
    @classmethod
    def _told_by_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and "archive" not in values:
            path = str(values.get("url")).partition("?")[0].lower()
            if path.endswith(".zip"):
                return {**values, "archive": "zip"}
            if path.endswith(_TAR):
                return {**values, "archive": "tar"}
        return values


class Numbered(BaseModel):
    """File names that count up: ``name: "{:04}.png"``, first 801, last 900."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[^{}/\\:]*\{:0\d\}[^{}/\\:]*$")]
    first: Annotated[int, Field(ge=0)]
    last: Annotated[int, Field(ge=0)]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return _count_up(self.name, self.first, self.last)


@cache
def _count_up(name: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(name.format(number) for number in range(first, last + 1))


class DatasetCard(Card):
    """One data set.

    Its files are those that `digests` names, or those that `numbered` counts, or `count` files
    that match `pattern`.
    """

    #: How many images it has.
    count: PositiveInt
    #: A glob over file names.
    pattern: Annotated[str, Field(min_length=1)] = "*"
    numbered: Numbered | None = None
    #: SHA-256 of each file.
    digests: dict[Annotated[str, AfterValidator(_plain_name)], Sha256] = Field(default_factory=dict)
    #: Where the images lie below the folder that an archive unpacks to, the published place first.
    layouts: tuple[Annotated[str, AfterValidator(_inside)], ...] = ()
    #: Whether copies with the images in subfolders (one per class) are in use too.
    subfolders: bool = False
    #: The folder that ships or exists already, relative to the card's file.
    root: str = ""
    #: Archives, each with the whole set; the first that can be had is taken.
    sources: tuple[Source, ...] = ()
    #: How to get it where it can't be downloaded.
    access: str = ""
    homepage: str = ""
    licence: str = ""
    #: Size of the download, for the list.
    size: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> DatasetCard:
        if self.digests and self.numbered:
            raise ValueError("numbered: left out where digests name the files")
        names = self.names
        if names is not None and len(names) != self.count:
            raise ValueError(f"count: {self.count}, but {len(names)} files are named")
        if not (self.root or self.sources or self.access):
            raise ValueError("one of root, sources or access must say where the files are")
        return self

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of all files where the card knows them, else None."""
        if self.digests:
            return tuple(self.digests)
        return self.numbered.names if self.numbered else None

    @property
    def shipped(self) -> Path | None:
        """The folder beside the card, or None where the card names none."""
        return Path(self.source).parent / self.root if self.root else None

"""The checkpoints that a learned codec's card names: where they are, how they come here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlparse

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench import paths
from bench.cards import CardPath
from bench.errors import CodecError, DownloadError, UnavailableError


class Checkpoint(BaseModel):
    """Weights: a file beside the card, or a URL with the digest of what it must bring."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: A path; a relative one is looked up beside the card.
    file: CardPath | None = None
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    #: SHA-256 in hexadecimal, or its first digits (8 at least) where no more is published.
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.url is None):
            raise ValueError("either a file or a url was expected")
        if self.url and not self.sha256:
            raise ValueError("a url needs the sha256 (8 digits at least) of what it must bring")
        return self

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.file.name if self.file else Path(urlparse(str(self.url)).path).name

    @property
    def path(self) -> Path:
        """Where the file is, or will be once it has been fetched."""
        if self.file:
            return self.file
        return paths.data_dir() / "checkpoints" / f"{self.sha256}-{self.name}"

    def digest(self) -> str:
        """Return the SHA-256 of the file.

        Raises
        ------
        UnavailableError : there is no such file.
        CodecError : it is not the file that the card names.
        """
        from bench.models.checkpoint import digest

        try:
            found = digest(self.path)
        except OSError as error:
            raise UnavailableError(f"{self.path} can't be read: {error.strerror}") from None
        if self.sha256 and not found.startswith(self.sha256):
            raise CodecError(
                f"{self.path} is not the checkpoint of the card: its SHA-256 is {found}, expected "
                f"was {self.sha256}…; delete it and get it again"
            )
        return found

    def fetch(self) -> None:
        """Download the file, verify it and put it in its place. Raises DownloadError."""
        from bench.data.download import download

        if self.url is None or self.sha256 is None:
            raise DownloadError(f"{self.path} is missing, and its card names no URL")
        target = self.path
        arriving = target.with_name(f"{target.name}.unverified")
        full = self.sha256 if len(self.sha256) == 64 else None
        fetched = download(self.url, arriving, sha256=full, label=self.name)
        if not fetched.sha256.startswith(self.sha256):
            arriving.unlink()
            raise DownloadError(
                f"{self.url}: the SHA-256 is {fetched.sha256}, expected was {self.sha256}…; what "
                "was downloaded is deleted"
            )
        arriving.replace(target)

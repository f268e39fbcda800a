"""Getting a data set of the catalogue: download, unpack, verify, and only then in its place."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

from bench.data.archive import unpack
from bench.data.cards import DatasetCard, Source
from bench.data.download import Fetched, download, file_digest, one_at_a_time, writing
from bench.data.locate import Copy, find_complete, find_copy, home_of, incomplete
from bench.errors import DatasetError, DownloadError

log = logging.getLogger("bench")


def get(card: DatasetCard) -> Copy:
    """Download a data set into the user's data folder, unless it is there already.

    Its sources are tried in order. Safe to call from several processes at once, and to interrupt:
    a download is resumed, unpacking starts anew.

    Raises
    ------
    DatasetError : the card names no source; says how to get the data set.
    DownloadError : no source brought it, or what it brought is not what the card or an earlier
        download promises.
    """
    home = home_of(card.name)
    if not card.sources:
        raise DatasetError(
            f"{card.name} can't be downloaded; {card.access or 'its card names no source'}"
        )
    with writing(home), one_at_a_time(home.with_name(f".{card.name}.lock"), card.name):
        copy = find_copy(card, home)
        if copy and not incomplete(card, copy):
            return copy
        failures = []
        for source in card.sources:
            try:
                return _get_from(source, card, home)
            except DownloadError as error:
                failures.append(str(error))
                if source is not card.sources[-1]:
                    log.info("%s; trying the next source", error)
        raise DownloadError("; ".join(failures))


def _get_from(source: Source, card: DatasetCard, home: Path) -> Copy:
    pins = _Pins(home.parent / "digests.json")
    archive = home.parent / ".downloads" / f"{card.name}.{source.archive}"
    fetched = download(source.url, archive, size=source.size, sha256=source.sha256, label=card.name)
    pinned = pins.get(source.url)
    if pinned not in {None, fetched.sha256}:
        archive.unlink()
        raise DownloadError(
            f"{source.url}: the SHA-256 is {fetched.sha256}, but at the first download it was "
            f"{pinned}; if its publisher has changed the file, delete the entry in {pins.path}"
        )
    try:
        _unpack(archive, source, card, home)
    except DownloadError:
        archive.unlink()  # it arrived as published, but is of no use
        raise
    pins.pin(source.url, fetched)
    archive.unlink()
    return find_complete(card, home)


def _unpack(archive: Path, source: Source, card: DatasetCard, home: Path) -> None:
    """Unpack beside `home`, verify, and move into its place."""
    log.info("unpacking %s", card.name)
    fresh = home.with_name(f".{card.name}.unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        unpack(archive, source.archive, card, fresh)
        try:
            copy = find_complete(card, fresh)
        except DatasetError as error:
            raise DownloadError(f"{source.url}: {error}") from None
        for name, expected in card.digests.items():
            if file_digest(copy.files[name]) != expected:
                raise DownloadError(f"{source.url}: {name} in it is not the file of the card")
        if home.exists():
            shutil.rmtree(home)  # an incomplete copy
        fresh.rename(home)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class _Pins:
    """The digests of first downloads, by URL, in a file beside the data sets."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, url: str) -> str | None:
        """Return the digest of the first download from `url`, or None."""
        known = self._read().get(url)
        return None if known is None else str(known.get("sha256"))

    def pin(self, url: str, fetched: Fetched) -> None:
        """Remember a first download."""
        with one_at_a_time(self.path.with_name(".digests.lock"), str(self.path)):
            pins = self._read()
            if url in pins:
                return
            pins[url] = {
                "sha256": fetched.sha256,
                "size": fetched.size,
                "date": datetime.now(UTC).date().isoformat(),
            }
            fresh = self.path.with_name(f".{self.path.name}.new")
            fresh.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n", "utf-8")
            fresh.replace(self.path)

    def _read(self) -> dict[str, dict[str, object]]:
        try:
            pins = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise DownloadError(
                f"{self.path} is no JSON: it pins the digests of earlier downloads; mend or "
                "delete it"
            ) from None
        if not isinstance(pins, dict) or not all(isinstance(pin, dict) for pin in pins.values()):
            raise DownloadError(f"{self.path} does not hold pinned digests; mend or delete it")
        return pins

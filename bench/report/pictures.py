"""Pictures of a report: what each codec makes of an image at matched rates.

The pictures are not kept by a run. They are decoded again from its bitstreams, which the cache
keeps by their SHA-256, and each is checked against the run: a picture whose PSNR is not the
recorded one is not shown. What can't be shown is left out with its reason.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench import paths
from bench.cards import CodecCard, parse_card
from bench.data.load import load_dataset
from bench.engine.store import Blobs
from bench.errors import BenchError
from bench.image import Image, read_image
from bench.registry import codecs as codec_registry
from bench.report.decoder import Decoders
from bench.report.matching import Choice, choose, evenly
from bench.report.merge import Origin, Section

Pixels = npt.NDArray[np.uint8]

#: Images with pictures, at most, and seconds of decoding that they may take.
MOST_IMAGES = 24
MOST_SECONDS = 90.0
#: dB between the PSNR in results.csv and that of the picture decoded here.
TOLERANCE = 0.01
#: Seconds that one picture may take: so many, and so many times what the run needed.
_MOST_TIME, _MOST_TIMES = 20.0, 10.0


#: An image's name, the target rate of each band, and its pictures.
Planned = tuple[str, dict[str, float], list[Choice]]


@dataclass(frozen=True, eq=False)
class ImagePictures:
    """An image and its decoded pictures, each of shape (height, width, 3), uint8."""

    image: str
    original: Pixels
    targets: Mapping[str, float]
    pictures: tuple[tuple[Choice, Pixels], ...]


@dataclass(eq=False)
class Gallery:
    """Decodes the pictures of one data set, image by image; collects why some are missing.

    Parameters
    ----------
    cards : of codecs that are in no catalogue (a user's own file), by name.
    processes : pictures that are decoded at once, where as many threads ask.
    """

    section: Section
    cards: Mapping[str, CodecCard] = field(default_factory=dict)
    processes: int = 1
    missing: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._decoders = Decoders(self.processes)

    def plan(self, most: int = MOST_IMAGES) -> list[Planned]:
        """Return what the images that will be shown are shown with.

        Of more than `most` images, or of those that would take too long to decode, some are
        taken evenly from the whole list.
        """
        frame = self.section.results.frame
        done = frame[(frame["status"] == "ok") & (frame["bitstream_sha256"] != "")]
        names = evenly(sorted(done["image"].unique()), most)
        # Thousands of images are not taken apart for the few that are shown.
        shown = done[done["image"].isin(names)].groupby("image")
        groups = {str(name): rows for name, rows in shown}
        while len(names) > 1:
            chosen = [(name, *choose(groups[name])) for name in names]
            seconds = sum(choice.decode_s for _, _, choices in chosen for choice in choices)
            if seconds <= MOST_SECONDS:
                return chosen
            names = evenly(names, max(1, int(len(names) * MOST_SECONDS / seconds)))
        return [(name, *choose(groups[name])) for name in names]

    def decode(
        self, image: str, targets: dict[str, float], choices: Sequence[Choice]
    ) -> ImagePictures | None:
        """Return an image's pictures; None where the original or all of them are missing.

        May be asked for several images at once, by a thread each.
        """
        original = self._original(image)
        if original is None:
            return None
        decoded = [(choice, self._picture(choice, original)) for choice in choices]
        there = tuple((choice, pixels) for choice, pixels in decoded if pixels is not None)
        return ImagePictures(image, original.pixels, targets, there) if there else None

    def close(self) -> None:
        """End the processes that decode."""
        self._decoders.close()

    def _original(self, name: str) -> Image | None:
        frame = self.section.results.frame
        digest = frame["image_sha256"][frame["image"] == name].iloc[0]
        for path in self._files.get(name, ()):
            try:
                image = read_image(path)
            except BenchError:
                continue
            if image.digest == digest:
                return image
        self._miss("the original image is not here, or has changed since the run")
        return None

    @cached_property
    def _files(self) -> Mapping[str, Sequence[Path]]:
        """Where the originals may lie, by name."""
        return _find_images(self.section)

    def _picture(self, choice: Choice, original: Image) -> Pixels | None:
        origin = self.section.origins[choice.codec]
        bitstream = _read_blob(origin.run.folder, choice.bitstream_sha256)
        if bitstream is None:
            self._miss(f"{choice.codec}: the bitstream is no longer in the cache")
            return None
        try:
            pixels = self._decoders.decode(
                choice.codec,
                self._card(origin),
                bitstream,
                _MOST_TIME + _MOST_TIMES * choice.decode_s,
            )
        except BenchError as error:
            self._miss(f"{choice.codec}: picture could not be decoded: {error}")
            return None
        if pixels.shape != original.pixels.shape or not _same(choice, original.pixels, pixels):
            self._miss(f"{choice.codec}: decodes to other pixels here than in the run")
            return None
        return pixels

    def _miss(self, why: str) -> None:
        with self._lock:
            self.missing[why] += 1

    def _card(self, origin: Origin) -> CodecCard:
        """Return the codec's card: as given, as the run kept it, or as the catalogue has it.

        Where the codec has changed since the run it may still decode; the PSNR tells.
        """
        if origin.codec in self.cards:
            return self.cards[origin.codec]
        kept = origin.run.codec_info(origin.codec)
        if "card" in kept:
            return parse_card(CodecCard, kept["card"], str(kept.get("card_file", "")))
        return codec_registry().get(origin.codec)


def _same(choice: Choice, original: Pixels, pixels: Pixels) -> bool:
    """Whether the picture has the PSNR that was recorded; True where none was measured."""
    if math.isnan(choice.psnr):
        return True
    error = np.mean((original.astype(np.float64) - pixels) ** 2)
    psnr = math.inf if error == 0 else 10 * math.log10(255**2 / error)
    return psnr == choice.psnr or abs(psnr - choice.psnr) <= TOLERANCE


def _read_blob(folder: Path, digest: str) -> bytes | None:
    """Return a bitstream from the run's own store (--no-cache, timing) or from the cache."""
    for place in (folder / ".store" / "blobs", paths.cache_dir() / "blobs"):
        if (found := Blobs(place).read(digest)) is not None:
            return found
    return None


def _find_images(section: Section) -> dict[str, list[Path]]:
    """Return where each image may lie: as the run says, and as the catalogue knows it."""
    places: list[str | Path] = []
    for run in {id(o.run): o.run for o in section.origins.values()}.values():
        described = run.info.get("dataset", {})
        places += [Path(str(described["folder"]))] if described.get("folder") else []
        places += [str(described["name"])] if described.get("name") else []
    found: dict[str, list[Path]] = {}
    for place in dict.fromkeys(places):
        try:
            dataset = load_dataset(place)
        except BenchError:
            continue
        for image in dataset.images:
            found.setdefault(image.name, []).append(image.path)
    return found

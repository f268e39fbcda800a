"""Cutting and encoding the pictures of a report within a number of bytes.

Each image is shown by one crop at full resolution, the same for every codec: where the codecs'
errors differ most. Crops are embedded without loss where they fit; otherwise as AVIF 4:4:4, and
the report says how far these are from the pictures they stand for.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.engine.environment import usable_cores
from bench.report.matching import Choice, evenly
from bench.report.pictures import ImagePictures, Pixels


@dataclass(frozen=True)
class Grade:
    """How pictures are embedded: side of the crop in pixels, AVIF quality (0: lossless WebP), and
    how many bands of rate, lowest first.
    """

    side: int
    quality: int
    bands: int

    @property
    def words(self) -> str:
        """What a reader is told."""
        if not self.quality:
            return "lossless (WebP)"
        return f"re-compressed for this page (AVIF 4:4:4, quality {self.quality} of 100)"


#: From best to smallest: the first that fits is taken.
GRADES = (
    Grade(320, 0, 3), Grade(256, 0, 3), Grade(320, 95, 3), Grade(256, 95, 3), Grade(256, 90, 3),
    Grade(256, 90, 2), Grade(256, 85, 2), Grade(224, 85, 2), Grade(224, 80, 1),
)  # fmt: skip
_LARGEST = GRADES[0].side
_PREVIEW = 320
#: Pictures that are encoded to tell how many bytes all of them would take.
_SAMPLE = 10


@dataclass(frozen=True)
class EmbeddedPicture:
    """A crop as a data URI."""

    choice: Choice
    uri: str


@dataclass(frozen=True)
class EmbeddedImage:
    """An image's crops: `box` is (left, top, width, height) in pixels of the image."""

    image: str
    width: int
    height: int
    box: tuple[int, int, int, int]
    preview: str
    original: str
    targets: dict[str, float]
    pictures: tuple[EmbeddedPicture, ...]


@dataclass(frozen=True)
class Embedded:
    """All pictures of a data set.

    Parameters
    ----------
    grade : how they are embedded.
    error : mean absolute difference, in grey levels of 255, between the crops as embedded and the
        decoded pictures: mean and largest over all crops. Zero where they are lossless.
    """

    images: tuple[EmbeddedImage, ...]
    grade: Grade
    error: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Crops:
    """The largest crops of one image that a grade may ask for; smaller ones are their centres."""

    image: str
    size: tuple[int, int]
    corner: tuple[int, int]
    preview: bytes
    original: Pixels
    targets: dict[str, float]
    pictures: tuple[tuple[Choice, Pixels], ...]


def cut(pictures: ImagePictures) -> Crops:
    """Cut the window in which the codecs' errors differ most out of an image and its pictures."""
    height, width = pictures.original.shape[:2]
    side = min(_LARGEST, height), min(_LARGEST, width)
    top, left = _window(pictures, side)
    window = np.s_[top : top + side[0], left : left + side[1]]
    return Crops(
        image=pictures.image,
        size=(width, height),
        corner=(left, top),
        preview=_preview(pictures.original),
        original=pictures.original[window].copy(),
        targets=dict(pictures.targets),
        pictures=tuple((choice, pixels[window].copy()) for choice, pixels in pictures.pictures),
    )


def embed(crops: Sequence[Crops], budget: int) -> Embedded | None:
    """Encode crops in at most `budget` bytes of data URIs; None where not one image fits.

    The best grade that fits is taken; where not even the smallest does, fewer images are.
    """
    crops = list(crops)
    density = {grade.quality: _density(crops, grade) for grade in GRADES} if crops else {}
    for grade in GRADES:
        embedded = _within(crops, grade, density, budget)
        if embedded is not None:
            return embedded
    while len(crops) > 1:
        # Rather fewer images than worse ones.
        crops = evenly(crops, len(crops) - max(1, len(crops) // 8))
        embedded = _within(crops, GRADES[-1], density, budget)
        if embedded is not None:
            return embedded
    return None


def _within(
    crops: Sequence[Crops], grade: Grade, density: dict[int, float], budget: int
) -> Embedded | None:
    """Return the crops at a grade where they fit; what plainly does not fit is not encoded."""
    pixels = sum(_centre(p, grade.side)[0].size // 3 for _, p in _wanted(crops, grade))
    previews = sum(len(crop.preview) for crop in crops)
    if not crops or 4 / 3 * (0.9 * density[grade.quality] * pixels + previews) > budget:
        return None
    embedded = _encode_all(crops, grade)
    return embedded if _bytes(embedded.images) <= budget else None


def _window(pictures: ImagePictures, side: tuple[int, int]) -> tuple[int, int]:
    """Return top and left of the window with the largest spread of the codecs' RMS errors.

    Judged in the middle band, or the first where there is none.
    """
    bands = list(pictures.targets)
    band = "medium" if "medium" in bands else bands[0]
    chosen = [p for choice, p in pictures.pictures if choice.band == band]
    chosen = chosen or [p for _, p in pictures.pictures]
    errors = np.stack([_rms(pictures.original, pixels, side) for pixels in chosen])
    spread = errors.std(axis=0) if len(errors) > 1 else errors[0]
    row, column = np.unravel_index(int(np.argmax(spread)), spread.shape)
    return int(row) * _STEP, int(column) * _STEP


#: Pixels between two windows that are tried.
_STEP = 16


def _rms(original: Pixels, pixels: Pixels, side: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the RMS error inside every window on a grid of 16 pixels."""
    error = ((original.astype(np.float64) - pixels) ** 2).mean(axis=2)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = side
    sums = (
        total[height:, width:]
        - total[:-height, width:]
        - total[height:, :-width]
        + total[:-height, :-width]
    )
    return np.asarray(np.sqrt(np.maximum(sums[::_STEP, ::_STEP], 0) / (height * width)))


def _preview(pixels: Pixels) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((_PREVIEW, _PREVIEW), Image.Resampling.LANCZOS)
    return _saved(image, "WEBP", quality=75)


def _centre(pixels: Pixels, side: int) -> tuple[Pixels, int, int]:
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side], left, top


def _encode(pixels: Pixels, grade: Grade) -> bytes:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(_centre(pixels, grade.side)[0]))
    if not grade.quality:
        return _saved(image, "WEBP", lossless=True, quality=40, method=3)
    return _saved(image, "AVIF", quality=grade.quality, subsampling="4:4:4", speed=9, max_threads=1)


def _saved(image: object, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[attr-defined]
    return stream.getvalue()


def _density(crops: Sequence[Crops], grade: Grade) -> float:
    """Return about how many bytes a pixel takes, from a few of the pictures."""
    pictures = [pixels for _, pixels in _wanted(crops, grade)]
    some = pictures[:: math.ceil(len(pictures) / _SAMPLE)]
    taken = sum(len(_encode(pixels, grade)) for pixels in some)
    return taken / sum(_centre(pixels, grade.side)[0].size // 3 for pixels in some)


def _wanted(crops: Iterable[Crops], grade: Grade) -> list[tuple[Choice | None, Pixels]]:
    """Return what is embedded, image by image: the original (without a choice), then the codecs."""
    wanted: list[tuple[Choice | None, Pixels]] = []
    for crop in crops:
        bands = list(crop.targets)[: grade.bands]
        wanted.append((None, crop.original))
        wanted += [(c, pixels) for c, pixels in crop.pictures if c.band in bands]
    return wanted


def _encode_all(crops: Sequence[Crops], grade: Grade) -> Embedded:
    with ThreadPoolExecutor(usable_cores()) as pool:
        wanted = _wanted(crops, grade)
        encoded = list(pool.map(lambda item: _encode(item[1], grade), wanted))
        errors = [0.0]
        if grade.quality:
            pairs = [(data, pixels) for data, (_, pixels) in zip(encoded, wanted, strict=True)]
            errors = list(pool.map(lambda pair: _difference(pair[0], pair[1], grade), pairs))
    kind = "avif" if grade.quality else "webp"
    uris = iter([_uri(data, kind) for data in encoded])
    images = []
    for crop in crops:
        mine = _wanted([crop], grade)
        (_, original), *others = [(choice, next(uris)) for choice, _ in mine]
        region, left, top = _centre(crop.original, grade.side)
        bands = list(crop.targets)[: grade.bands]
        images.append(
            EmbeddedImage(
                image=crop.image,
                width=crop.size[0],
                height=crop.size[1],
                box=(crop.corner[0] + left, crop.corner[1] + top, region.shape[1], region.shape[0]),
                preview=_uri(crop.preview, "webp"),
                original=original,
                targets={band: crop.targets[band] for band in bands},
                pictures=tuple(EmbeddedPicture(c, uri) for c, uri in others if c is not None),
            )
        )
    return Embedded(tuple(images), grade, (float(np.mean(errors)), float(np.max(errors))))


def _difference(data: bytes, pixels: Pixels, grade: Grade) -> float:
    """Return the mean absolute difference of a crop as embedded, in grey levels."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert("RGB"), np.float64)
    return float(np.abs(shown - _centre(pixels, grade.side)[0]).mean())


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _bytes(images: Iterable[EmbeddedImage]) -> int:
    return sum(
        len(image.preview) + len(image.original) + sum(len(p.uri) for p in image.pictures)
        for image in images
    )

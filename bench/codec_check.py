"""Does a codec keep the contract? A line per promise.

Everything runs in processes of their own (:mod:`bench.trial`), so a codec that hangs or crashes
fails its line and the others are still checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import paths
from bench.cards import CodecCard
from bench.codec import Quality
from bench.errors import UsageError
from bench.image import Image, read_image
from bench.trial import Answer, Decode, Encode, run_calls

#: Seconds that one call may take.
DEFAULT_LIMIT = 60.0
#: Rows and columns that codecs stumble over: one pixel, odd, less than a block, a thin strip.
ODD_SIZES = ((1, 1), (17, 33), (3, 64), (65, 7))
#: How far rate (relative) and PSNR (dB) may fall from one setting to the next better one.
RATE_SLACK = 0.01
PSNR_SLACK = 0.1


@dataclass(frozen=True)
class Finding:
    """One promise and whether it is kept."""

    promise: str
    kept: bool
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as values."""
        return asdict(self)


def check_codec(
    card: CodecCard, image: Path | None = None, limit: float = DEFAULT_LIMIT
) -> Iterator[Finding]:
    """Yield a finding per promise of :class:`bench.Codec`, each as soon as it is known.

    Parameters
    ----------
    image : the sample; a crop of a Kodak image if left out.
    limit : seconds that one call may take.

    Raises
    ------
    ImageError : the sample is no image.
    """
    if not limit > 0:
        raise UsageError(f"the time limit must be a positive number of seconds, not {limit}")
    sample = read_image(image) if image else _sample()
    yield from _Check(card, sample, limit).run()


class _Check:
    def __init__(self, card: CodecCard, sample: Image, limit: float) -> None:
        self.card, self.sample, self.limit = card, sample, limit
        better = card.quality.better == "higher"
        #: From the worst setting to the best.
        self.settings: list[Quality] = sorted(card.quality.ladder, reverse=not better)
        self.middle = self.settings[len(self.settings) // 2]

    def run(self) -> Iterator[Finding]:
        odd = [_resized(self.sample, *shape) for shape in ODD_SIZES]
        samples = [Encode(self.sample, quality) for quality in self.settings]
        calls = [*samples, *samples, *(Encode(image, self.middle) for image in odd)]
        encoded = run_calls(self.card, calls, self.limit)
        n = len(samples)
        first, second, small = encoded[:n], encoded[n : 2 * n], encoded[2 * n :]
        yield (finding := self._bytes(first))
        if not finding.kept:
            return
        streams = [answer.value[0] for answer in first]
        again = run_calls(self.card, samples, self.limit)
        yield self._deterministic(streams, second, again)
        yield self._untouched([*first, *second])

        bad = _bad_streams(streams[self.settings.index(self.middle)])
        good = [*streams, *(_stream(answer) for answer in small)]
        answers = run_calls(
            self.card, [Decode(each) for each in (*good, *bad.values())], self.limit
        )
        decoded, odd_back, refused = answers[:n], answers[n : len(good)], answers[len(good) :]
        yield (finding := self._decodes(decoded))
        if finding.kept:
            pixels = [answer.value.pixels for answer in decoded]
            yield self._same_pixels(streams, pixels)
            yield self._ladder(streams, pixels)
        yield self._odd_sizes(odd, small, odd_back)
        yield self._refuses(list(bad), refused)
        yield self._in_time([*encoded, *again, *answers])

    def _bytes(self, answers: Sequence[Answer]) -> Finding:
        promise = "encode returns bytes at every setting"
        for quality, answer in zip(self.settings, answers, strict=True):
            if answer.error:
                return Finding(promise, False, f"at {quality}: {answer.error}")
            value = answer.value[0]
            if not isinstance(value, bytes) or not value:
                got = "no bytes at all" if value == b"" else f"a {type(value).__name__}"
                return Finding(promise, False, f"at {quality}: got {got}")
        sizes = [len(answer.value[0]) for answer in answers]
        return Finding(promise, True, f"{len(sizes)} settings, {min(sizes)} to {max(sizes)} bytes")

    def _deterministic(
        self, streams: list[bytes], second: Sequence[Answer], again: Sequence[Answer]
    ) -> Finding:
        promise = "the same image gives the same bytes, in another process too"
        for where, answers in (("a second time", second), ("in another process", again)):
            for quality, stream, answer in zip(self.settings, streams, answers, strict=True):
                if answer.error:
                    return Finding(promise, False, f"{where} at {quality}: {answer.error}")
                if answer.value[0] != stream:
                    return Finding(promise, False, f"other bytes {where} at {quality}")
        return Finding(promise, True)

    def _untouched(self, answers: Sequence[Answer]) -> Finding:
        changed = any(answer.value[1] for answer in answers if not answer.error)
        detail = "encode wrote into image.pixels: work on a copy" if changed else ""
        return Finding("encode leaves the image as it is", not changed, detail)

    def _decodes(self, answers: Sequence[Answer]) -> Finding:
        promise = "a fresh process decodes the bytes alone to an image of the same size"
        for quality, answer in zip(self.settings, answers, strict=True):
            if problem := _wrong_image(answer, self.sample):
                return Finding(promise, False, f"at {quality}: {problem}")
        return Finding(promise, True, f"{self.sample.width}x{self.sample.height}, 8-bit RGB")

    def _same_pixels(self, streams: list[bytes], pixels: list[Any]) -> Finding:
        promise = "with two threads the same bytes decode to the same pixels"
        calls = [Decode(stream) for stream in streams]
        answers = run_calls(self.card, calls, self.limit, threads=2)
        for quality, answer, known in zip(self.settings, answers, pixels, strict=True):
            if problem := _wrong_image(answer, self.sample):
                return Finding(promise, False, f"at {quality}: {problem}")
            if not np.array_equal(answer.value.pixels, known):
                return Finding(promise, False, f"other pixels at {quality}")
        return Finding(promise, True)

    def _ladder(self, streams: list[bytes], pixels: list[Any]) -> Finding:
        promise = f"rate and PSNR rise from {self.settings[0]} to {self.settings[-1]}"
        if len(self.settings) == 1:
            return Finding("rate and PSNR rise over the ladder", True, "one setting only")
        rates = [8 * len(stream) / (self.sample.width * self.sample.height) for stream in streams]
        values = [_psnr(self.sample.pixels, decoded) for decoded in pixels]
        if min(values) == math.inf:
            return Finding(promise, True, "lossless at every setting")
        detail = f"{rates[0]:.3f} to {rates[-1]:.3f} bpp, {values[0]:.2f} to {values[-1]:.2f} dB"
        for at in range(len(rates) - 1):
            step = f"from {self.settings[at]} to {self.settings[at + 1]}"
            if rates[at + 1] < rates[at] * (1 - RATE_SLACK):
                detail = f"{step} the rate falls: {rates[at]:.3f} to {rates[at + 1]:.3f} bpp"
                return Finding(promise, False, f"{detail}; is quality.better right?")
            if values[at + 1] < values[at] - PSNR_SLACK:
                detail = f"{step} PSNR falls: {values[at]:.2f} to {values[at + 1]:.2f} dB"
                return Finding(promise, False, f"{detail}; is quality.better right?")
        return Finding(promise, rates[-1] > rates[0] and values[-1] > values[0], detail)

    @staticmethod
    def _odd_sizes(images: list[Image], encoded: list[Answer], decoded: list[Answer]) -> Finding:
        shapes = [f"{image.width}x{image.height}" for image in images]
        promise = f"odd sizes come back: {', '.join(shapes)}"
        for shape, image, there, back in zip(shapes, images, encoded, decoded, strict=True):
            if there.error:
                return Finding(promise, False, f"encoding {shape}: {there.error}")
            if problem := _wrong_image(back, image):
                return Finding(promise, False, f"decoding {shape}: {problem}")
        return Finding(promise, True)

    @staticmethod
    def _refuses(names: list[str], answers: list[Answer]) -> Finding:
        promise = "empty, foreign and cut bitstreams raise BitstreamError"
        for name, answer in zip(names, answers, strict=True):
            if answer.kind == "returned":
                return Finding(promise, False, f"{name}: decoded without an error")
            if not answer.error.startswith("BitstreamError: "):
                return Finding(promise, False, f"{name}: {answer.error}")
        return Finding(promise, True)

    def _in_time(self, answers: Sequence[Answer]) -> Finding:
        slowest = max(answer.seconds for answer in answers)
        late = any(answer.kind == "hung" for answer in answers)
        promise = f"no call takes longer than {self.limit:g} s"
        return Finding(promise, not late, f"the slowest took {slowest:.2f} s")


def _sample() -> Image:
    folder = paths.catalogue("datasets") / "kodak"
    pixels = read_image(folder / "kodim23.png").pixels
    return Image(pixels[60:252, 120:376])


def _stream(answer: Answer) -> bytes:
    """Return what encode gave, or nothing where that was no bitstream."""
    stream = b"" if answer.error else answer.value[0]
    return stream if isinstance(stream, bytes) else b""


def _bad_streams(stream: bytes) -> dict[str, bytes]:
    """Return what no decoder may take for a bitstream of its own, by name."""
    return {
        "no bytes": b"",
        "one byte": stream[:1],
        "a text": b"This is no bitstream. " * 20,
        "random bytes": np.random.default_rng(0).bytes(len(stream)),
        "a bitstream cut to a tenth": stream[: len(stream) // 10],
        "a bitstream cut in half": stream[: len(stream) // 2],
        "a bitstream cut to nine tenths": stream[: len(stream) * 9 // 10],
    }


def _resized(image: Image, height: int, width: int) -> Image:
    """Return a crop of `image`, repeated where it is too small."""
    rows = np.arange(height) % image.height
    columns = np.arange(width) % image.width
    return Image(image.pixels[rows][:, columns])


def _wrong_image(answer: Answer, original: Image) -> str:
    if answer.error:
        return answer.error
    if not isinstance(answer.value, Image):
        return f"got a {type(answer.value).__name__}, a bench.Image was expected"
    if answer.value.pixels.shape != original.pixels.shape:
        return f"got {answer.value.width}x{answer.value.height}"
    return ""


def _psnr(one: Any, other: Any) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else math.inf

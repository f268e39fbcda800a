"""How a cell is measured: encode to bytes, decode from the bytes, check, compare.

Runs inside a worker process; everything that a codec or a metric can do wrong becomes a record
here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from bench.adapters.make import make_codec
from bench.cards import CodecCard
from bench.codec import Codec, Quality
from bench.engine.plan import PlannedImage, Timing
from bench.engine.store import Blobs
from bench.errors import BenchError, ContractError, ImageError
from bench.image import Image, read_image
from bench.metrics.measure import Measurer, Value

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Setup:
    """What a worker is told once."""

    cards: tuple[CodecCard, ...]
    metrics: tuple[str, ...]
    blobs: Path
    device: str = "cpu"
    threads: int = 1
    timing: Timing | None = None


@dataclass(frozen=True)
class Task:
    """One cell to measure.

    `metrics` are the names still to be computed; `bitstream` is the digest of a kept bitstream
    that stands in for encoding, or None.
    """

    index: int
    codec: int
    quality: Quality
    metrics: tuple[str, ...]
    bitstream: str | None = None


@dataclass(frozen=True)
class Group:
    """Cells of one image, which is read and prepared once for all of them."""

    image: PlannedImage
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class CellResult:
    """What became of a cell: a measurement, or the reason why there is none.

    Times in seconds: `encode_s` and `decode_s` around the codec's calls alone (the medians of
    `repeats` in the timing mode), `metric_s` for the metrics. `encoded` is False where a kept
    bitstream was used.
    """

    index: int
    error: str = ""
    n_bytes: int = 0
    bitstream_sha256: str = ""
    encode_s: float = 0.0
    decode_s: float = 0.0
    metric_s: float = 0.0
    values: dict[str, Value] = field(default_factory=dict)
    repeats: tuple[tuple[float, float], ...] = ()
    encoded: bool = True


class CellRunner:
    """Measures groups of cells with codecs and metrics that stay loaded.

    Parameters
    ----------
    setup : codecs, metrics and where bitstreams are kept.
    started : called with a cell's index before its codec is touched, so that whoever watches
        knows which cell to blame for a hang or a crash.
    """

    def __init__(self, setup: Setup, started: Callable[[int], None]) -> None:
        self._setup = setup
        self._started = started
        self._blobs = Blobs(setup.blobs)
        self._codecs: dict[int, Codec] = {}
        self._measurer: Measurer | None = None

    def run(self, group: Group) -> Iterator[CellResult]:
        """Yield the result of every cell of the group."""
        try:
            reference = self._read(group.image)
        except BenchError as error:
            for task in group.tasks:
                yield CellResult(task.index, error=_explain(error))
            return
        measure = self._time_all if self._setup.timing else self._measure_all
        yield from measure(group, reference)

    def close(self) -> None:
        """Close every codec."""
        for codec in self._codecs.values():
            codec.close()

    def _read(self, planned: PlannedImage) -> Image:
        image = read_image(planned.path)
        if image.digest != planned.sha256:
            raise ImageError(f"{planned.path} has changed since the run was planned")
        return image

    def _measure_all(self, group: Group, reference: Image) -> Iterator[CellResult]:
        for task in group.tasks:
            self._started(task.index)
            try:
                yield self._measure(task, reference)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (the worker's edge)
                yield CellResult(task.index, error=_explain(error))

    def _measure(self, task: Task, reference: Image) -> CellResult:
        codec = self._codec(task.codec)
        codec.prepare(task.quality)
        kept = self._blobs.read(task.bitstream) if task.bitstream else None
        if kept is None:
            bitstream, encode_s = self._encode(codec, reference, task.quality)
        else:
            bitstream, encode_s = kept, 0.0
        decoded, decode_s = self._decode(codec, bitstream, reference)
        # Bytes made anew may differ from the lost ones, so no value of those is kept.
        names = self._setup.metrics if kept is None and task.metrics else task.metrics
        begin = time.perf_counter()
        values = self._values(names, reference, decoded)
        return CellResult(
            task.index,
            n_bytes=len(bitstream),
            bitstream_sha256=self._blobs.write(bitstream),
            encode_s=encode_s,
            decode_s=decode_s,
            metric_s=time.perf_counter() - begin,
            values=values,
            encoded=kept is None,
        )

    def _time_all(self, group: Group, reference: Image) -> Iterator[CellResult]:
        """Time the cells in rounds, each in an order of its own: a slow moment of the machine hits
        all codecs alike, and what comes back regularly (a scheduler's time slice that is as long as
        a round) does not hit the same one each time.
        """
        timing = self._setup.timing
        assert timing is not None
        results: dict[int, CellResult] = {}
        times: dict[int, list[tuple[float, float]]] = {task.index: [] for task in group.tasks}
        for round_ in range(-timing.warmup, timing.repeats):
            tasks = Random(round_).sample(group.tasks, len(group.tasks))
            for task in tasks:
                if task.index in results and results[task.index].error:
                    continue
                self._started(task.index)
                try:
                    result = self._measure(
                        Task(task.index, task.codec, task.quality, ()), reference
                    )
                    _same_bytes(results.get(task.index), result)
                except (Exception, SystemExit) as error:  # noqa: BLE001  (the worker's edge)
                    result = CellResult(task.index, error=_explain(error))
                results[task.index] = result
                if round_ >= 0:
                    times[task.index].append((result.encode_s, result.decode_s))
        for task in group.tasks:
            self._started(task.index)
            yield self._with_metrics(task, reference, results[task.index], times[task.index])

    def _with_metrics(
        self, task: Task, reference: Image, result: CellResult, times: list[tuple[float, float]]
    ) -> CellResult:
        """Return a timed cell's result: median times, and metrics from its bitstream."""
        from statistics import median

        if result.error:
            return result
        scored = Task(task.index, task.codec, task.quality, task.metrics, result.bitstream_sha256)
        try:
            values = self._measure(scored, reference)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (the worker's edge)
            return CellResult(task.index, error=_explain(error))
        return CellResult(
            task.index,
            n_bytes=result.n_bytes,
            bitstream_sha256=result.bitstream_sha256,
            encode_s=median(encode for encode, _ in times),
            decode_s=median(decode for _, decode in times),
            metric_s=values.metric_s,
            values=values.values,
            repeats=tuple(times),
        )

    def _codec(self, number: int) -> Codec:
        if number not in self._codecs:
            codec = make_codec(self._setup.cards[number])
            codec.open(self._setup.device, self._setup.threads)
            self._codecs[number] = codec
        return self._codecs[number]

    def _encode(self, codec: Codec, image: Image, quality: Quality) -> tuple[bytes, float]:
        before = image.pixels.flags.writeable
        image.pixels.flags.writeable = False  # a codec that draws on its input would cheat
        self._synchronise()
        begin = time.perf_counter()
        try:
            bitstream = codec.encode(image, quality)
            self._synchronise()
            seconds = time.perf_counter() - begin
        finally:
            image.pixels.flags.writeable = before
        if not isinstance(bitstream, bytes):
            raise ContractError(f"encode must return bytes, not {type(bitstream).__name__}")
        if not bitstream:
            raise ContractError("encode returned no bytes")
        return bitstream, seconds

    def _decode(self, codec: Codec, bitstream: bytes, reference: Image) -> tuple[Image, float]:
        self._synchronise()
        begin = time.perf_counter()
        decoded = codec.decode(bitstream)
        self._synchronise()
        seconds = time.perf_counter() - begin
        if not isinstance(decoded, Image):
            raise ContractError(f"decode must return an Image, not {type(decoded).__name__}")
        if (decoded.height, decoded.width) != (reference.height, reference.width):
            raise ContractError(
                f"decode returned {decoded.width}×{decoded.height} pixels for an image of "
                f"{reference.width}×{reference.height}"
            )
        return decoded, seconds

    def _values(self, names: tuple[str, ...], reference: Image, decoded: Image) -> dict[str, Value]:
        if not names:
            return {}
        if self._measurer is None:
            self._measurer = Measurer(self._setup.metrics)
            self._measurer.open()
        self._measurer.reference(reference)
        return self._measurer.measure(decoded, names)

    def _synchronise(self) -> None:
        if self._setup.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self._setup.device)


def _same_bytes(first: CellResult | None, again: CellResult) -> None:
    if first and first.bitstream_sha256 != again.bitstream_sha256:
        raise ContractError("encode returned other bytes for the same image at the same setting")


def _explain(error: BaseException) -> str:
    """Return an error as one line: ours by their message, others with their type."""
    text = " ".join(str(error).split())[:500]
    if isinstance(error, BenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

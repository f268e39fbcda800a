"""What a codec is: bytes out, pixels back, nothing between them.

A codec is a class with :meth:`Codec.encode` and :meth:`Codec.decode`. Its constructor's keyword
arguments are the options of its cards, checked against their annotations. A codec that lives in
one file of its author's is declared by the :func:`declare_codec` decorator::

    import bench

    @bench.declare_codec("mine", ladder=[10, 30, 50, 70, 90])
    class Mine(bench.Codec):
        def encode(self, image, quality): ...
        def decode(self, bitstream): ...

and measured by ``bench run --codecs ./mine.py,jpeg --dataset kodak``.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bench.errors import CodecError

if TYPE_CHECKING:
    from bench.image import Image

#: A codec's rate setting: a JPEG quality, a QP, a CRF, a distance, a lambda's index.
Quality = int | float


@dataclass(frozen=True)
class Complexity:
    """What a learned codec costs on any machine, at one setting.

    Parameters
    ----------
    parameters : weights of the network that serves the setting.
    encode_kmac, decode_kmac : thousands of multiply-accumulate operations per pixel, entropy model
        included.
    analysis_kmac, synthesis_kmac : those of the transforms alone; None where they can't be told
        apart.
    encode_memory, decode_memory : megabytes that tensors take at most, per megapixel, weights not
        included; None where that was not measured.
    size : width and height of the picture it was measured on, ``"768x512"``.
    device : where it was measured; of influence on memory alone.
    """

    parameters: int
    encode_kmac: float
    decode_kmac: float
    analysis_kmac: float | None = None
    synthesis_kmac: float | None = None
    encode_memory: float | None = None
    decode_memory: float | None = None
    size: str = ""
    device: str = "cpu"

    @property
    def entropy_encode_kmac(self) -> float | None:
        """The entropy part of encoding: all but the analysis."""
        return None if self.analysis_kmac is None else self.encode_kmac - self.analysis_kmac

    @property
    def entropy_decode_kmac(self) -> float | None:
        """The entropy part of decoding: all but the synthesis."""
        return None if self.synthesis_kmac is None else self.decode_kmac - self.synthesis_kmac


class Codec(abc.ABC):
    """One compressor with its decompressor.

    The engine makes an instance per worker process, calls :meth:`open` once, then :meth:`encode`
    and :meth:`decode` any number of times, then :meth:`close`. `decode` may run in another process
    than `encode` did: it gets the bytes and nothing else.
    """

    def open(self, device: str = "cpu", threads: int = 1) -> None:  # noqa: B027
        """Load what is needed; never part of a timing.

        Parameters
        ----------
        device : "cpu", or a torch device such as "cuda:0" for codecs that can use it.
        threads : threads that one call of encode or decode may use.
        """

    @abc.abstractmethod
    def encode(self, image: Image, quality: Quality) -> bytes:
        """Compress `image` (8-bit RGB) at the setting `quality`; everything decoding needs is in
        the bytes returned. Raises :class:`~bench.errors.CodecError`.
        """

    @abc.abstractmethod
    def decode(self, bitstream: bytes) -> Image:
        """Return the image that `bitstream` holds, of the size of the original. Raises
        :class:`~bench.errors.BitstreamError` for bytes that are no such bitstream.
        """

    def decode_prefix(self, bitstream: bytes) -> Image:
        """Return the image that the first bytes of a progressive codec's bitstream hold, of the
        size of the original; the more bytes, the nearer. Raises
        :class:`~bench.errors.BitstreamError` for bytes that don't even hold the size, and
        :class:`~bench.errors.CodecError` where the codec is not progressive.
        """
        raise CodecError(f"{type(self).__name__} is not progressive: it decodes whole bitstreams")

    def close(self) -> None:  # noqa: B027
        """Release what :meth:`open` took."""

    def identity(self) -> Mapping[str, str]:
        """Return what can change a byte and is in neither card nor source: library versions,
        digests of binaries and checkpoints. Part of the cache's key. Available before `open`.
        """
        return {}

    def prepare(self, quality: Quality) -> None:  # noqa: B027
        """Load what the setting `quality` needs beyond :meth:`open`; never part of a timing.

        Called before :meth:`encode` and :meth:`decode` of a measurement; both must do without.
        """

    def complexity(
        self, quality: Quality, size: tuple[int, int] = (512, 768), device: str = "cpu"
    ) -> Complexity | None:
        """Return what the codec costs at the setting `quality` on a picture of `size` (height,
        width), None where that is not told (classical codecs).

        Called outside any timing and in a process of its own; loads what it needs.
        """
        return None

    def check_available(self) -> None:  # noqa: B027
        """Raise :class:`~bench.errors.UnavailableError` where something is missing that the
        card's `requires` can't express (a library built without this format). Cheap.
        """

    def fetch(self) -> None:  # noqa: B027
        """Download what :meth:`check_available` misses and the network has, such as weights; called
        only when the user asks for downloads. Raises :class:`~bench.errors.DownloadError`.
        """


CodecClass = TypeVar("CodecClass", bound=type[Codec])


def declare_codec(
    name: str,
    *,
    ladder: Sequence[Quality],
    better: Literal["higher", "lower"] = "higher",
    title: str = "",
    **fields: Any,
) -> Callable[[CodecClass], CodecClass]:
    """Declare a class as the codec `name`, in place of a card.

    Parameters
    ----------
    name : as given to ``--codecs``; lower case letters, digits, ``-``, ``_`` and ``.``.
    ladder : the settings that are measured by default.
    better : whether a higher or a lower setting means better quality.
    title : as shown in legends; the name if left out.
    fields : any further field of a card (`options`, `groups`, `requires`, `reference`, …).
    """

    def declare(cls: CodecClass) -> CodecClass:
        declared = dict(fields)
        quality = {"ladder": list(ladder), "better": better, **declared.pop("quality", {})}
        cls.__bench_card__ = {  # type: ignore[attr-defined]
            "name": name,
            "title": title or name,
            "adapter": f"{cls.__module__}:{cls.__qualname__}",
            "quality": quality,
            **declared,
        }
        return cls

    return declare

"""Learned codecs: a network, its checkpoints, and the bytes around what it writes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.adapters.checkpoints import Checkpoint
from bench.adapters.tensors import Padding, padded, to_pixels, to_tensor
from bench.adapters.weighted import WeightedCodec
from bench.cards import CardTarget
from bench.codec import Complexity, Quality
from bench.errors import CodecError
from bench.image import Image

if TYPE_CHECKING:
    from torch import Tensor

    from bench.entropy.container import Stream
    from bench.models.base import CompressionModel

Size = tuple[int, int]


class NeuralCodec(WeightedCodec["CompressionModel"]):
    """A learned codec.

    Parameters
    ----------
    architecture : a name of :data:`bench.models.zoo.ARCHITECTURES`, or ``module:Class`` or
        ``file.py:Class`` of a :class:`bench.models.base.CompressionModel`.
    checkpoints : the weights of every setting of quality.
    checkpoint : the weights, for a model that serves all settings with one checkpoint.
    arguments : of the class; where there are none, the widths are read off the weights.
    encoder : settings of the encoder alone, for a network that has some: what it was trained with
        where there are none. Every decoder reads the streams of all of them.
    padding : how an image is widened to the network's multiple, at the right and at the bottom:
        by its last pixels, or mirrored. What this costs in bytes counts; the decoder crops.

    Raises
    ------
    ValueError : both or neither of `checkpoint` and `checkpoints`.
    """

    def __init__(
        self,
        architecture: CardTarget,
        checkpoints: dict[int, Checkpoint] | None = None,
        checkpoint: Checkpoint | None = None,
        arguments: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        padding: Padding = "replicate",
    ) -> None:
        super().__init__(checkpoints, checkpoint)
        if not self.weights():
            raise ValueError("either checkpoint or checkpoints was expected")
        self._architecture = architecture
        self._arguments = dict(arguments or {})
        self._encoder = dict(encoder or {})
        self._padding = padding

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """See :class:`WeightedCodec`."""
        import torch

        # Rounding products to 10 bits would show in the pixels.
        torch.backends.cudnn.allow_tf32 = False
        super().open(device, threads)

    def restore(self, state: dict[str, Tensor], source: str) -> CompressionModel:
        """See :class:`WeightedCodec`."""
        from bench.models.checkpoint import restore

        network = restore(self._load_architecture(), state, self._arguments, source)
        try:
            network.encode_with(**self._encoder)
        except CodecError as error:
            raise CodecError(f"encoder: {error}") from None
        return network

    def untrained(self, key: int | None) -> CompressionModel | None:
        """See :class:`WeightedCodec`: the published widths, or those of the card's arguments."""
        from bench.models.zoo import ARCHITECTURES

        if self._arguments:
            return self._load_architecture()(**self._arguments).ready()
        if self._architecture in ARCHITECTURES and key is not None:
            return ARCHITECTURES[self._architecture].build(key).ready()
        return None

    def to_device(self, network: CompressionModel, device: str) -> CompressionModel:
        """See :class:`WeightedCodec`: the tables of the coder move, too."""
        return network if device == "cpu" else super().to_device(network, device).ready()

    def cost(self, network: CompressionModel, quality: Quality, size: Size) -> Complexity:
        """See :class:`WeightedCodec`: the transforms are `analyse` and `synthesise`."""
        from bench.profile.measure import measure, picture

        x = self._tensor(picture(size), network)
        height, width = x.shape[2:]
        return measure(
            lambda: network.compress(x, quality),
            lambda payload: network.decompress(payload, height, width),
            network,
            size,
            ((network, "analyse"), (network, "synthesise")),
        )

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return header and payload, as in :mod:`bench.entropy.container`."""
        from bench.entropy.container import Stream, pack

        key = self.key(quality)
        model = self.model(key)
        payload = model.compress(self._tensor(image, model), quality)
        return pack(Stream(self.model_id(key), image.height, image.width, payload))

    def decode(self, bitstream: bytes) -> Image:
        """Return the image, cropped to its size. Raises BitstreamError."""
        from bench.entropy.container import unpack

        stream = unpack(bitstream)
        model = self.model(self.key_of(stream.model))
        return _cropped(stream, model.stride, model.decompress)

    def decode_prefix(self, bitstream: bytes) -> Image:
        """See :meth:`bench.codec.Codec.decode_prefix`; for progressive networks."""
        from bench.entropy.container import unpack_prefix

        stream = unpack_prefix(bitstream)
        model = self.model(self.key_of(stream.model))
        return _cropped(stream, model.stride, model.decompress_prefix)

    def identity(self) -> Mapping[str, str]:
        """Return the checkpoints' digests, the code of the network, and what computes it."""
        libraries = {name: importlib.metadata.version(name) for name in ("torch", "constriction")}
        code = self.code(self._architecture)
        return {**self.digests(), **libraries, "dtype": "float32", "code": code}

    def reconstruct(self, image: Image, quality: Quality) -> tuple[Image, Tensor]:
        """Return what the decoder will make of `image`, and its latent, from the encoder's side.

        The contract is that the decoder's are equal to the bit.
        """
        import torch

        model = self.model(self.key(quality))
        with torch.inference_mode():
            _, latent = model.coder.encode(model.analyse(self._tensor(image, model)))
            pixels = to_pixels(model.synthesise(latent))
        return Image(pixels[: image.height, : image.width]), latent

    def _tensor(self, image: Image, model: CompressionModel) -> Tensor:
        device = next(model.parameters()).device
        return to_tensor(image, model.stride, device, self._padding)

    def _load_architecture(self) -> type[CompressionModel]:
        from bench.models.base import CompressionModel
        from bench.models.zoo import architecture
        from bench.registry import load_target

        if ":" not in self._architecture:
            return architecture(self._architecture).load()
        cls = load_target(self._architecture)
        if not (isinstance(cls, type) and issubclass(cls, CompressionModel)):
            raise CodecError(
                f"{self._architecture} is no subclass of bench.models.base.CompressionModel"
            )
        return cls


def _cropped(stream: Stream, stride: int, decompress: Callable[[bytes, int, int], Tensor]) -> Image:
    size = padded(stream.height, stride), padded(stream.width, stride)
    pixels = to_pixels(decompress(stream.payload, *size))
    return Image(pixels[: stream.height, : stream.width])

"""Models of the CompressAI library, and models that follow its protocol, as codecs.

An optional extra, ``pip install rdbench[compressai]``, because of that library's pin on NumPy.
What `compress` returns, its strings and its shape, is written into our container, so that all of
it is paid for; the rate is therefore some bytes above the library's own, which counts the strings
alone.

The library's decoder does not check what it reads. The container's checksum protects it from
damage, not from a stream that somebody forged.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from bench.adapters.checkpoints import Checkpoint
from bench.adapters.guard import decoding, encoding
from bench.adapters.tensors import padded, to_pixels, to_tensor
from bench.adapters.weighted import WeightedCodec
from bench.cards import CardTarget
from bench.codec import Complexity, Quality
from bench.errors import BitstreamError, CodecError, UnavailableError
from bench.image import Image

if TYPE_CHECKING:
    from torch import Tensor, nn

LIBRARY = "CompressAI"


class CompressAICodec(WeightedCodec["nn.Module"]):
    """A model with CompressAI's `compress` and `decompress`.

    Parameters
    ----------
    model : a name of the library's zoo or registry, or ``module:Class`` or ``file.py:Class``.
    checkpoints : the weights of every setting; for a model of the zoo, the published ones if
        left out.
    checkpoint : the weights, for a card with one setting.
    metric : what the published weights were trained for.
    arguments : of the class; where there are none, its `from_state_dict` reads the widths off.
    multiple : what height and width must be a multiple of.

    Raises
    ------
    ValueError : both `checkpoint` and `checkpoints`.
    """

    def __init__(
        self,
        model: CardTarget,
        checkpoints: dict[int, Checkpoint] | None = None,
        checkpoint: Checkpoint | None = None,
        metric: Literal["mse", "ms-ssim"] = "mse",
        arguments: dict[str, Any] | None = None,
        multiple: int = 64,
    ) -> None:
        super().__init__(checkpoints, checkpoint)
        self._name = model
        self._metric = metric
        self._arguments = dict(arguments or {})
        self._multiple = multiple

    def weights(self) -> dict[int | None, Checkpoint]:
        """Return the card's checkpoints, or the zoo's. Raises UnavailableError, CodecError."""
        if not self._weights:
            self._weights = dict(_published(self._name, self._metric))
        return self._weights

    def restore(self, state: dict[str, Tensor], source: str) -> nn.Module:
        """See :class:`WeightedCodec`."""
        cls = _find(self._name)
        try:
            if self._arguments:
                model = cls(**self._arguments)
                model.load_state_dict(state)
            else:
                model = cls.from_state_dict(state)
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise CodecError(f"{source} does not fit {self._name}: {reason}") from None
        return _frozen(model)

    def untrained(self, key: int | None) -> nn.Module | None:
        """See :class:`WeightedCodec`: the widths that the zoo has, or those of the arguments."""
        if self._arguments:
            return _frozen(_find(self._name)(**self._arguments))
        _library()
        from compressai.zoo.image import cfgs, model_architectures

        if self._name not in cfgs or key not in cfgs[self._name]:
            return None
        return _frozen(model_architectures[self._name](*cfgs[self._name][key]))

    def cost(self, network: nn.Module, quality: Quality, size: tuple[int, int]) -> Complexity:
        """See :class:`WeightedCodec`: the transforms are `g_a` and `g_s`, where it has these."""
        from bench.profile.measure import measure, picture

        model: Any = network
        x = to_tensor(picture(size), self._multiple, next(network.parameters()).device)
        packed: Any = None

        def encode() -> bytes:
            nonlocal packed
            packed = model.compress(x)
            return b""

        named = hasattr(network, "g_a") and hasattr(network, "g_s")
        transforms = ((model.g_a, "forward"), (model.g_s, "forward")) if named else None
        with encoding(LIBRARY):
            return measure(
                encode,
                lambda _: model.decompress(packed["strings"], packed["shape"]),
                network,
                size,
                transforms,
            )

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return header, shape and strings."""
        import torch

        from bench.entropy.container import Stream, pack

        key = self.key(quality)
        model: Any = self.model(key)
        with torch.inference_mode(), encoding(LIBRARY):
            tensor = to_tensor(image, self._multiple, next(model.parameters()).device)
            payload = _join(model.compress(tensor))
        return pack(Stream(self.model_id(key), image.height, image.width, payload))

    def decode(self, bitstream: bytes) -> Image:
        """Return the image, cropped to its size. Raises BitstreamError."""
        import torch

        from bench.entropy.container import unpack

        stream = unpack(bitstream)
        model: Any = self.model(self.key_of(stream.model))
        size = padded(stream.height, self._multiple), padded(stream.width, self._multiple)
        strings, shape = _split(stream.payload, size)
        with torch.inference_mode(), decoding(LIBRARY):
            found = model.decompress(strings, shape)["x_hat"]
        if tuple(found.shape) != (1, 3, *size):
            raise BitstreamError(f"the stream holds {tuple(found.shape)}, not an image of {size}")
        pixels = to_pixels(found.clamp(0, 1))
        return Image(pixels[: stream.height, : stream.width])

    def identity(self) -> Mapping[str, str]:
        """Return the checkpoints' digests and the versions of what computes."""
        libraries = {name: importlib.metadata.version(name) for name in ("compressai", "torch")}
        return {**self.digests(), **libraries, "dtype": "float32", "code": self.code(self._name)}


def _find(name: str) -> Any:
    """Return the class called `name`: in the registry, in the zoo, or by its module."""
    from bench.registry import load_target

    if ":" in name:
        return load_target(name)
    _library()
    from compressai.registry import MODELS
    from compressai.zoo.image import model_architectures

    known = {**MODELS, **model_architectures}
    if name not in known:
        from bench.errors import UnknownNameError

        raise UnknownNameError(f"model of {LIBRARY}", name, known)
    return known[name]


def _frozen(model: Any) -> nn.Module:
    """Return a model ready for coding; tables that a checkpoint brought are kept."""
    model.update()
    network: nn.Module = model.eval()
    return network


def _published(name: str, metric: str) -> Mapping[int | None, Checkpoint]:
    """Return the zoo's checkpoints for a model, by quality."""
    _library()
    from compressai.zoo.image import model_urls

    urls = model_urls.get(name, {}).get(metric, {})
    if not urls:
        raise CodecError(
            f"{LIBRARY} has published no {metric} weights for {name}: name a checkpoint"
        )
    return {
        quality: Checkpoint(url=url, sha256=re.findall(r"-([0-9a-f]{8})\.", url)[-1])
        for quality, url in urls.items()
    }


def _library() -> None:
    """Import the library, whose own imports warn. Raises UnavailableError."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import compressai.zoo
            import compressai.zoo.image  # noqa: F401
    except ImportError as error:
        raise UnavailableError(f"{LIBRARY}: {error}", "pip install rdbench[compressai]") from None


def _join(packed: Mapping[str, Any]) -> bytes:
    """Return shape and strings as bytes, numbers as varints."""
    from bench.entropy.container import varint

    strings = packed["strings"]
    if not all(isinstance(group, list) and len(group) == 1 for group in strings):
        raise CodecError("`compress` must return a list of strings per latent, of one image each")
    parts = [group[0] for group in strings]
    if not all(isinstance(part, bytes) for part in parts):
        raise CodecError("`compress` must return strings of bytes")
    numbers = [*packed["shape"], len(parts), *map(len, parts)]
    return b"".join([*map(varint, numbers), *parts])


def _split(payload: bytes, size: tuple[int, int]) -> tuple[list[list[bytes]], tuple[int, int]]:
    """Return what :func:`_join` joined; the shape is bounded by the image's `size`."""
    from bench.entropy.container import read_varint

    numbers, at = [], 0
    for _ in range(3):
        number, at = read_varint(payload, at)
        numbers.append(number)
    height, width, count = numbers
    if not (0 < height <= size[0] and 0 < width <= size[1]) or count > 64:
        raise BitstreamError("the shape of the latent does not fit the image")
    lengths = []
    for _ in range(count):
        length, at = read_varint(payload, at)
        lengths.append(length)
    strings = []
    for length in lengths:
        if at + length > len(payload):
            raise BitstreamError("the payload is shorter than its strings")
        strings.append([payload[at : at + length]])
        at += length
    return strings, (height, width)

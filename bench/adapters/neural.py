"""Learned codecs: a network, its checkpoints, and the bytes around what it writes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.adapters.checkpoints import Checkpoint
from bench.cards import CardTarget
from bench.codec import Codec, Quality
from bench.errors import BitstreamError, CodecError, DownloadError, UnavailableError
from bench.image import Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bench.models.base import CompressionModel

_PACKAGE = Path(__file__).resolve().parents[1]


class NeuralCodec(Codec):
    """A learned codec.

    Parameters
    ----------
    architecture : a name of :data:`bench.models.zoo.ARCHITECTURES`, or ``module:Class`` or
        ``file.py:Class`` of a :class:`bench.models.base.CompressionModel`.
    checkpoints : the weights of every setting of quality.
    checkpoint : the weights, for a model that serves all settings with one checkpoint.
    arguments : of the class; where there are none, the widths are read off the weights.
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
        padding: Literal["replicate", "reflect"] = "replicate",
    ) -> None:
        if bool(checkpoints) == bool(checkpoint):
            raise ValueError("either checkpoint or checkpoints was expected")
        # The model that serves every setting stands under None.
        self._checkpoints: dict[int | None, Checkpoint] = {None: checkpoint} if checkpoint else {}
        for quality, weights in (checkpoints or {}).items():
            self._checkpoints[quality] = weights
        self._architecture = architecture
        self._arguments = dict(arguments or {})
        self._padding = {"replicate": "edge", "reflect": "symmetric"}[padding]
        self._models: dict[int | None, CompressionModel] = {}
        self._by_id: dict[bytes, int | None] = {}

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """Load the weights of every setting. Raises CodecError, UnavailableError."""
        import torch

        from bench.models.checkpoint import read_state, restore

        torch.set_num_threads(threads)
        # Rounding products to 10 bits would show in the pixels.
        torch.backends.cudnn.allow_tf32 = False
        cls = self._load_architecture()
        for quality, checkpoint in self._checkpoints.items():
            self._by_id[bytes.fromhex(checkpoint.digest())[:4]] = quality
            model = restore(cls, read_state(checkpoint.path), self._arguments, checkpoint.name)
            if device != "cpu":
                model.to(torch.device(device)).ready()
            self._models[quality] = model

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return header and payload, as in :mod:`bench.entropy.container`."""
        from bench.entropy.container import Stream, pack

        key = None if None in self._checkpoints else quality
        if key not in self._checkpoints:
            known = ", ".join(str(setting) for setting in self._checkpoints)
            raise CodecError(f"there is no checkpoint for quality {quality}, only for {known}")
        key = None if key is None else int(key)
        model = self._model(key)
        payload = model.compress(self._to_tensor(image, model), quality)
        model_id = bytes.fromhex(self._checkpoints[key].digest())[:4]
        return pack(Stream(model_id, image.height, image.width, payload))

    def decode(self, bitstream: bytes) -> Image:
        """Return the image, cropped to its size. Raises BitstreamError."""
        from bench.entropy.container import unpack

        stream = unpack(bitstream)
        if stream.model not in self._by_id:
            raise BitstreamError(
                f"the bitstream is of the model {stream.model.hex()}, which this codec is not"
            )
        model = self._model(self._by_id[stream.model])
        height, width = _padded(stream.height, model), _padded(stream.width, model)
        pixels = to_pixels(model.decompress(stream.payload, height, width))
        return Image(pixels[: stream.height, : stream.width])

    def close(self) -> None:
        """Let go of the weights."""
        self._models.clear()
        self._by_id.clear()

    def identity(self) -> Mapping[str, str]:
        """Return the checkpoints' digests, the code of the network, and what computes it."""
        found = {
            f"checkpoint {'' if quality is None else quality}".strip(): checkpoint.digest()
            for quality, checkpoint in self._checkpoints.items()
        }
        for package in ("torch", "constriction"):
            found[package] = importlib.metadata.version(package)
        return {**found, "dtype": "float32", "network": _code(self._architecture)}

    def check_available(self) -> None:
        """Raise UnavailableError that names every checkpoint that is not on this machine."""
        lost = [c for c in self._checkpoints.values() if not c.path.is_file()]
        if not lost:
            return
        local = [str(c.path) for c in lost if c.file]
        if local:
            raise UnavailableError(f"missing: {', '.join(local)}")
        names = ", ".join(c.name for c in lost)
        raise UnavailableError(f"{len(lost)} checkpoints are not on this machine: {names}")

    def fetch(self) -> None:
        """Download the checkpoints that are missing; stops at the first that can't be got."""
        lost = [c for c in self._checkpoints.values() if not c.path.is_file()]
        for at, checkpoint in enumerate(lost):
            try:
                checkpoint.fetch()
            except DownloadError as error:
                rest = ", ".join(c.name for c in lost[at + 1 :])
                raise DownloadError(f"{error}{'; not tried: ' + rest if rest else ''}") from None

    def reconstruct(self, image: Image, quality: Quality) -> tuple[Image, Tensor]:
        """Return what the decoder will make of `image`, and the latent, without any bytes.

        For tests of the contract that both sides agree to the bit.
        """
        import torch

        model = self._model(None if None in self._checkpoints else int(quality))
        with torch.inference_mode():
            _, latent = model.coder.encode(model.analyse(self._to_tensor(image, model)))
            pixels = to_pixels(model.synthesise(latent))
        return Image(pixels[: image.height, : image.width]), latent

    def _model(self, quality: int | None) -> CompressionModel:
        if quality not in self._models:
            raise CodecError("the codec is not open")
        return self._models[quality]

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

    def _to_tensor(self, image: Image, model: CompressionModel) -> Tensor:
        import torch

        below = _padded(image.height, model) - image.height
        right = _padded(image.width, model) - image.width
        mode: Any = self._padding
        pixels = np.pad(image.pixels, ((0, below), (0, right), (0, 0)), mode=mode)
        tensor = torch.from_numpy(pixels).to(_device(model))
        return (tensor.permute(2, 0, 1).unsqueeze(0).float() / 255).contiguous()


def to_pixels(image: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return uint8 pixels (height, width, 3) for an image (1, 3, height, width) in 0 … 1."""
    rounded = (image[0] * 255).round().permute(1, 2, 0)
    return np.ascontiguousarray(rounded.cpu().numpy().astype(np.uint8))


def _padded(size: int, model: CompressionModel) -> int:
    return -(-size // model.stride) * model.stride


def _device(model: CompressionModel) -> torch.device:
    return next(model.parameters()).device


@cache
def _code(architecture: str) -> str:
    """Return the SHA-256 of the source of the networks and of the entropy coder."""
    files = sorted((*_PACKAGE.glob("models/**/*.py"), *_PACKAGE.glob("entropy/*.py")))
    where, colon, _ = architecture.rpartition(":")
    if where.endswith(".py"):
        files.append(Path(where))
    elif colon:
        spec = importlib.util.find_spec(where)
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin and "." in where:
            # The module may lean on any other of its package.
            files += sorted(origin.parent.glob("*.py"))
        elif origin:
            files.append(origin)
    sha = sha256()
    for file in files:
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()

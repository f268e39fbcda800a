"""What all codecs with weights share: checkpoints by setting, and which one a bitstream is of."""

from __future__ import annotations

import abc
import importlib.util
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from bench.adapters.checkpoints import Checkpoint
from bench.adapters.heap import keep_freed_memory
from bench.adapters.shelf import SHELF
from bench.codec import Codec, Complexity, Quality
from bench.errors import BitstreamError, CodecError, DownloadError, UnavailableError

if TYPE_CHECKING:
    from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound="nn.Module")

_PACKAGE = Path(__file__).resolve().parents[1]


class WeightedCodec(Codec, abc.ABC, Generic[NetworkT]):
    """A codec with a checkpoint per setting, or one for all of them.

    The decoder is told by the bitstream which one wrote it: the first bytes of its SHA-256. A
    network is loaded when its setting is first used, and kept while there is room for it.

    Parameters
    ----------
    checkpoints : the weights of every setting.
    checkpoint : the weights that serve all settings.

    Raises
    ------
    ValueError : both are given.
    """

    def __init__(
        self, checkpoints: dict[int, Checkpoint] | None, checkpoint: Checkpoint | None
    ) -> None:
        if checkpoints and checkpoint:
            raise ValueError("either checkpoint or checkpoints was expected, not both")
        # The checkpoint that serves every setting stands under None.
        self._weights: dict[int | None, Checkpoint] = {None: checkpoint} if checkpoint else {}
        for quality, weights in (checkpoints or {}).items():
            self._weights[quality] = weights
        self._by_id: dict[bytes, int | None] = {}
        self._device: str | None = None
        self._costs: dict[object, Complexity] = {}

    @abc.abstractmethod
    def restore(self, state: dict[str, Tensor], source: str) -> NetworkT:
        """Return the network with the weights `state`, ready for coding, on the CPU.

        `source` is where they come from, for messages. Raises CodecError where they don't fit.
        """

    @abc.abstractmethod
    def cost(self, network: NetworkT, quality: Quality, size: tuple[int, int]) -> Complexity:
        """Return what one picture of `size` (height, width) costs."""

    def to_device(self, network: NetworkT, device: str) -> NetworkT:
        """Return the network on `device`, ready for coding."""
        import torch

        return network.to(torch.device(device))

    def untrained(self, key: int | None) -> NetworkT | None:
        """Return the network of a setting with random weights; None where that can't be told
        without a checkpoint.
        """
        return None

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """Verify the checkpoints; load the weights where there is one checkpoint only.

        Raises CodecError, UnavailableError.
        """
        import torch

        torch.set_num_threads(threads)
        keep_freed_memory()
        self._by_id = {self.model_id(key): key for key in self.weights()}
        self._device = device
        if len(self.weights()) == 1:
            self.model(next(iter(self.weights())))

    def prepare(self, quality: Quality) -> None:
        """Load the weights of the setting. Raises CodecError, UnavailableError."""
        self.model(self.key(quality))

    def close(self) -> None:
        """Let go of the weights."""
        SHELF.drop(self)
        self._device = None

    def model(self, key: int | None) -> NetworkT:
        """Return the network that stands under `key`. Raises CodecError before :meth:`open`."""
        if self._device is None:
            raise CodecError("the codec is not open")
        device = self._device
        network: NetworkT = SHELF.get(self, key, lambda: self.to_device(self._load(key), device))
        return network

    def complexity(
        self, quality: Quality, size: tuple[int, int] = (512, 768), device: str = "cpu"
    ) -> Complexity:
        """See :class:`bench.Codec`.

        A network of a known architecture whose checkpoint is not here is measured with random
        weights. Raises CodecError, UnavailableError.
        """
        key = self.key(quality)
        network = self.to_device(self._load_or_make(key), device)
        shapes = tuple((name, tensor.shape) for name, tensor in network.named_parameters())
        place = (shapes, size, device)
        if place not in self._costs:
            self._costs[place] = self.cost(network, quality, size)
        return self._costs[place]

    def _load(self, key: int | None) -> NetworkT:
        from bench.models.checkpoint import read_state

        checkpoint = self.weights()[key]
        checkpoint.digest()
        return self.restore(read_state(checkpoint.path), checkpoint.name)

    def _load_or_make(self, key: int | None) -> NetworkT:
        if not self.weights()[key].path.is_file() and (network := self.untrained(key)) is not None:
            return network
        return self._load(key)

    def weights(self) -> dict[int | None, Checkpoint]:
        """Return the checkpoints by setting. Raises UnavailableError, CodecError."""
        return self._weights

    def key(self, quality: Quality) -> int | None:
        """Return under what the weights for `quality` stand. Raises CodecError."""
        known = self.weights()
        if None in known:
            return None
        if quality not in known:
            settings = ", ".join(map(str, known))
            raise CodecError(f"there is no checkpoint for quality {quality}, only for {settings}")
        return int(quality)

    def model_id(self, key: int | None) -> bytes:
        """Return what a bitstream says of the weights it was made with."""
        from bench.entropy.container import MODEL_BYTES

        return bytes.fromhex(self.weights()[key].digest())[:MODEL_BYTES]

    def key_of(self, model: bytes) -> int | None:
        """Return under what the weights that made a bitstream stand. Raises BitstreamError."""
        if model not in self._by_id:
            raise BitstreamError(
                f"the bitstream is of the model {model.hex()}, which this codec is not"
            )
        return self._by_id[model]

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every checkpoint: part of the codec's identity."""
        return {
            f"checkpoint {'' if key is None else key}".strip(): checkpoint.digest()
            for key, checkpoint in self.weights().items()
        }

    def check_available(self) -> None:
        """Raise UnavailableError with a line for every checkpoint that is not on this machine."""
        if lost := self._lost():
            lines = [
                f"{c.file}: no such file" if c.file else f"{c.name}: not fetched yet" for c in lost
            ]
            raise UnavailableError(_told("not on this machine", len(self.weights()), lines))

    def fetch(self) -> None:
        """Download the checkpoints that are missing; none is tried after one that can't be got.

        Raises DownloadError with a line for every checkpoint that is still missing.
        """
        lost = self._lost()
        for at, checkpoint in enumerate(lost):
            try:
                checkpoint.fetch()
            except DownloadError as error:
                reason = " ".join(str(error).split())
                rest = [f"{c.name}: not tried after this" for c in lost[at + 1 :]]
                lines = [f"{checkpoint.name}: {reason}", *rest]
                told = _told("not to be had", len(self.weights()), lines)
                raise DownloadError(told) from None

    def _lost(self) -> list[Checkpoint]:
        return [c for c in self.weights().values() if not c.path.is_file()]

    @staticmethod
    def code(target: str) -> str:
        """Return the SHA-256 of the source of the networks, of the entropy coder and of `target`.

        Nothing is imported for it.
        """
        return _code(target)


def _told(what: str, of: int, lines: list[str]) -> str:
    """Return a headline with a count and, below it, a line per checkpoint."""
    noun = "checkpoint is" if of == 1 else "checkpoints are"
    return "\n    ".join([f"{len(lines)} of {of} {noun} {what}", *lines])


@cache
def _code(target: str) -> str:
    files = sorted((*_PACKAGE.glob("models/**/*.py"), *_PACKAGE.glob("entropy/*.py")))
    where, colon, _ = target.rpartition(":")
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

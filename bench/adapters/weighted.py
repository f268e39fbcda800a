"""What all codecs with weights share: checkpoints by setting, and which one a bitstream is of."""

from __future__ import annotations

import importlib.util
from functools import cache
from hashlib import sha256
from pathlib import Path

from bench.adapters.checkpoints import Checkpoint
from bench.codec import Codec, Quality
from bench.errors import BitstreamError, CodecError, DownloadError, UnavailableError

_PACKAGE = Path(__file__).resolve().parents[1]


class WeightedCodec(Codec):
    """A codec with a checkpoint per setting, or one for all of them.

    The decoder is told by the bitstream which one wrote it: the first bytes of its SHA-256.

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

    def remember(self) -> None:
        """Note which weights are open, for :meth:`key_of`."""
        self._by_id = {self.model_id(key): key for key in self.weights()}

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
        """Raise UnavailableError that names every checkpoint that is not on this machine."""
        lost = [c for c in self.weights().values() if not c.path.is_file()]
        local = [str(c.path) for c in lost if c.file]
        if local:
            raise UnavailableError(f"missing: {', '.join(local)}")
        if lost:
            names = ", ".join(c.name for c in lost)
            raise UnavailableError(f"{len(lost)} checkpoints are not on this machine: {names}")

    def fetch(self) -> None:
        """Download the checkpoints that are missing; stops at the first that can't be got."""
        lost = [c for c in self.weights().values() if not c.path.is_file()]
        for at, checkpoint in enumerate(lost):
            try:
                checkpoint.fetch()
            except DownloadError as error:
                rest = ", ".join(c.name for c in lost[at + 1 :])
                raise DownloadError(f"{error}{'; not tried: ' + rest if rest else ''}") from None

    @staticmethod
    def code(target: str) -> str:
        """Return the SHA-256 of the source of the networks, of the entropy coder and of `target`.

        Nothing is imported for it.
        """
        return _code(target)


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

"""Weights from a file: read without running code in it, verified, in our names."""

from __future__ import annotations

import os
import pickle
import re
import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import CodecError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.models.base import CompressionModel

#: What the readers raise on bytes that are no checkpoint.
_UNREADABLE = (
    AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    pickle.UnpicklingError, struct.error,
)  # fmt: skip
#: Where training programs put the weights in what they save.
_INSIDE = ("state_dict", "model_state_dict", "model")
#: Names that older versions of CompressAI gave: the published checkpoints have them.
_OLD_NAMES = (
    (re.compile(r"^module\."), ""),
    (re.compile(r"\.downsample\."), ".skip."),
    (re.compile(r"\b_?(matri|bias|factor)(ces|x|es|s)?[._]?(\d)$"), None),
)
_PLURALS = {"matri": "matrices", "bias": "biases", "factor": "factors"}


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the state dictionary of a checkpoint, on the CPU, under today's names.

    Takes what `torch.save` wrote (a state dictionary, or a mapping that holds one under
    "state_dict") and safetensors. No code in the file is run.

    Raises
    ------
    CodecError : the file is no checkpoint.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CodecError(f"{path} is no checkpoint that can be read safely: {reason}") from None
    for name in _INSIDE:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise CodecError(f"{path} holds no state dictionary: a mapping of names to tensors")
    return {_today(name): tensor for name, tensor in found.items()}


def restore(
    cls: type[CompressionModel], state: dict[str, Tensor], arguments: dict[str, Any], source: str
) -> CompressionModel:
    """Return a model with the weights `state`, frozen for coding.

    Parameters
    ----------
    arguments : of the class; where there are none, the widths are read off the weights.
    source : where the weights come from, for messages.

    Raises
    ------
    CodecError : the weights are not those of the class.
    """
    try:
        model = cls(**arguments) if arguments else cls.for_state(state)
        keys = model.load_state_dict(state, strict=False)
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CodecError(f"{source} does not fit {cls.__name__}: {reason}") from None
    if keys.missing_keys or keys.unexpected_keys:
        lacks, extra = keys.missing_keys[:3], keys.unexpected_keys[:3]
        raise CodecError(
            f"{source} does not fit {cls.__name__}: it lacks {len(keys.missing_keys)} tensors "
            f"({', '.join(lacks)}) and has {len(keys.unexpected_keys)} unknown ones "
            f"({', '.join(extra)})"
        )
    return model.ready()


def save(model: CompressionModel, path: Path) -> None:
    """Write a model's weights, its pinned tables included, as safetensors.

    The file appears whole or not at all. Raises CodecError where the tables are not pinned: two
    machines could then compute different ones.
    """
    from safetensors.torch import save_file

    from bench.models.entropy_models import EntropyModel

    for name, part in model.named_modules():
        if isinstance(part, EntropyModel) and not part.pinned:
            raise CodecError(f"the tables of {name} are not pinned: call ready() before saving")
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(state, temporary)
    temporary.replace(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; read again only when it has changed."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@cache
def _digest(path: Path, size: int, mtime: int) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _today(name: str) -> str:
    for pattern, new in _OLD_NAMES:
        if new is not None:
            name = pattern.sub(new, name)
        elif "entropy_bottleneck" in name:
            name = pattern.sub(lambda m: f"{_PLURALS[m[1]]}.{m[3]}", name)
    return name

"""From training to a codec: half-precision weights with pinned tables, and their card."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from torch import Tensor

from bench.models.checkpoint import digest
from bench.models.hybrid.model import Hybrid

if TYPE_CHECKING:
    from bench.codec import Quality


def released(network: torch.nn.Module, fitting: Sequence[Tensor] = ()) -> Hybrid:
    """Return a copy of `network` as it will be released: weights rounded to half precision,
    priors fitted where they are not learned, tables pinned.

    `fitting` are photos (1, 3, height, width), needed by a plain autoencoder only.
    """
    twin = copy.deepcopy(network)
    assert isinstance(twin, Hybrid)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.copy_(parameter.half().float())
    twin = twin.cpu().eval()
    if twin.config.latent == "ae" and fitting:
        twin.fit_prior(list(fitting))
    return twin.ready()


def export(
    network: torch.nn.Module, path: Path, fitting: Sequence[Tensor] = (), note: str = ""
) -> Hybrid:
    """Write the weights as safetensors; return the released network.

    Parameters are half precision, statistics and tables as they are. The file's metadata hold the
    settings and `note`. It appears whole or not at all.
    """
    from safetensors.torch import save_file

    model = released(network, fitting)
    parameters = {name for name, _ in model.named_parameters()}
    state = {
        name: (value.half() if name in parameters else value).contiguous()
        for name, value in model.state_dict().items()
    }
    metadata = {"architecture": "hybrid", "config": json.dumps(model.config.to_dict()),
                "note": note}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(state, arriving, metadata)
    arriving.chmod(0o644)
    arriving.replace(path)
    return model


def write_card(
    path: Path, name: str, model: Hybrid, checkpoint: Path, *, title: str, description: str,
    ladder: Sequence[Quality], groups: Sequence[str] = ("learned",),
) -> None:  # fmt: skip
    """Write the card of exported weights; the checkpoint is named relative to it."""
    relative = os.path.relpath(checkpoint.resolve(), path.resolve().parent)
    card: Mapping[str, Any] = {
        "name": name,
        "title": title,
        "description": description,
        "adapter": "bench.adapters.neural:NeuralCodec",
        "options": {
            "architecture": "bench.models.hybrid.model:Hybrid",
            "checkpoint": {"file": Path(relative).as_posix(), "sha256": digest(checkpoint)},
            # All of them: the defaults may change, the weights will not.
            "arguments": model.config.to_dict(),
        },
        "quality": {"ladder": list(ladder), "range": [0, 100]},
        "groups": list(groups),
    }
    arriving = path.with_name(f".{path.name}.{os.getpid()}")
    arriving.write_text(yaml.safe_dump(dict(card), sort_keys=False, allow_unicode=True), "utf-8")
    arriving.replace(path)

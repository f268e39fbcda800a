"""From training to a codec: half-precision weights with pinned tables, and their card."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from bench.cards import CodecCard, parse_card
from bench.errors import CardError, UsageError
from bench.files import whole, write_whole
from bench.models.checkpoint import digest
from bench.models.entropy_models import EntropyModel, packed
from bench.models.trainable import Trainable

#: Buffers that are weights: of vector quantisers, whose codes follow averages, not gradients.
CODEBOOKS = (".codebook", ".sums")


def released(network: torch.nn.Module, fitting: Sequence[Tensor] = ()) -> Trainable:
    """Return a copy of `network` as it will be released: weights rounded to half precision,
    priors fitted where they are not learned, tables pinned.

    `fitting` are photos (1, 3, height, width), for a plain autoencoder and for counted tables.
    """
    twin = copy.deepcopy(network)
    assert isinstance(twin, Trainable)
    with torch.no_grad():
        for name in _halved(twin):
            value = twin.state_dict()[name]
            value.copy_(value.half())
    twin = twin.cpu().eval()
    twin.fit_prior(list(fitting))
    return twin.ready()


def export(
    network: torch.nn.Module, path: Path, fitting: Sequence[Tensor] = (), note: str = ""
) -> Trainable:
    """Write the weights as safetensors; return the released network.

    Parameters and codebooks are half precision, statistics as they are, tables packed. The file's
    metadata hold the settings and `note`. It appears whole or not at all.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    model = released(network, fitting)
    halved = _halved(model)
    state = {
        name: (value.half() if name in halved else value).contiguous()
        for name, value in model.state_dict().items()
    }
    for name, part in model.named_modules():
        if isinstance(part, EntropyModel):
            cdf = f"{name}._quantized_cdf"
            state[cdf] = packed(state[cdf], state[f"{name}._cdf_length"])
    metadata = {"architecture": model.target, "config": json.dumps(model.config.to_dict()),
                "note": note}  # fmt: skip
    with whole(path) as arriving:
        try:
            save_file(state, arriving, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        arriving.chmod(0o644)
    return model


def _halved(model: torch.nn.Module) -> set[str]:
    """Return the names of what is released in half precision."""
    codes = (name for name, _ in model.named_buffers() if name.endswith(CODEBOOKS))
    return {name for name, _ in model.named_parameters()} | set(codes)


def write_card(
    path: Path, name: str, model: Trainable, checkpoint: Path, description: str,
    fields: Mapping[str, Any],
) -> CodecCard:  # fmt: skip
    """Write the card of exported weights; return it. The checkpoint is named relative to it.

    `fields` are those of :func:`card_fields`.
    """
    relative = os.path.relpath(checkpoint.resolve(), path.resolve().parent)
    given = f"{fields['description']} {description}".strip()
    values: dict[str, Any] = {
        "name": name,
        **{key: value for key, value in fields.items() if key != "encoder"},
        "description": given,
        "adapter": "bench.adapters.neural:NeuralCodec",
        "options": {
            "architecture": model.target,
            "checkpoint": _Flow(file=Path(relative).as_posix(), sha256=digest(checkpoint)),
            "arguments": _Flow(model.config.differences()),
        },
    }
    if fields["encoder"]:
        values["options"]["encoder"] = fields["encoder"]
    card = parse_card(CodecCard, values, path)
    text = yaml.dump(
        {key: values[key] for key in _ORDER if values.get(key) not in (None, "", [])},
        Dumper=_CardDumper, sort_keys=False, allow_unicode=True, width=100,
    )  # fmt: skip
    write_whole(path, text)
    return card


def card_fields(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the settings under ``card.`` say of the card of `name`, as the card has it, and
    under "encoder" what it says of the encoder.

    Raises
    ------
    UsageError : a value that a card can't hold; known before training, not after it.
    """
    fields = {
        "title": settings["title"] or name,
        "description": settings["description"],
        "quality": _Flow(ladder=list(settings["ladder"]), range=list(settings["range"])),
        "groups": list(settings["groups"]),
        "base": settings["base"],
        "differs": settings["differs"],
        "change": settings["change"],
    }
    try:
        parse_card(CodecCard, {"name": name, "adapter": "bench:Codec", **fields}, "card")
    except CardError as error:
        raise UsageError(f"bench train: {error}") from None
    encoder = settings["encoder"] or {}
    if not isinstance(encoder, dict):
        raise UsageError(f"card.encoder: settings of an encoder were expected, got {encoder!r}")
    return {**fields, "encoder": _Flow(encoder)}


#: As the catalogue's cards are written.
_ORDER = ("name", "title", "description", "adapter", "options", "quality", "groups",
          "base", "differs", "change")  # fmt: skip


class _Flow(dict[str, Any]):
    """A mapping that is written in braces."""


class _CardDumper(yaml.SafeDumper):
    """Writes cards as a person would: lists and short mappings on a line, prose folded."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _flow_mapping(dumper: yaml.SafeDumper, value: _Flow) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def _flow_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


def _prose(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = ">" if len(value) > 80 and " " in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_CardDumper.add_representer(_Flow, _flow_mapping)
_CardDumper.add_representer(list, _flow_list)
_CardDumper.add_representer(str, _prose)

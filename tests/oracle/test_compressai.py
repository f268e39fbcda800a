"""Our networks against CompressAI's: same weights, same values, no longer bitstreams.

Runs where `compressai` is installed: `tox -e oracle`, because of its pin on NumPy.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learned import crop_tensor, enliven
from torch import Tensor

from bench.adapters.checkpoints import Checkpoint
from bench.adapters.neural import NeuralCodec
from bench.adapters.tensors import to_pixels
from bench.image import Image
from bench.models.base import CompressionModel
from bench.models.checkpoint import read_state, restore, save
from bench.models.minnen2018 import JointPrior
from bench.models.zoo import ARCHITECTURES

with warnings.catch_warnings():
    # Its imports use torch.jit.script, which warns that it is deprecated.
    warnings.simplefilter("ignore")
    pytest.importorskip("compressai", reason="the oracle: tox -e oracle")
    from compressai.zoo.image import cfgs, model_architectures

WIDTHS = {True: (64, 96), False: (64,)}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def x(kodak: Path, name: str) -> Tensor:
    # Under a context model one value that float32 rounds the other way changes all that follow.
    # In few thousand values there is none; the others are compared over more.
    context = issubclass(ARCHITECTURES[name].load(), JointPrior)
    return crop_tensor(kodak / "kodim05.png", *((128, 192) if context else (256, 256)))


@pytest.fixture(scope="module")
def pair(name: str, x: Tensor) -> tuple[CompressionModel, Any]:
    """Our model and the reference with the same lively random weights."""
    torch.set_num_threads(1)
    widths = WIDTHS[len(ARCHITECTURES[name].widths[0]) == 2]
    ours = ARCHITECTURES[name].load()(*widths)
    enliven(ours, x)
    reference = model_architectures[name](*widths)
    # The reference makes the tables, as it did for the checkpoints that it published.
    state = {k: v for k, v in ours.state_dict().items() if v.numel()}
    missing, unexpected = load(reference, state)
    assert not unexpected
    assert all(key.endswith(("_offset", "_quantized_cdf", "_cdf_length")) for key in missing)
    reference.update(force=True)
    reference.eval()
    ours.load_state_dict(reference.state_dict())
    # In the reference's memory layout float32 convolutions run the same code; `ready` changes it.
    return ours.ready().to(memory_format=torch.contiguous_format), reference


def load(reference: Any, state: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    state = {key: part for key, part in state.items() if "scale_table" not in key}
    found = torch.nn.Module.load_state_dict(reference, state, strict=False)
    return [k for k in found.missing_keys if "scale_table" not in k], found.unexpected_keys


def decoded_latent(reference: Any, packed: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the latent that the reference decodes, and its image."""
    seen: list[Tensor] = []
    hook = reference.g_s.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    image = reference.decompress(packed["strings"], packed["shape"])["x_hat"]
    hook.remove()
    return seen[0], image


def test_the_forward_pass_is_the_reference_s(pair: tuple, x: Tensor) -> None:
    ours, reference = pair
    with torch.inference_mode():
        got, expected = ours(x), reference(x)
    # Random weights make values beyond the range of an image: relative to the largest then.
    largest = max(1.0, expected["x_hat"].abs().max().item())
    assert (got.x_hat - expected["x_hat"]).abs().max() < 1e-5 * largest
    assert got.likelihoods.keys() == expected["likelihoods"].keys()
    for name, likelihood in got.likelihoods.items():
        assert (likelihood - expected["likelihoods"][name]).abs().max() < 1e-5


def test_latents_reconstructions_and_lengths_are_the_reference_s(
    pair: tuple, x: Tensor, name: str, tmp_path: Path
) -> None:
    ours, reference = pair
    with torch.inference_mode():
        packed = reference.compress(x)
        latent, image = decoded_latent(reference, packed)
        _, own_latent = ours.coder.encode(ours.g_a(x))
        same = (own_latent - latent).abs() < 1e-3
        assert same.float().mean() >= 0.9999
        # Round the same latent both ways.
        difference = to_pixels(ours.synthesise(latent)).astype(int) - to_pixels(image)
        assert (np.abs(difference) <= 1).mean() >= 0.9999

    save(ours, tmp_path / "w.safetensors")
    codec = NeuralCodec(name, checkpoint=Checkpoint(file=tmp_path / "w.safetensors"))
    codec.open()
    stream = codec.encode(Image(to_pixels(x)), 1)
    theirs = sum(len(strings[0]) for strings in packed["strings"])
    bpp = 8 * len(stream) / x[0, 0].numel()
    assert 0.2 <= bpp <= 2, "the test's streams must be worth coding"
    assert len(stream) <= 1.005 * theirs
    if hasattr(ours.coder, "boundaries"):
        assert len(used_scales(ours, x)) >= 20


def used_scales(model: CompressionModel, x: Tensor) -> set[int]:
    """Return the indices of the scales that code `x`."""
    from bench.entropy.coder import Encoder

    used: set[int] = set()
    put = Encoder.put

    def spy(self: Encoder, values: Any, rows: Any, tables: Any, *sizes: Any, **named: Any) -> None:
        if tables is model.coder.tables:  # type: ignore[attr-defined]
            used.update(np.unique(rows).tolist())
        put(self, values, rows, tables, *sizes, **named)

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(Encoder, "put", spy)
        model.coder.encode(model.analyse(x))
    return used


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_widths_are_the_reference_s(name: str) -> None:
    assert ARCHITECTURES[name].widths == tuple(cfgs[name][q] for q in sorted(cfgs[name]))


@pytest.mark.parametrize("style", ["today", "v1.0", "v1.1"])
def test_checkpoints_of_every_age_load(style: str, tmp_path: Path) -> None:
    reference = model_architectures["bmshj2018-hyperprior"](8, 12)
    reference.update(force=True)
    old = {"today": "{}.{}", "v1.0": "_{}.{}", "v1.1": "_{}{}"}[style]
    state = {}
    for key, value in reference.state_dict().items():
        for plural, singular in (("matrices", "matrix"), ("biases", "bias"), ("factors", "factor")):
            head = f"entropy_bottleneck.{plural}."
            if key.startswith(head):
                word = singular if style == "v1.1" else plural
                key = "entropy_bottleneck." + old.format(word, key.removeprefix(head))
        state[f"module.{key}" if style == "v1.0" else key] = value
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "old.pth.tar")
    cls = ARCHITECTURES["bmshj2018-hyperprior"].load()
    model = restore(cls, read_state(tmp_path / "old.pth.tar"), {}, "old.pth.tar")
    assert torch.equal(model.state_dict()["entropy_bottleneck.matrices.2"],
                       reference.state_dict()["entropy_bottleneck.matrices.2"])  # fmt: skip


def test_our_checkpoints_load_into_the_reference(pair: tuple) -> None:
    ours, reference = pair
    buffer = io.BytesIO()
    torch.save(ours.state_dict(), buffer)
    buffer.seek(0)
    reference.load_state_dict(torch.load(buffer, weights_only=True))

"""A damaged payload is an error or an image of the declared size, never a crash."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hybrid_variants import arguments

from bench.errors import BitstreamError, CodecError
from bench.models.hybrid.model import Hybrid

HEIGHT, WIDTH = 32, 48


def _model(name: str) -> Hybrid:
    torch.manual_seed(0)
    model = Hybrid(**arguments(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    return model.ready()


@pytest.mark.parametrize("name", ["base", "vq", "ae"])
def test_mutated_payloads_give_an_error_or_an_image(name):
    model, rng = _model(name), np.random.default_rng(0)
    whole = model.compress(torch.rand(1, 3, HEIGHT, WIDTH), 50)
    outcomes = set()
    for _ in range(40):
        stream = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            stream[rng.integers(len(stream))] = rng.integers(256)
        if rng.random() < 0.3:
            stream = stream[: rng.integers(len(stream))]
        try:
            image = model.decompress(bytes(stream), HEIGHT, WIDTH)
        except BitstreamError:
            outcomes.add("error")
        else:
            assert image.shape == (1, 3, HEIGHT, WIDTH)
            assert torch.isfinite(image).all()
            outcomes.add("image")
    assert "error" in outcomes


def test_a_quality_outside_the_range_is_refused():
    model = _model("start-alone")
    with pytest.raises(CodecError, match=r"0 … 100 was expected, got 101"):
        model.compress(torch.rand(1, 3, HEIGHT, WIDTH), 101)
    with pytest.raises(BitstreamError, match="above 100"):
        model.decompress(b"\xff\xff", HEIGHT, WIDTH)
    with pytest.raises(BitstreamError, match="cut within its header"):
        model.decompress(b"\x00", HEIGHT, WIDTH)


def test_estimated_bits_are_what_the_stream_takes():
    model = _model("base")
    x = torch.rand(1, 3, 64, 64)
    size = 8 * len(model.compress(x, 40))
    with torch.inference_mode():
        out = model(x, torch.tensor([40.0]))
    assert size == pytest.approx((out.bits + out.side_bits).item(), rel=0.03)


def test_recomputing_activations_keeps_fewer_and_changes_no_gradient():
    gradients, kept = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = Hybrid(**{**arguments("base"), "checkpointing": checkpointing}).train()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn(parameter.shape))
        x, seeds, sizes = torch.rand(1, 3, 32, 32), torch.tensor([5]), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, sizes=sizes: (sizes.append(tensor.nbytes), tensor)[1], lambda held: held
        ):
            out = model(x, torch.tensor([50.0]), seeds)
        out.x_hat.square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
        kept.append(sum(sizes))
    assert kept[1] < 0.95 * kept[0]
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, atol=1e-5)

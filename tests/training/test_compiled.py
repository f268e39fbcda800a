"""Training through torch.compile learns what it learns without."""

from __future__ import annotations

import pytest
import torch
from hybrid_variants import SMALL

from bench.models.hybrid.model import Hybrid
from bench.models.hybrid.squares import compile_as_constants
from bench.models.retrained.cheng import RetrainedCheng
from bench.models.retrained.model import RetrainedHyperprior
from bench.models.trainable import Trainable
from bench.training.loop import compiled

NETWORKS = {
    "hybrid": (Hybrid, SMALL),
    "lattice": (Hybrid, {**SMALL, "lattice": True, "parts": 2}),
    "threshold": (Hybrid, {**SMALL, "quantizer": "threshold", "steps": [0.8, 2.2, 1.3]}),
    "hyperprior": (RetrainedHyperprior, {"width": 64, "latents": 96, "start": "random"}),
    "cheng2020": (RetrainedCheng, {"width": 64, "latents": 96, "start": "random"}),
}


def network(name: str) -> Trainable:
    torch.manual_seed(3)
    kind, arguments = NETWORKS[name]
    model = kind(**arguments).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return model


def slopes(model: Trainable, lesson) -> dict[str, torch.Tensor]:
    model.zero_grad()
    torch.manual_seed(5)
    x, quality = torch.rand(2, 3, 128, 128), torch.tensor([20.0, 60.0])
    with torch.autocast("cpu", torch.bfloat16):
        out = lesson(x, quality, torch.tensor([5, 6])).out
    (out.bits.sum() / 1e3 + out.side_bits.sum() / 1e3 + out.x_hat.square().sum()).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_one_graph(name):
    model = network(name)
    compile_as_constants()
    found = torch._dynamo.explain(model.lesson)(
        torch.rand(2, 3, 128, 128), torch.tensor([20.0, 60.0]), torch.tensor([5, 6])
    )
    assert (found.graph_count, found.graph_break_count) == (1, 0)


@pytest.mark.parametrize("name", ["hybrid", "lattice", "threshold", "hyperprior", "cheng2020"])
def test_gradients_in_mixed_precision_are_those_without_compiling(name):
    model = network(name)
    own = slopes(model, model.lesson)
    other = slopes(model, compiled(model.lesson, backend="aot_eager"))
    assert own.keys() == other.keys()
    for part, slope in own.items():
        assert torch.allclose(other[part], slope, rtol=1e-4, atol=1e-6 * slope.abs().max()), part

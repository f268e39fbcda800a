"""Half of a checkerboard is computed without the other half, to the same values."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hybrid_variants import arguments
from torch import nn

from bench.entropy.exact import exact
from bench.models.hybrid.model import Hybrid
from bench.models.hybrid.squares import checkerboard, colours, pick, put, white_from_black


@pytest.mark.parametrize("size", [(12, 12), (3, 5), (1, 2), (4, 7)])
def test_white_squares_get_what_the_convolution_of_the_whole_board_gives(size):
    torch.manual_seed(0)
    # In double: sums of thousands differ in float32 with the number of threads.
    layer = nn.Conv2d(6, 4, 5, padding=2).double()
    black, white = colours(*size, torch.device("cpu"))
    x = torch.randn(2, 6, *size).double() * checkerboard(*size, torch.device("cpu"))
    few, all_ = (x.clone().requires_grad_() for _ in range(2))
    slopes = []
    for given, out in (
        (few, white_from_black(layer, pick(few, black), size)),
        (all_, pick(layer(all_), white)),
    ):
        layer.zero_grad()
        (out * torch.arange(out.numel()).reshape(out.shape)).sum().backward()
        slopes.append((out, pick(given.grad, black), layer.weight.grad, layer.bias.grad))
    for ours, theirs in zip(*slopes, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(12, 12), (3, 5), (4, 7)])
def test_in_exact_arithmetic_they_are_the_same_to_the_last_bit(size):
    torch.manual_seed(0)
    layer = exact(nn.Conv2d(6, 4, 5, padding=2))
    black, white = colours(*size, torch.device("cpu"))
    x = 100 * torch.randn(2, 6, *size).double() * checkerboard(*size, torch.device("cpu"))
    assert torch.equal(white_from_black(layer, pick(x, black), size), pick(layer(x), white))


def test_what_is_picked_can_be_put_back():
    x = torch.randn(2, 3, 3, 4)
    again = torch.zeros_like(x)
    for squares in colours(3, 4, x.device):
        again = put(again, squares, pick(x, squares))
    assert torch.equal(again, x)
    assert torch.equal(put(torch.zeros_like(x), None, pick(x, None)), x)


@pytest.mark.parametrize("name", ["base", "no-checkerboard", "lattice"])
def test_training_computes_what_the_coder_computes_everywhere(name):
    torch.manual_seed(0)
    model = Hybrid(**arguments(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    x, found = torch.rand(1, 3, 48, 80), []
    for everywhere in (False, True):
        model.context.everywhere = everywhere
        out = model.eval()(x, torch.tensor([70.0]))
        found.append((out.x_hat, out.bits))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_mixed_precision_leaves_rate_and_distortion_as_they_are():
    torch.manual_seed(0)
    model = Hybrid(**arguments("base")).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))
    x, quality = torch.rand(2, 3, 32, 32), torch.tensor([30.0, 90.0])
    whole = model(x, quality)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(x, quality)
    assert mixed.x_hat.dtype == mixed.bits.dtype == torch.float32
    assert torch.allclose(mixed.bits, whole.bits, rtol=2e-3)
    # An eighth of a grey level, where bfloat16 throughout would lose whole ones.
    assert (mixed.x_hat - whole.x_hat).square().mean().sqrt() < 1 / 2000
    assert not torch.equal(mixed.x_hat, whole.x_hat)


def test_a_network_that_has_coded_can_be_trained_at_the_same_size():
    torch.manual_seed(0)
    model = Hybrid(**arguments("base"))
    x, quality = torch.rand(1, 3, 176, 208), torch.tensor([50.0])
    with torch.inference_mode():
        model.eval()(x, quality)
    model.train()(x, quality).bits.sum().backward()
    assert model.context.beside[0].weight.grad is not None


def test_a_codec_does_not_wait_for_a_compiler():
    program = "import sys, bench.models.hybrid.model; sys.exit('torch._dynamo' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)

"""Exact convolutions: the order of the sum can't matter, and the values are float64's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bench.entropy.exact import ExactConv2d, ExactLinear, ExactRows, exact
from bench.errors import CodecError

LAYERS = [
    nn.Conv2d(24, 16, 3, padding=1),
    nn.Conv2d(24, 16, 5, padding=2, stride=2),
    nn.Conv2d(24, 16, 1, bias=False),
    nn.ConvTranspose2d(24, 16, 5, stride=2, padding=2, output_padding=1),
    nn.ConvTranspose2d(24, 16, 3, stride=1, padding=1),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_an_exact_convolution_has_the_precision_of_float32(
    layer: nn.Conv2d | nn.ConvTranspose2d, size: tuple[int, int]
) -> None:
    torch.manual_seed(1)
    x = 20 * torch.randn(2, 24, *size, dtype=torch.float64)
    with torch.inference_mode():
        expected = layer.double()(x)
        got = ExactConv2d(layer)(x)
    assert got.shape == expected.shape
    assert (got - expected).abs().max() < 2e-6 * expected.abs().max()


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_order_of_channels_does_not_change_a_bit(
    layer: nn.Conv2d | nn.ConvTranspose2d,
) -> None:
    torch.manual_seed(2)
    x = torch.randn(1, 24, 6, 7, dtype=torch.float64) * torch.logspace(-3, 3, 24)[:, None, None]
    order = torch.randperm(24)
    shuffled = type(layer)(
        24, 16, layer.kernel_size, layer.stride, layer.padding, bias=layer.bias is not None,
        **({"output_padding": layer.output_padding} if layer.output_padding != (0, 0) else {}),
    )  # fmt: skip
    with torch.no_grad():
        transposed = isinstance(layer, nn.ConvTranspose2d)
        weight = layer.weight[order] if transposed else layer.weight[:, order]
        shuffled.weight.copy_(weight)
        if layer.bias is not None:
            shuffled.bias.copy_(layer.bias)
    layer = layer.float()
    with torch.inference_mode():
        assert torch.equal(ExactConv2d(layer)(x), ExactConv2d(shuffled)(x[:, order]))
        # The same sums in plain float64 do depend on the order: the test can fail.
        plain = layer.double()(x)
        assert not torch.equal(plain, shuffled.double()(x[:, order]))
    layer.float()


def test_every_row_of_a_product_stands_alone() -> None:
    torch.manual_seed(3)
    linear = ExactLinear(torch.randn(32, 500), torch.randn(32))
    x = torch.randn(40, 500, dtype=torch.float64)
    whole = linear(x)
    for size in (1, 3, 17):
        assert torch.equal(whole[:size], linear(x[:size]))


def test_partial_sums_stay_below_two_to_the_53() -> None:
    for weight in (torch.ones(1, 4096), torch.randn(8, 3840), torch.full((1, 1), 3e-30)):
        integers = ExactLinear(weight, None).integers
        assert integers.abs().sum(dim=1).max() * 2.0**23 <= 2.0**53
        assert integers.abs().sum(dim=1).min() * 2.0**23 > 2.0**50, "bits are wasted"


def test_zeros_and_extremes_give_finite_numbers() -> None:
    linear = ExactLinear(torch.zeros(4, 8), torch.ones(4))
    assert torch.equal(linear(torch.zeros(2, 8, dtype=torch.float64)), torch.ones(2, 4).double())
    linear = ExactLinear(torch.ones(4, 8), None)
    assert torch.isfinite(linear(torch.full((1, 8), 1e30, dtype=torch.float64))).all()


def test_weights_that_are_not_finite_and_unknown_layers_are_refused() -> None:
    with pytest.raises(CodecError, match="not finite"):
        ExactLinear(torch.tensor([[float("nan")]]), None)
    with pytest.raises(CodecError, match="BatchNorm2d has no exact form"):
        exact(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
    with pytest.raises(CodecError, match="groups"):
        exact(nn.Conv2d(4, 4, 3, groups=2))


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1e-3, 1.0, 1e6])
def test_rows_of_numpy_are_computed_as_tensors_are_to_the_bit(scale: float) -> None:
    torch.manual_seed(3)
    weight, bias = torch.randn(7, 50), torch.randn(7)
    x = scale * torch.randn(11, 50, dtype=torch.float64)
    # Powers of two are where the unit changes.
    x[0, 0] = scale and 4.0
    expected = ExactLinear(weight, bias)(x).numpy()
    assert np.array_equal(ExactRows(weight, bias)(x.numpy()), expected)

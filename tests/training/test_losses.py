"""The terms of the loss: each has its weight, its value and its gradient."""

from __future__ import annotations

import math

import pytest
import torch

from bench.errors import UsageError
from bench.models.hybrid.model import LAMBDA, log_step
from bench.models.trainable import Coded
from bench.training.losses import RateDistortion


def _out(x_hat, bits=1000.0):
    batch = len(x_hat)
    bits = torch.full((batch,), bits, dtype=x_hat.dtype)
    zero = torch.zeros(batch, dtype=x_hat.dtype)
    return Coded(x_hat, {}, bits, zero, zero, zero)


def test_rate_and_distortion_are_traded_at_the_slope_of_the_step():
    x = torch.full((1, 3, 16, 16), 0.5)
    out = _out(x + 0.1)
    terms = RateDistortion()(out, x, torch.tensor([40.0]))
    bits, sse = 1000 / 256, 3 * 0.01
    cost = bits + sse / (LAMBDA * math.exp(log_step(torch.tensor(40.0))) ** 2)
    assert terms.total.item() == pytest.approx(2 * math.sqrt(cost), rel=1e-5)
    assert terms.values["rate"].item() == pytest.approx(bits)
    assert terms.values["mse"].item() == pytest.approx(0.01, rel=1e-5)


@pytest.mark.parametrize("term", ["rate", "mse"])
def test_a_weight_of_zero_takes_a_term_out(term):
    x = torch.rand(1, 3, 16, 16)
    losses = RateDistortion(**{term: 0.0})
    quality = torch.tensor([50.0])
    if term == "rate":
        same = [losses(_out(x + 0.1, bits), x, quality).total for bits in (10, 10_000)]
    else:
        same = [losses(_out(x + shift), x, quality).total for shift in (0.0, 0.2)]
    assert same[0] == same[1]


def test_the_gradient_is_that_of_finite_differences():
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    quality = torch.tensor([20.0, 70.0], dtype=torch.float64)

    def loss(x_hat, bits):
        zero = torch.zeros(2, dtype=torch.float64)
        out = Coded(x_hat, {}, bits, zero, zero, zero)
        return RateDistortion()(out, x, quality).total

    start = (
        (x + 0.05).clone().requires_grad_(),
        torch.tensor([30.0, 90.0]).double().requires_grad_(),
    )
    assert torch.autograd.gradcheck(loss, start)


def test_perceptual_terms_fall_as_images_come_closer():
    x = torch.rand(1, 3, 64, 64)
    losses = RateDistortion(lpips=1.0)
    values = [
        losses(_out(x + shift * torch.rand_like(x)), x, torch.tensor([50.0])).values["lpips"].item()
        for shift in (0.0, 0.1, 0.5)
    ]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[0] < values[1] < values[2]


def test_wrong_terms_are_refused():
    with pytest.raises(UsageError, match=r"loss\.mse"):
        RateDistortion(mse=-1)
    x = torch.rand(1, 3, 64, 64)
    with pytest.raises(UsageError, match="above 160"):
        RateDistortion(ms_ssim=1.0)(_out(x), x, torch.tensor([50.0]))


def test_a_network_is_told_what_the_error_weighs():
    from hybrid_variants import arguments

    from bench.models.hybrid.model import Hybrid
    from bench.training.loop import FidelityStage

    settings = {"learning_rate": 1e-4, "warmup": 1, "steps": 1, "clip": 1.0, "decay": 0.9}
    slopes = []
    for mse in (1.0, 1.7):
        torch.manual_seed(0)
        model = Hybrid(**arguments("threshold")).train()
        stage = FidelityStage(model, RateDistortion(mse=mse, rate=0.5), **settings)
        assert model.error_weight == mse / 0.5
        out = stage.model(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
        slopes.append(torch.autograd.grad(out.bits.sum(), model.gain_in)[0])
    # The same bits, and another error beside them where a value crosses its threshold.
    assert not torch.equal(*slopes)

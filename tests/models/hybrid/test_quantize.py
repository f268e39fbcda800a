"""What stands for rounding: its values, its slopes, and codebooks that follow what they see."""

from __future__ import annotations

import pytest
import torch

from bench.models.hybrid.quantize import Noise, ScalarQuantizer
from bench.models.hybrid.vq import DEAD, DECAY, ResidualVQ


def _inputs():
    """Values away from the staircase's edges, means and scales, float64 (1, 2, 3)."""
    v = torch.tensor([[[-3.2, -0.3, 0.2], [0.7, 1.4, 6.1]]], dtype=torch.float64)
    mean = torch.tensor([[[0.1, 0.0, -0.4], [0.2, 0.3, 0.0]]], dtype=torch.float64)
    return v.requires_grad_(), mean.requires_grad_(), torch.full_like(v, 0.5).requires_grad_()


def _total(quantizer: ScalarQuantizer, noise=None):
    def total(v, mean, log_scale):
        v_hat, bits = quantizer(v, mean, log_scale, None, noise)
        return v_hat.square().sum() + bits.sum()

    return total


def test_slopes_of_noise_and_of_the_soft_staircase_are_those_of_finite_differences():
    noise = torch.tensor([[[0.4, -0.3, 0.1], [0.2, -0.2, 0.05]]], dtype=torch.float64)
    assert torch.autograd.gradcheck(_total(ScalarQuantizer("noise", 2), noise), _inputs())
    assert torch.autograd.gradcheck(_total(ScalarQuantizer("soft", 2)), _inputs())


@pytest.mark.parametrize("follows", [True, False])
def test_what_is_not_zero_follows_its_mean_only_where_it_is_said_to(follows):
    v, mean = torch.tensor([0.2, 3.1, -5.0]), torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    quantizer = ScalarQuantizer("ste", 3, follows).train()
    v_hat, _ = quantizer(v, mean, torch.zeros(3))
    (slope,) = torch.autograd.grad(v_hat.sum(), mean)
    assert slope.tolist() == [1, follows, follows]


def test_straight_through_has_the_value_of_rounding_and_the_slope_of_none():
    v, mean, log_scale = _inputs()
    v_hat, _ = ScalarQuantizer("ste", 2)(v, mean, log_scale)
    assert torch.allclose(v_hat - mean, torch.round(v - mean), atol=1e-12)
    (slope,) = torch.autograd.grad(v_hat.sum(), v)
    assert torch.equal(slope, torch.ones_like(v))


def test_noise_is_within_half_a_step_and_differs_from_sample_to_sample():
    x = torch.zeros(2, 3, 50)
    noise = Noise(torch.tensor([7, 8])).like(x)
    assert noise.abs().max() <= 0.5
    assert noise.std().item() == pytest.approx(12**-0.5, rel=0.1)
    assert not torch.equal(noise[0], noise[1])
    # The same sample in another process, beside others.
    assert torch.equal(Noise(torch.tensor([8])).like(x[:1])[0], noise[1])


def test_noise_is_even_and_new_at_every_call():
    source = Noise(torch.tensor([1, 2**62 - 1]))
    first, second = (source.like(torch.zeros(2, 4, 25_000)) for _ in range(2))
    for noise in (first, second):
        counts = torch.histc(noise, 10, -0.5, 0.5)
        # Ten times the spread of 200,000 throws into ten bins.
        assert (counts - 20_000).abs().max() < 10 * (200_000 * 0.1 * 0.9) ** 0.5
    flat = torch.stack([*first.flatten(1), *second.flatten(1), first[0].flatten().roll(1)])
    assert (torch.corrcoef(flat) - torch.eye(5)).abs().max() < 0.02


def _quantiser(codes=4):
    torch.manual_seed(0)
    return ResidualVQ(channels=2, stages=1, codes=codes, width=2).train()


def test_a_code_moves_to_the_mean_of_what_is_nearest_to_it():
    vq = _quantiser(2)
    vq.codebook[0] = torch.tensor([[0.0, 0.0], [10.0, 10.0]])
    vq.sums.copy_(vq.codebook)
    near, far = torch.tensor([1.0, 2.0]), torch.tensor([9.0, 8.0])
    y = torch.stack([near, near, far], 1).reshape(1, 2, 1, 3)
    usage, sums = torch.ones(2), vq.sums[0].clone()
    for _ in range(3):
        vq(y, torch.tensor([1]))
        # Exponential moving averages of counts and sums, as in the appendix of van den Oord et al.
        usage = DECAY * usage + (1 - DECAY) * torch.tensor([2.0, 1.0])
        sums = DECAY * sums + (1 - DECAY) * torch.stack([2 * near, far])
    assert torch.allclose(vq.codebook[0], sums / usage[:, None], atol=1e-5)


def test_a_code_that_nothing_is_near_to_comes_back_to_life():
    vq = _quantiser()
    y = torch.randn(1, 2, 8, 8)
    vq.codebook[0, 3] = 1000.0
    vq.sums[0, 3] = 1000.0
    fair = 64 / 4
    needed = 1
    while DECAY**needed >= DEAD * fair:
        needed += 1
    for step in range(needed):
        assert vq.codebook[0, 3].abs().max() > 100, step
        vq(y, torch.tensor([1]))
    assert vq.codebook[0, 3].abs().max() < 10
    # It lies on a vector that was seen, and is used from now on.
    seen = y.flatten(2)[0].T
    assert (seen - vq.codebook[0, 3]).abs().amax(1).min() == 0
    assert (vq(y, torch.tensor([1])).indices == 3).any()


def test_stages_that_a_quality_does_not_use_learn_nothing_from_it():
    torch.manual_seed(0)
    vq = ResidualVQ(channels=2, stages=2, codes=4, width=2).train()
    before = vq.codebook.clone()
    vq(torch.randn(1, 2, 4, 4), torch.tensor([1]))
    assert not torch.equal(vq.codebook[0], before[0])
    assert torch.equal(vq.codebook[1], before[1])

"""Channels that a linear transform can do without become features that bend."""

from __future__ import annotations

import pytest
import torch
from small_baselines import SMALL, started

from bench.errors import CodecError
from bench.models.retrained.bend import KEPT, OF, Moments, bend, gather, stage_of
from bench.models.retrained.cheng import RetrainedCheng
from bench.models.retrained.model import RetrainedHyperprior
from bench.training.losses import RateDistortion

WIDTH = SMALL["width"]


@pytest.fixture
def model(photos):
    return started(RetrainedHyperprior, photos).eval()


def _seen(model, name, x):
    layers, at = getattr(model, name[:3]), int(name[4:])
    before = layers[:at](x)
    return before, layers[at](before)


def _bent(pair, channels):
    """By how much GDN changes with the picture: 5 to 95 % of the logarithm, mean of channels."""
    before, behind = (part[:, channels] for part in pair)
    ratio = (behind / before).abs().log().transpose(0, 1).flatten(1)
    low, high = torch.quantile(ratio, torch.tensor([0.05, 0.95]), dim=1)
    return float((high - low).mean())


@torch.no_grad()
def test_few_channels_pass_on_all_that_the_next_layer_hears(model, photos):
    """At the start the first stage has twelve coefficients, whatever the number of channels."""
    # Features that hear all channels begin behind them.
    model.g_a[2].weight[48:] = 0
    stage = stage_of(model, "g_a.1")
    expected = model.g_a(photos)
    loud = gather(stage, Moments.of(*_seen(model, "g_a.1", photos)), 20)
    assert len(loud) == 12
    bend(stage, loud)
    changed = (model.g_a(photos) - expected).square().mean((0, 2, 3)) / expected.var((0, 2, 3))
    assert changed.max() < 1e-5
    before, _ = _seen(model, "g_a.1", photos)
    # As loud as it says, and not correlated.
    flat = before[:, :12].double().transpose(0, 1).flatten(1)
    moments = flat @ flat.T / flat.shape[1]
    assert torch.allclose(moments.diag().sqrt(), loud, rtol=0.02)
    correlation = moments / torch.outer(moments.diag(), moments.diag()).sqrt()
    assert (correlation - torch.eye(12)).abs().max() < 0.05


@torch.no_grad()
def test_a_renewed_network_does_what_it_did_and_bends(model, photos):
    quality = torch.tensor([50.0, 50.0])
    was = (model(photos, quality).x_hat - photos).square().mean()
    model.renew(photos)
    now = (model(photos, quality).x_hat - photos).square().mean()
    assert 0 < float(now) < 1.2 * float(was)
    latent = torch.round(model.g_a(photos))
    for name, most in KEPT.items():
        # No one hears the features yet.
        heard = stage_of(model, name).after.flatten(1).any(1)
        count = int(heard.sum())
        assert heard[:count].all()
        assert count <= round(most / OF * WIDTH)
        pair = _seen(model, name, photos if name.startswith("g_a") else latent)
        assert _bent(pair, slice(count)) < 0.01
        assert _bent(pair, slice(count, None)) > 0.5


def test_the_features_are_heard_from_the_first_step_on(model, photos):
    model.renew(photos)
    model.train()
    lesson = model.lesson(photos, torch.tensor([30.0, 70.0]), torch.tensor([0, 1]))
    RateDistortion()(lesson.out, lesson.x, lesson.quality).total.backward()
    for layers, at in ((model.g_a, 3), (model.g_s, 5)):
        grad = layers[at + 1].weight.grad
        heard = grad if at == 5 else grad.transpose(0, 1)
        assert (heard[-5:].abs().amax((1, 2, 3)) > 0).all()


def test_what_bends_already_is_left_as_it_is(model, photos):
    model.renew(photos)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CodecError, match="bends already"):
        model.renew(photos)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_that_pass_nothing_on_are_refused(model, photos):
    torch.nn.init.zeros_(model.g_a[2].weight)
    with pytest.raises(CodecError, match="hears 0 channels"):
        model.renew(photos)


def test_what_can_not_be_renewed_says_so(photos):
    fixed = started(RetrainedHyperprior, photos, outer="fixed")
    for network in (fixed, started(RetrainedCheng, photos)):
        assert not network.renews
        with pytest.raises(CodecError, match="nothing to renew"):
            network.renew(photos)

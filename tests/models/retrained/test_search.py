"""A search for one picture's latent: what it gains, and that decoders need not know."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from small_baselines import BOTH, SIDE

from bench.errors import CodecError
from bench.models.entropy_models import GaussianConditional
from bench.models.retrained import search
from bench.models.retrained.search import Gaussian

QUALITY = 40


@pytest.fixture
def network(kind, networks):
    """The network of a kind, whose encoder is as before when the test is over."""
    yield networks[kind]
    networks[kind].encode_with()


def _coded(network, x, refine):
    """Return the stream, and rate and error as training trades them, in bits."""
    network.encode_with(refine=refine)
    stream = network.compress(x, QUALITY)
    error = (network.decompress(stream, SIDE, SIDE) - x).square().sum()
    return stream, 8 * len(stream) + float(error) / network.price(torch.tensor([float(QUALITY)]))


@BOTH
def test_it_makes_rate_and_error_cheaper(network, photos):
    for x in photos.split(1):
        costs = [_coded(network, x, refine)[1] for refine in (0, 1, 4)]
        assert costs[2] < costs[1] < costs[0]
        assert costs[2] < 0.99 * costs[0]


@BOTH
def test_a_decoder_that_knows_nothing_of_it_reads_the_stream(network, photos):
    x = photos[:1]
    stream, _ = _coded(network, x, 2)
    image = network.decompress(stream, SIDE, SIDE)
    again, _ = _coded(network, x, 2)
    plain, _ = _coded(network, x, 0)
    assert stream == again != plain
    assert torch.equal(network.decompress(stream, SIDE, SIDE), image)
    before = (network.decompress(plain, SIDE, SIDE) - x).square().mean()
    assert (image - x).square().mean() < 1.3 * before


@BOTH
def test_passes_that_cost_more_are_taken_back(network, photos, monkeypatch):
    monkeypatch.setattr(search, "RATE", 100.0)
    monkeypatch.setattr(search, "FURTHEST", 5.0)
    wild, cost = _coded(network, photos[:1], 1)
    plain, before = _coded(network, photos[:1], 0)
    assert wild == plain
    assert cost == before


@BOTH
def test_a_flat_picture_is_searched(network):
    x = torch.full((1, 3, 64, 64), 0.5)
    network.encode_with(refine=2)
    image = network.decompress(network.compress(x, QUALITY), 64, 64)
    assert (image - x).abs().max() < 0.05


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"refine": -1}, "refine: 0 … 100 passes"),
        ({"refine": 101}, "refine: 0 … 100 passes"),
        ({"refine": 2.5}, "refine: a number"),
        ({"rdo": 0.2}, "no setting 'rdo'; known: refine"),
    ],
)
@BOTH
def test_senseless_settings_are_refused_with_the_reason(network, settings, reason):
    with pytest.raises(CodecError, match=reason):
        network.encode_with(**settings)


def test_bits_are_those_of_a_gaussian_over_a_step():
    symbol, scale = np.arange(-3.0, 4.0), np.array([0.2, 0.7, 3.0])[:, None]
    normal = scipy.stats.norm(scale=scale)
    expected = -np.log2((normal.cdf(symbol + 0.5) - normal.cdf(symbol - 0.5)).clip(1e-9))
    law = Gaussian(GaussianConditional(), torch.from_numpy(scale))
    found = law.bits(torch.from_numpy(symbol).expand(3, -1)).numpy()
    assert np.allclose(found, expected, rtol=1e-4)

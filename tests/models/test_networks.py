"""The networks: shapes, training, and what ready() makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from learned import crop_tensor, small_model

from bench.entropy.context import wavefront
from bench.entropy.tables import stack
from bench.errors import CodecError, UnknownNameError
from bench.models.base import CompressionModel
from bench.models.entropy_models import EntropyBottleneck, packed, unpacked
from bench.models.layers import GDN, deconv
from bench.models.minnen2018 import JointPrior
from bench.models.zoo import ARCHITECTURES, architecture

# Parameters of the narrowest published size, as CompressAI 1.2.8 counts them.
PARAMETERS = {
    "bmshj2018-factorized": 2_998_147,
    "bmshj2018-hyperprior": 5_075_843,
    "mbt2018-mean": 7_028_003,
    "mbt2018": 14_130_467,
    "cheng2020-anchor": 11_833_149,
    "cheng2020-attn": 13_183_293,
}


def narrow(name: str) -> CompressionModel:
    torch.manual_seed(1)
    wide = len(ARCHITECTURES[name].widths[0]) == 2
    return ARCHITECTURES[name].load()(*((8, 12) if wide else (8,)))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_size_has_the_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        model = architecture(name).build(1)
    assert sum(part.numel() for part in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_is_trained(name: str) -> None:
    model = narrow(name).train()
    out = model(torch.rand(2, 3, 64, 64))
    bits = sum(-part.log2().sum() for part in out.likelihoods.values())
    assert out.x_hat.shape == (2, 3, 64, 64)
    (out.x_hat.square().sum() + bits + model.auxiliary_loss()).backward()
    for key, part in model.named_parameters():
        assert part.grad is not None, key
        assert torch.isfinite(part.grad).all(), key


def test_the_likelihoods_of_a_factorized_prior_add_up_to_one() -> None:
    torch.manual_seed(2)
    prior = EntropyBottleneck(3).eval()
    grid = torch.arange(-400.0, 401.0).repeat(1, 3, 1, 1)
    with torch.no_grad():
        _, likelihood = prior(grid)
    assert likelihood.sum(dim=3).flatten().tolist() == pytest.approx([1, 1, 1], abs=1e-4)


def test_pinned_tables_hold_the_prior_s_likelihoods() -> None:
    torch.manual_seed(3)
    prior = EntropyBottleneck(2).eval()
    prior.pin()
    tables = prior.tables()
    values = tables.offsets[0] + torch.arange(int(tables.escapes[0]))
    with torch.no_grad():
        _, likelihood = prior(values.float().repeat(1, 2, 1, 1))
    held = torch.from_numpy(tables.cdf[0, : tables.lengths[0]]).diff()[:-1] / 65536
    assert (held - likelihood[0, 0, 0]).abs().max() < 1e-4


def test_the_auxiliary_loss_moves_the_quantiles_to_the_tails() -> None:
    torch.manual_seed(4)
    prior = EntropyBottleneck(2)
    optimiser = torch.optim.Adam([prior.quantiles], lr=5)
    for step in range(400):
        optimiser.param_groups[0]["lr"] = 5 * 0.98**step
        optimiser.zero_grad()
        loss = prior.loss()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        tails = torch.sigmoid(prior._logits(prior.quantiles.double()))
    assert tails[:, 0, 1].tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
    assert tails[:, 0, 0].tolist() == pytest.approx([5e-10, 5e-10], rel=0.1)


def test_gdn_and_its_inverse_follow_the_paper_s_formula() -> None:
    torch.manual_seed(5)
    gdn, inverse = GDN(4), GDN(4, inverse=True)
    x = torch.randn(1, 4, 3, 3)
    # At initialisation beta is 1 and gamma a tenth of the identity.
    norm = torch.sqrt(1 + 0.1 * x**2)
    with torch.no_grad():
        assert torch.allclose(gdn(x), x / norm, atol=1e-6)
        assert torch.allclose(inverse(x), x * norm, atol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_a_transposed_convolution_is_pytorch_s(mixed, layout) -> None:
    torch.manual_seed(6)
    own, other = deconv(6, 4), torch.nn.ConvTranspose2d(6, 4, 5, 2, padding=2, output_padding=1)
    other.load_state_dict(own.state_dict())
    found = []
    for layer in (own.to(memory_format=layout), other.to(memory_format=layout)):
        x = torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(7))
        x = x.contiguous(memory_format=layout).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            y = layer(x)
        (y.float() ** 3).sum().backward()
        found.append((y, x.grad, layer.weight.grad, layer.bias.grad))
    for mine, expected in zip(*found, strict=True):
        assert mine.dtype == expected.dtype
        assert torch.allclose(mine, expected, rtol=1e-2 if mixed else 1e-5)


def test_a_transposed_convolution_computes_no_gradient_that_nobody_asked_for() -> None:
    layer, x = deconv(6, 4), torch.randn(1, 6, 5, 7)
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
    assert (x.grad, layer.weight.grad) == (None, None)
    # A sum's gradient is 1 at each of 10 × 14 positions.
    assert layer.bias.grad.tolist() == [140.0] * 4


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (4, 4), (7, 12), (12, 5)])
def test_the_wavefront_decodes_everything_once_and_in_time(size: tuple[int, int]) -> None:
    when = {}
    steps = 0
    for step, (rows, columns) in enumerate(wavefront(*size)):
        for place in zip(rows.tolist(), columns.tolist(), strict=True):
            assert place not in when
            when[place] = step
        steps += 1
    height, width = size
    assert len(when) == height * width
    assert steps == width + 3 * (height - 1)
    for (i, j), step in when.items():
        for di in (-2, -1, 0):
            for dj in range(-2, 3) if di else (-2, -1):
                assert when.get((i + di, j + dj), -1) < step


def test_the_wavefront_codes_what_a_raster_scan_would(kodak: Path) -> None:
    x = crop_tensor(kodak / "kodim05.png", 64, 128)
    model = small_model("mbt2018", x)
    assert isinstance(model, JointPrior)
    with torch.inference_mode():
        y = model.analyse(x)
        _, coded = model.coder.encode(y)
        raster = scan(model, y)
    # The scan is in plain float64, the coder in its own exact arithmetic.
    assert (coded - raster).abs().max() < 1e-4


def scan(model: JointPrior, y: torch.Tensor) -> torch.Tensor:
    """Quantise `y` position by position, row by row, as the paper describes it."""
    double = narrow("mbt2018").__class__(24, 32)
    double.load_state_dict(model.state_dict(), strict=False)
    double = double.double().eval()
    z = model.hyper_analysis(y)
    medians = model.entropy_bottleneck.medians[:, None, None]
    side = double.h_s((torch.round(z - medians) + medians).double())
    y_hat = torch.zeros_like(y, dtype=torch.float64)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            seen = double.context_prediction(y_hat)
            both = torch.cat((side, seen), dim=1)[:, :, i : i + 1, j : j + 1]
            mean = double.entropy_parameters(both).chunk(2, dim=1)[1][:, :, 0, 0]
            y_hat[:, :, i, j] = torch.round(y[:, :, i, j].double() - mean) + mean
    return y_hat.float()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_decoder_gets_the_encoder_s_latent_to_the_bit(name: str, kodak: Path) -> None:
    x = crop_tensor(kodak / "kodim05.png", 128, 192)
    model = small_model(name, x)
    with torch.inference_mode():
        payload, latent = model.coder.encode(model.analyse(x))
        assert torch.equal(model.coder.decode(payload, (8, 12)), latent)
    assert 0.15 < 8 * len(payload) / (128 * 192) < 2, "the test's streams must be worth coding"


def test_a_model_that_is_not_ready_and_a_latent_that_is_not_finite_are_codec_errors() -> None:
    model = narrow("bmshj2018-hyperprior")
    with pytest.raises(CodecError, match="call ready"):
        model.compress(torch.rand(1, 3, 64, 64), 1)
    with torch.no_grad():
        model.g_a[6].bias.fill_(float("nan"))
    with pytest.raises(CodecError, match="weights are broken"):
        model.ready().compress(torch.rand(1, 3, 64, 64), 1)


def test_an_unknown_architecture_gets_suggestions() -> None:
    with pytest.raises(UnknownNameError, match="did you mean mbt2018"):
        architecture("mbt2018s")


def test_packed_tables_come_back_as_they_were_and_damaged_ones_are_named() -> None:
    tables = stack([np.array([0.5, 0.25, 0.25]), np.array([0.9, 0.1])], [0, 0])
    cdf, lengths = torch.from_numpy(tables.cdf), torch.from_numpy(tables.lengths)
    flat = packed(cdf, lengths)
    assert flat.tolist() == [32768, 49152, 58982]
    assert torch.equal(unpacked(flat, lengths), cdf)
    with pytest.raises(CodecError, match="do not add up"):
        unpacked(flat[:-1], lengths)
    with pytest.raises(CodecError, match="do not add up"):
        unpacked(flat, lengths - 3)

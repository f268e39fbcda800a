"""The published baselines as networks of all rates: start, gains, bitstreams."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.fft
import torch
from small_baselines import BOTH, SIDE, SMALL, started

from bench.errors import BitstreamError, CodecError
from bench.models.checkpoint import read_state, restore, save
from bench.models.entropy_models import EntropyBottleneck
from bench.models.hybrid.quantize import Noise
from bench.models.retrained import dct
from bench.models.retrained.cheng import RetrainedCheng
from bench.models.retrained.config import ChengConfig, HyperpriorConfig
from bench.models.retrained.model import RetrainedHyperprior
from bench.training.export import export, released
from bench.training.losses import RateDistortion

DECODE = """
import sys, json, numpy as np, torch
from pathlib import Path
from bench.models.checkpoint import read_state, restore
from bench.registry import load_target
torch.set_num_threads(4)
folder = Path(sys.argv[1])
target, arguments = json.loads((folder / "network.json").read_text())
state = read_state(folder / "model.safetensors")
model = restore(load_target(target), state, arguments, "model")
for stream in sorted(folder.glob("*.bin")):
    np.save(stream.with_suffix(".npy"), model.decompress(stream.read_bytes(), 128, 128).numpy())
"""


@BOTH
def test_fifty_steps_lower_the_loss(kind, photos):
    """With the outermost stages left as they are: a network that is trained in parts, too."""
    model = started(kind, photos, outer="fixed").train()
    photos = photos[:, :, :64, :64]
    losses, history = RateDistortion(), []
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), 2e-4)
    quality = torch.tensor([20.0, 60.0])
    for step in range(50):
        lesson = model.lesson(photos, quality, torch.tensor([step, step + 1000]))
        loss = losses(lesson.out, lesson.x, lesson.quality).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(loss.item())
    assert np.mean(history[-5:]) < 0.95 * np.mean(history[:5])


def test_the_cascade_is_the_block_dct_of_scipy():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((1, 3, 16, 16)))
    y = dct.analysis(x, 1)
    for size in (1, 2, 4, 8):
        y = torch.nn.functional.conv2d(y, dct.doubling(size), stride=2)
    # Luminance is the mean of the colours times √3.
    luminance = (x[0].sum(0).numpy() - 1.5) / np.sqrt(3)
    expected = scipy.fft.dctn(luminance, norm="ortho")
    assert np.allclose(y[0, :256, 0, 0].reshape(16, 16), expected)
    assert torch.allclose(y, dct.analysis(x, 16))
    assert torch.allclose(dct.synthesis(y, 16), x)


@BOTH
def test_the_start_is_a_transform_codec(kind, photos):
    """What is lost beside the coefficients that are left out is small, and the same whether the
    outermost stages are run or stood in for.
    """
    model, random = started(kind, photos).eval(), kind(**SMALL).eval()
    short = started(kind, photos, outer="fixed").eval()
    chosen = dct.strongest(photos, 16, SMALL["latents"])
    y = dct.analysis(photos, 16)
    kept = torch.zeros_like(y)
    kept[:, chosen] = y[:, chosen]
    floor = (dct.synthesis(kept, 16) - photos).square().mean()
    finest = torch.full((2,), 100.0)
    with torch.inference_mode():
        error = (model(photos, finest).x_hat - photos).square().mean()
        assert floor < error < 1.3 * floor
        assert (random(photos, finest).x_hat - photos).square().mean() > 10 * error
        assert (short(photos, finest).x_hat - photos).square().mean() == pytest.approx(
            error.item(), rel=0.1
        )


@BOTH
def test_rates_rise_strictly_and_errors_fall_with_the_quality(kind, networks, photos):
    model, x = networks[kind], photos[:1]
    sizes, errors = [], []
    for quality in (0, 12.5, 50, 100):
        stream = model.compress(x, quality)
        sizes.append(len(stream))
        errors.append((model.decompress(stream, SIDE, SIDE) - x).square().mean().item())
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors), reverse=True)


@BOTH
def test_estimated_bits_are_what_the_stream_takes(kind, photos):
    """Where no value is far out: a table has 2^-16 for every symbol, a Gaussian much less."""
    model = started(kind, photos)
    with torch.no_grad():
        model.h_s[-1 if kind is RetrainedCheng else 4].bias[: SMALL["latents"]] += 2
    model = released(model)
    for quality in (10, 50):
        with torch.inference_mode():
            out = model(photos[:1], torch.tensor([float(quality)]))
        size = 8 * len(model.compress(photos[:1], quality))
        # Two bytes of quality, and what the coder's state rounds up to.
        assert size == pytest.approx((out.bits + out.side_bits).item() + 8 * 4, rel=0.05)


@BOTH
def test_a_fresh_process_with_other_threads_decodes(kind, networks, photos, tmp_path):
    model = networks[kind]
    save(model, tmp_path / "model.safetensors")
    (tmp_path / "network.json").write_text(json.dumps([model.target, SMALL]))
    for quality in (0, 50):
        (tmp_path / f"{quality}.bin").write_bytes(model.compress(photos[:1], quality))
    subprocess.run([sys.executable, "-c", DECODE, str(tmp_path)], check=True)
    for quality in (0, 50):
        stream = (tmp_path / f"{quality}.bin").read_bytes()
        # Another number of threads may add up the synthesis in another order.
        own = model.decompress(stream, SIDE, SIDE).numpy()
        assert np.abs(np.load(tmp_path / f"{quality}.npy") - own).max() < 1e-4


@BOTH
def test_gains_decide_about_rate_and_image(kind, photos):
    model = released(started(kind, photos))
    stream = model.compress(photos[:1], 40)
    image = model.decompress(stream, SIDE, SIDE)
    with torch.no_grad():
        # Of qualities 0, 20, 40 …: only what lies between the neighbours changes.
        model.gains.back[2] += 0.3
        assert model.compress(photos[:1], 40) == stream
        assert not torch.equal(model.decompress(stream, SIDE, SIDE), image)
        model.gains.into[2] -= 0.3
        assert len(model.compress(photos[:1], 40)) < len(stream)
    fresh = released(started(kind, photos))
    for quality in (20, 60):
        assert model.compress(photos[:1], quality) == fresh.compress(photos[:1], quality)
    assert model.compress(photos[:1], 30) != fresh.compress(photos[:1], 30)


@BOTH
def test_training_for_one_quality_is_training_for_it_alone(kind, photos):
    model = started(kind, photos, only=30.0)
    lesson = model.lesson(photos, torch.tensor([80.0, 5.0]), torch.tensor([1, 2]))
    # On the scale of steps, of which the network has −12 … 75.
    assert lesson.quality.tolist() == pytest.approx([-12 + 0.3 * 87] * 2)


@BOTH
def test_training_counts_the_bits_of_rounded_values(kind, photos):
    quality, seeds = torch.tensor([10.0, 10.0]), torch.tensor([1, 2])
    counted = {}
    for rate in ("rounded", "noisy"):
        model = started(kind, photos, rate=rate)
        with torch.no_grad():
            counted["coded"] = model.eval()(photos, quality).bits
            counted[rate] = model.train()(photos, quality, seeds).bits
    assert torch.allclose(counted["rounded"], counted["coded"], rtol=1e-4)
    assert not torch.allclose(counted["noisy"], counted["coded"], rtol=0.02)


@BOTH
def test_rounded_values_teach_the_scales_and_noise_the_latent(kind, photos):
    model = started(kind, photos)
    slopes = {}
    for how in (True, False):
        model.train(how).zero_grad()
        v = torch.randn(2, SMALL["latents"], 8, 8, generator=torch.Generator().manual_seed(1))
        v.requires_grad_()
        model.entropy(v, Noise(torch.tensor([1, 2])))[1].sum().backward()
        slopes[how] = v.grad, model.h_s[-1 if kind is RetrainedCheng else 4].weight.grad
    assert torch.allclose(slopes[True][1], slopes[False][1], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(slopes[True][0], slopes[False][0], atol=0.1)


def test_seeds_decide_the_noise(photos):
    model = started(RetrainedHyperprior, photos, rate="noisy").train()
    quality = torch.tensor([20.0, 60.0])
    first, again, other = (
        model.lesson(photos, quality, torch.tensor(seeds)).out.bits
        for seeds in ([1, 2], [1, 2], [1, 3])
    )
    assert torch.equal(first, again)
    assert first[0] == other[0]
    assert first[1] != other[1]


def test_fitted_quantiles_are_the_minimum_of_the_auxiliary_loss():
    torch.manual_seed(0)
    prior = EntropyBottleneck(3)
    with torch.no_grad():
        for bias in prior.biases:
            bias.uniform_(-3, 3)
    assert prior.loss() > 1
    prior.fit_quantiles()
    # Slopes are a tenth; quantiles are float32.
    assert prior.loss() < 1e-3


def test_a_damaged_head_or_a_quality_out_of_range_is_refused(networks, photos):
    model = networks[RetrainedHyperprior]
    with pytest.raises(CodecError, match="quality 0 … 100"):
        model.compress(photos[:1], 101)
    with pytest.raises(BitstreamError, match="cut within its header"):
        model.decompress(b"\x00", SIDE, SIDE)
    with pytest.raises(BitstreamError, match="above 100"):
        model.decompress(b"\xff\xff\x00\x00", SIDE, SIDE)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"width": 32}, "width: 64"),
        ({"latents": 20}, "latents: 48 … 768"),
        ({"gain_points": 1}, "gain_points"),
        ({"outer": "fixed", "start": "random"}, "outer=fixed needs start=dct"),
        ({"only": 120.0}, "only: a quality"),
        ({"steps_of": [75, -12]}, "steps_of: two rising qualities"),
        ({"steps_of": [1, 2, 3]}, "steps_of: two rising qualities"),
        ({"rate": "guessed"}, "one of noisy, rounded"),
        ({"start": "lapped"}, "one of dct, random"),
    ],
)
def test_a_senseless_configuration_is_refused_with_the_reason(settings, reason):
    with pytest.raises(ValueError, match=reason):
        HyperpriorConfig.from_dict(settings)


def test_the_defaults_are_those_that_released_cards_count_on():
    common = {
        "start": "dct", "outer": "trained", "gain_points": 6, "steps_of": [-12, 75],
        "rate": "rounded", "only": None,
    }  # fmt: skip
    assert HyperpriorConfig().to_dict() == {"width": 112, "latents": 320, **common}
    assert ChengConfig().to_dict() == {"width": 72, "latents": 192, **common}


@pytest.mark.parametrize(
    ("kind", "limit"), [(RetrainedHyperprior, 11_000_000), (RetrainedCheng, 16_000_000)]
)
def test_released_weights_are_below_their_limits_and_load(kind, limit, photos, tmp_path):
    torch.manual_seed(0)
    model = kind()
    model.fit_start(photos)
    export(model, tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").stat().st_size < limit
    restore(kind, read_state(tmp_path / "weights.safetensors"), {}, "weights")
    with pytest.raises(CodecError, match="as `arguments`"):
        kind.for_state(kind(**SMALL).state_dict())

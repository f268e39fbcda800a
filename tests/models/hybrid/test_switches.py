"""Every switch learns, changes something, and is a real codec."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hybrid_variants import SIZES, VARIANTS, arguments

from bench.image import read_image
from bench.models.checkpoint import save
from bench.models.hybrid.model import Hybrid
from bench.training.losses import RateDistortion

#: Each takes seconds; the rest of them is checked by the slow suite.
FAST = ("base", "random", "vit", "noise", "soft", "vq", "ae", "lattice", "parts")
CHOSEN = [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in VARIANTS]
QUALITIES = (5, 30, 60, 90)
#: Differ from the base in what they learn alone.
SAME_VALUES = ("threshold", "curvature")

DECODE = """
import sys, json, numpy as np, torch
from pathlib import Path
from bench.models.checkpoint import read_state, restore
from bench.models.hybrid.model import Hybrid
torch.set_num_threads(4)
folder = Path(sys.argv[1])
for card in sorted(folder.glob("*.json")):
    arguments = json.loads(card.read_text())
    state = read_state(card.with_suffix(".safetensors"))
    model = restore(Hybrid, state, arguments, card.name)
    for stream in sorted(folder.glob(card.stem + ".*.bin")):
        image = model.decompress(stream.read_bytes(), 64, 80)
        np.save(stream.with_suffix(".npy"), image.numpy())
"""


@pytest.fixture(scope="module")
def photos(shared):
    """Two crops of real photos, (2, 3, 64, 80)."""
    files = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[:120:60]
    crops = [read_image(file).pixels[100:164, 100:180] for file in files]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def _trained(name: str, photos: torch.Tensor, steps: int) -> tuple[Hybrid, list[float]]:
    torch.manual_seed(0)
    model = Hybrid(**arguments(name)).train()
    losses = RateDistortion(rate=0.0 if model.config.latent == "ae" else 1.0)
    quality = torch.tensor([20.0, 60.0])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    history = []
    for _ in range(steps):
        loss = losses(model(photos, quality), photos, quality).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(loss.item())
    return model, history


@pytest.fixture(scope="module")
def trained(photos):
    """Variants after 50 steps on one batch, with their losses; made when first asked for."""
    return functools.cache(lambda name: _trained(name, photos, 50))


@pytest.mark.parametrize("name", CHOSEN)
def test_fifty_steps_on_a_batch_lower_the_loss_by_a_fifth(trained, name):
    _, history = trained(name)
    assert np.mean(history[-3:]) < 0.8 * history[0]


def _shaken(name: str) -> Hybrid:
    torch.manual_seed(0)
    model = Hybrid(**arguments(name)).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))
    return model


def test_no_two_settings_compute_the_same(photos):
    seen: dict[tuple[float, ...], str] = {}
    quality = torch.tensor([20.0, 60.0])
    for name in (*VARIANTS, *SIZES):
        if name in SAME_VALUES:
            continue
        with torch.no_grad():
            out = _shaken(name)(photos, quality)
        what = (out.x_hat.double().sum().item(), out.bits.double().sum().item())
        assert what not in seen, (name, seen[what])
        seen[what] = name


def test_settings_of_the_gradient_compute_the_same_and_learn_otherwise(photos):
    values, slopes = [], []
    for name in ("base", *SAME_VALUES):
        model = _shaken(name)
        out = model(photos, torch.tensor([20.0, 60.0]))
        values.append(out.x_hat)
        cost = out.x_hat.square().sum() + out.bits.sum()
        slopes.append(torch.autograd.grad(cost, model.gain_in)[0])
    assert all(torch.equal(value, values[0]) for value in values)
    for one, other in itertools.combinations(slopes, 2):
        assert not torch.allclose(one, other, rtol=0.01)


@pytest.fixture(scope="module")
def streams(trained, photos, tmp_path_factory, request):
    """What the encoder wrote and expects, and what one fresh process decoded."""
    folder = tmp_path_factory.mktemp("streams")
    x = photos[:1, :, :64, :80]
    expected, sizes = {}, {}
    asked = {item.callspec.params["name"] for item in request.session.items
             if item.path == request.path and "test_a_fresh_process" in item.name}  # fmt: skip
    for name in sorted(asked):
        model, _ = trained(name)
        if model.config.latent == "ae":
            model.fit_prior([photos[:1], photos[1:]])
        save(model.ready(), folder / f"{name}.safetensors")
        (folder / f"{name}.json").write_text(json.dumps(arguments(name)))
        for quality in QUALITIES:
            stream = model.compress(x, quality)
            with torch.inference_mode():
                expected[name, quality] = model.coder.reconstruct(x, quality).clamp(0, 1).numpy()
            sizes[name, quality] = len(stream)
            (folder / f"{name}.{quality:02}.bin").write_bytes(stream)
    subprocess.run([sys.executable, "-c", DECODE, str(folder)], check=True)
    return folder, expected, sizes


@pytest.mark.parametrize("name", CHOSEN)
def test_a_fresh_process_with_other_threads_decodes_the_encoders_image(streams, name):
    folder, expected, _ = streams
    for quality in QUALITIES:
        decoded = np.load(folder / f"{name}.{quality:02}.npy")
        # Another number of threads may add up the synthesis in another order.
        assert np.abs(decoded - expected[name, quality]).max() < 1e-4


@pytest.mark.parametrize("name", CHOSEN)
def test_rates_rise_with_the_quality(streams, name):
    sizes = [streams[2][name, quality] for quality in QUALITIES]
    assert all(low < high for low, high in itertools.pairwise(sizes)), sizes

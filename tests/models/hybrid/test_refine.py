"""A search for one picture's latent: what it gains, and that decoders need not know."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hybrid_variants import arguments

from bench.models import tiles
from bench.models.hybrid import refine as search
from bench.models.hybrid.model import Hybrid, log_step
from bench.models.trainable import Coded

QUALITY = 40


@pytest.fixture(scope="module")
def photo(shared) -> torch.Tensor:
    from bench.image import read_image

    file = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[42]
    pixels = np.ascontiguousarray(read_image(file).pixels[:192, :256])
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def _model(name: str = "base", **encoder: object) -> Hybrid:
    torch.manual_seed(0)
    model = Hybrid(**arguments(name)).ready()
    model.encode_with(**encoder)
    return model


def _cost(model: Hybrid, x: torch.Tensor, bit: float) -> float:
    payload = model.compress(x, QUALITY)
    error = (model.decompress(payload, *x.shape[2:]) - x).square().sum()
    unit = torch.exp(2 * log_step(torch.tensor([float(QUALITY)])))
    return float(error / unit) + bit * 8 * len(payload)


@pytest.mark.parametrize("name", ["base", "steps-by-channel", "rdo-by-channel", "no-rdo"])
def test_every_pass_makes_rate_and_error_cheaper(photo, name):
    bit = 0.1
    costs = [_cost(_model(name), photo, bit)]
    costs += [_cost(_model(name, refine=n, bit=bit), photo, bit) for n in (1, 3)]
    assert costs[2] < costs[1] < costs[0] * 0.995


def test_a_decoder_that_knows_nothing_of_it_reads_the_stream(photo):
    model = _model(refine=2)
    payload = model.compress(photo, QUALITY)
    assert payload != _model().compress(photo, QUALITY)
    image = _model().decompress(payload, *photo.shape[2:])
    with torch.inference_mode():
        mine = model.latent_coder().reconstruct(photo, QUALITY).clamp(0, 1)
    assert torch.equal(image, mine)


def test_what_a_bit_is_worth_trades_rate_for_error(photo):
    cheap, dear = (len(_model(refine=3, bit=bit).compress(photo, QUALITY)) for bit in (0.05, 0.2))
    assert dear < cheap


def test_the_slope_from_tiles_is_that_of_the_whole(photo, monkeypatch):
    # What looks at the whole picture would see less of it.
    model = Hybrid(**arguments("no-attention"), squeeze_excite=False).ready()
    quality = torch.full((1,), float(QUALITY))
    torch.manual_seed(1)
    with torch.no_grad():
        # A decoder that corrects something.
        for parameter in model.g_s.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        y = model.analyse(photo)
        into, back = model.gains(quality)
        v_hat, z_hat = torch.round(y * into), torch.zeros(1, 8, 3, 4)
    decode = partial(search._decode, model, back, z_hat, quality)
    error, whole = tiles.slope_of_error(decode, photo, v_hat, 16)
    monkeypatch.setattr(tiles, "TILE", 4)
    error_of_parts, parts = tiles.slope_of_error(decode, photo, v_hat, 16)
    assert len(list(tiles.tiles(12, 16))) == 2
    assert error_of_parts == pytest.approx(error.item(), rel=1e-3)
    assert (parts - whole).abs().max() < 0.02 * whole.abs().max()
    assert (parts - whole).abs().mean() < 1e-3 * whole.abs().mean()


def test_what_is_not_a_multiple_of_a_tile_is_searched_to_its_edge(monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 8)
    torch.manual_seed(2)
    x = torch.rand(1, 3, 16 * 17, 16 * 25)
    model = _model(refine=1)
    with torch.inference_mode():
        y = model.analyse(x)
        found = search.refine(model, x, y, torch.tensor([40.0]), model.encoder)
        moved = (found - y).abs().amax((0, 1))
    assert (moved > 0).float().mean() > 0.99


@pytest.mark.parametrize("name", ["base", "parts", "lattice", "steps-by-channel", "one-group"])
@pytest.mark.parametrize("size", [(16, 16), (16, 32), (48, 16)])
def test_pictures_of_a_block_or_two_are_searched(name, size):
    height, width = size
    x = (torch.linspace(0, 0.6, height)[:, None] * torch.linspace(0, 1, width)).expand(1, 3, *size)
    model = _model(name, refine=2)
    image = model.decompress(model.compress(x, QUALITY), height, width)
    assert (image - x).abs().mean() < 0.05


@pytest.mark.parametrize("name", ["base", "lattice", "threshold"])
def test_all_weights_learn_from_where_the_search_ends(photo, name):
    torch.manual_seed(0)
    x, quality = photo[..., :96, :96].repeat(2, 1, 1, 1), torch.tensor([20.0, 60.0])
    model = Hybrid(**arguments(name)).train()
    for parameter in model.parameters():
        # What begins as zero gives what is before it no gradient.
        parameter.data.add_(1e-3 * torch.randn_like(parameter))

    def still(out: Coded) -> set[str]:
        model.zero_grad()
        (out.bits.sum() / 1e3 + (out.x_hat - x).square().sum()).backward()
        return {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}

    plain = model(x, quality)
    model.learn_searched(2, bit=0.2)
    # Under autocast, what is cast where nothing has a gradient would be used again where it has.
    with torch.autocast("cpu", torch.bfloat16):
        searched = model(x, quality)
    assert (searched.bits < plain.bits).all()
    assert still(searched) == still(plain)
    model.eval()
    measured = model(x, quality).bits
    model.searching = None
    assert torch.equal(model(x, quality).bits, measured)

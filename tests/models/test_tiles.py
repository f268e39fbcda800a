"""Pictures in tiles, and what a linear decoder's error and its curvature are known to be."""

from __future__ import annotations

import pytest
import torch

from bench.models import tiles

STRIDE = 4


def test_tiles_have_every_block_once_and_margins_within_the_picture():
    for length in (1, 47, 56, 57, 96, 105, 300):
        row = list(tiles.tiles(1, length))
        assert [block for tile in row for block in range(length)[tile.own_columns]] == [
            *range(length)
        ]
        for tile in row:
            outer, own = tile.columns, tile.own_columns
            assert outer.start % tiles.MARGIN == 0
            assert outer.start == max(0, own.start - tiles.MARGIN)
            assert outer.stop == min(length, own.stop + tiles.MARGIN)
            assert own.stop - own.start <= tiles.TILE + tiles.MARGIN


@pytest.mark.parametrize("tile", [48, 8])
def test_a_linear_decoder_has_the_slope_and_the_curvature_of_algebra(monkeypatch, tile):
    monkeypatch.setattr(tiles, "TILE", tile)
    torch.manual_seed(0)
    height, width = 17, 12
    # A block of the latent makes a block of the picture, and no other sees it.
    basis = torch.randn(5, 3, STRIDE, STRIDE) / 50
    v_hat = torch.randn(1, 5, height, width)
    x = 0.5 + 0.1 * torch.randn(1, 3, height * STRIDE, width * STRIDE)

    def decode(part: torch.Tensor, _: tiles.Tile) -> torch.Tensor:
        return 0.5 + torch.nn.functional.conv_transpose2d(part, basis, stride=STRIDE)

    with torch.inference_mode():
        error, slope = tiles.slope_of_error(decode, x.clone(), v_hat.clone(), STRIDE)
        curved = tiles.curvature(decode, v_hat.clone())
    missing = decode(v_hat, None) - x
    assert error.item() == pytest.approx(missing.square().sum().item(), rel=1e-4)
    expected = 2 * torch.nn.functional.conv2d(missing, basis, stride=STRIDE)
    assert torch.allclose(slope, expected, atol=1e-4)
    # One value off by 1 adds its basis function to the picture. The mean of some 200 squares.
    assert curved.flatten().tolist() == pytest.approx(
        basis.square().sum((1, 2, 3)).tolist(), rel=0.4
    )

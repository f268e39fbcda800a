"""A decoder's error and its slope, tile by tile: what a gradient remembers does not grow with the
picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

#: Blocks along a tile, and around it for what it sees of its surroundings. Multiples of the hybrid
#: codec's attention window and of the side information's blocks.
TILE, MARGIN = 48, 8


class Tile(NamedTuple):
    """Blocks of a latent, with what they see of their surroundings and without."""

    rows: slice
    columns: slice
    own_rows: slice
    own_columns: slice

    def pixels(self, stride: int) -> tuple[slice, slice]:
        """Return where the tile with its surroundings is in the picture, `stride` to a block."""
        return _finer(self.rows, stride), _finer(self.columns, stride)

    def own_pixels(self, stride: int) -> tuple[slice, slice]:
        """Return where the tile alone is in what :meth:`pixels` cuts out."""
        return (
            _finer(_within(self.own_rows, self.rows), stride),
            _finer(_within(self.own_columns, self.columns), stride),
        )


#: The picture of a tile of a latent as it is decoded, with its surroundings; it may have to clone
#: what it takes from inference mode.
Decode = Callable[[Tensor, Tile], Tensor]


def tiles(height: int, width: int) -> Iterator[Tile]:
    """Yield the tiles of a latent of `height` × `width` blocks; each block is in one alone."""
    for rows, own_rows in _along(height):
        for columns, own_columns in _along(width):
            yield Tile(rows, columns, own_rows, own_columns)


def slope_of_error(
    decode: Decode, x: Tensor, v_hat: Tensor, stride: int
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the squared error of pictures, summed (batch,), and its derivative in `v_hat`.

    Parameters
    ----------
    x : pictures (batch, 3, height, width) in 0 … 1.
    v_hat : what the decoder makes them of, (batch, channels, height / stride, width / stride).
    """
    total, slope = x.new_zeros(len(x)), torch.zeros_like(v_hat)
    for tile in tiles(*v_hat.shape[2:]):
        # Inside inference mode nothing has a gradient, nor what was made there.
        with torch.inference_mode(False), torch.enable_grad():
            part = v_hat[:, :, tile.rows, tile.columns].clone().requires_grad_()
            error = decode(part, tile).clamp(0, 1) - x[:, :, *tile.pixels(stride)]
            own = error[:, :, *tile.own_pixels(stride)].square().sum((1, 2, 3))
            (steep,) = torch.autograd.grad(own.sum(), part)
        total += own.detach()
        slope[:, :, tile.rows, tile.columns] += steep
    return total, slope


def curvature(decode: Decode, v_hat: Tensor) -> Tensor:
    """Return by how much the squared error of pictures grows, beyond its slope, where one value of
    a channel is 1 off: (batch, channels, 1, 1), the mean over the values of the middle tile.

    The decoder's transpose takes random signs to numbers whose mean square is that.

    References
    ----------
    C. Bekas, E. Kokiopoulou, Y. Saad, "An estimator for the diagonal of a matrix", Applied
    Numerical Mathematics 57 (2007).
    """
    every = list(tiles(*v_hat.shape[2:]))
    tile = every[len(every) // 2]
    with torch.inference_mode(False), torch.enable_grad():
        part = v_hat[:, :, tile.rows, tile.columns].clone().requires_grad_()
        image = decode(part, tile)
        # The same signs each time: so are the bytes.
        drawn = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
        signs = torch.where(drawn < 0.5, -1.0, 1.0).to(image)
        (seen,) = torch.autograd.grad((image * signs).sum(), part)
    return seen.square().mean((2, 3), keepdim=True)


def _along(length: int) -> list[tuple[slice, slice]]:
    """Return the tiles along `length` blocks: with their margins, and without."""
    parts = []
    for start in range(0, length, TILE):
        # What is left over is too little for a tile of its own.
        stop = length if length - start <= TILE + MARGIN else start + TILE
        outer = slice(max(0, start - MARGIN), min(length, stop + MARGIN))
        parts.append((outer, slice(start, stop)))
        if stop == length:
            break
    return parts


def _finer(blocks: slice, stride: int) -> slice:
    return slice(blocks.start * stride, blocks.stop * stride)


def _within(inner: slice, outer: slice) -> slice:
    return slice(inner.start - outer.start, inner.stop - outer.start)

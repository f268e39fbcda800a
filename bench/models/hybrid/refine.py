"""Search at encoding time: the latent of one picture is moved to where it is worth its bits.

The analysis answers for all pictures alike. For one, its latent is coded, decoded, and the error of
the picture says what every value would change by crossing the threshold it is next to; what brings
more than it costs is moved there, a few times over. Decoders need not know.

References
----------
Y. Yang, R. Bamler, S. Mandt, "Improving inference for neural image compression", NeurIPS 2020 (a
latent searched for each picture; there with annealed noise and thousands of steps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.models.hybrid.laplace import Law
from bench.models.hybrid.prior import RATIO
from bench.models.hybrid.rdo import chosen
from bench.models.hybrid.thresholds import Thresholds

if TYPE_CHECKING:
    from bench.models.hybrid.encoder import EncoderSettings
    from bench.models.hybrid.model import Hybrid

#: How far the first pass moves a value for what that would bring, the share of it that each pass
#: leaves to the next, and how far a pass moves a value at the most, in steps.
RATE, DECAY, FURTHEST = 0.4, 0.7, 0.3
#: Blocks along a tile, and around it for what it sees of its surroundings: what the decoder's
#: gradient remembers does not grow with the picture. Multiples of the attention's window and of the
#: side information's blocks.
TILE, MARGIN = 48, 8


@torch.no_grad()
def refine(
    model: Hybrid, x: Tensor, y: Tensor, quality: Tensor, settings: EncoderSettings
) -> Tensor:
    """Return the latent of `x` as `settings` have it, float32 in the shape of `y`.

    Under ``torch.autocast`` the decoder alone computes in 16 bits.

    Parameters
    ----------
    x : pictures (batch, 3, height, width) in 0 … 1.
    y : their latent as :meth:`Hybrid.analyse` returns it.
    quality : float (batch,), 0 … 100.
    """
    from bench.models.hybrid.model import log_step

    assert model.hyper is not None
    y, quality = y.float(), quality.float()
    into, back = model.gains(quality)
    own = into / model.in_steps(into, quality)
    weight = model.rate_weights(settings.rdo, quality)
    curvature = model.curvature(settings.curvature, quality)[..., None]
    unit = torch.exp(2 * log_step(quality)).to(y)[:, None, None, None]
    latent = model.in_steps(y * into, quality)
    for number in range(settings.refine):
        with torch.autocast(x.device.type, enabled=False):
            z_hat = torch.round(model.hyper(latent * own))
            choice = chosen(model, latent, z_hat, quality, settings.rdo)
        slope = _slope(model, x, choice.v_hat, back, z_hat, quality) / unit * own
        spread = None if weight is None else weight[..., None]
        law = Law.of(choice.log_scale)
        thresholds = Thresholds.of(choice.residual, choice.symbol, law, spread)
        gradient = thresholds.gradient(slope, curvature, settings.bit)
        latent = latent - (RATE * DECAY**number * gradient).clamp(-FURTHEST, FURTHEST)
    return latent * own / into


def _slope(
    model: Hybrid, x: Tensor, v_hat: Tensor, back: Tensor, z_hat: Tensor, quality: Tensor
) -> Tensor:
    """Return the derivative of the squared error of the pictures in `v_hat`, in its shape."""
    from bench.models.hybrid.model import level_of

    level, stride = level_of(quality), model.stride
    total = torch.zeros_like(v_hat)
    height, width = v_hat.shape[2:]
    for rows, own_rows in _tiles(height):
        for columns, own_columns in _tiles(width):
            # Inside inference mode nothing has a gradient, nor what was made there.
            with torch.inference_mode(False), torch.enable_grad():
                tile = v_hat[:, :, rows, columns].clone().requires_grad_()
                side = z_hat[:, :, _coarser(rows), _coarser(columns)].clone()
                image = model.synthesise(tile * back.clone(), level.clone(), side)
                error = image.clamp(0, 1) - x[:, :, _finer(rows, stride), _finer(columns, stride)]
                inner = (_within(own_rows, rows, stride), _within(own_columns, columns, stride))
                (slope,) = torch.autograd.grad(error[:, :, *inner].square().sum(), tile)
            total[:, :, rows, columns] += slope
    return total


def _tiles(length: int) -> list[tuple[slice, slice]]:
    """Return the tiles along `length` blocks: with their margins, and without."""
    tiles = []
    for start in range(0, length, TILE):
        # What is left over is too little for a tile of its own.
        stop = length if length - start <= TILE + MARGIN else start + TILE
        outer = slice(max(0, start - MARGIN), min(length, stop + MARGIN))
        tiles.append((outer, slice(start, stop)))
        if stop == length:
            break
    return tiles


def _coarser(blocks: slice) -> slice:
    return slice(blocks.start // RATIO, -(-blocks.stop // RATIO))


def _finer(blocks: slice, stride: int) -> slice:
    return slice(blocks.start * stride, blocks.stop * stride)


def _within(inner: slice, outer: slice, stride: int) -> slice:
    return slice((inner.start - outer.start) * stride, (inner.stop - outer.start) * stride)

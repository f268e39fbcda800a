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

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.models.hybrid.laplace import Law
from bench.models.hybrid.prior import RATIO
from bench.models.hybrid.rdo import chosen
from bench.models.hybrid.thresholds import Thresholds
from bench.models.tiles import Tile, slope_of_error

if TYPE_CHECKING:
    from bench.models.hybrid.encoder import EncoderSettings
    from bench.models.hybrid.model import Hybrid

#: How far the first pass moves a value for what that would bring, the share of it that each pass
#: leaves to the next, and how far a pass moves a value at the most, in steps.
RATE, DECAY, FURTHEST = 0.4, 0.7, 0.3


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
        decode = partial(_decode, model, back, z_hat, quality)
        slope = slope_of_error(decode, x, choice.v_hat, model.stride)[1] / unit * own
        spread = None if weight is None else weight[..., None]
        law = Law.of(choice.log_scale)
        thresholds = Thresholds.of(choice.residual, choice.symbol, law, spread)
        gradient = thresholds.gradient(slope, curvature, settings.bit)
        latent = latent - (RATE * DECAY**number * gradient).clamp(-FURTHEST, FURTHEST)
    return latent * own / into


def _decode(
    model: Hybrid, back: Tensor, z_hat: Tensor, quality: Tensor, v_hat: Tensor, tile: Tile
) -> Tensor:
    from bench.models.hybrid.model import level_of

    side = z_hat[:, :, _coarser(tile.rows), _coarser(tile.columns)].clone()
    return model.synthesise(v_hat * back.clone(), level_of(quality).clone(), side)


def _coarser(blocks: slice) -> slice:
    return slice(blocks.start // RATIO, -(-blocks.stop // RATIO))

"""What stands for rounding while the codec is trained.

All work on `v`, the latent in units of the step, and round `v - mean`.

References
----------
J. Ballé, V. Laparra, E. Simoncelli, "End-to-end optimized image compression", ICLR 2017 (noise).
L. Theis et al., "Lossy image compression with compressive autoencoders", ICLR 2017 (straight-
through). E. Agustsson, L. Theis, "Universally quantized neural compression", NeurIPS 2020 (soft).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.models.hybrid import laplace
from bench.models.hybrid.config import Quantizer
from bench.models.hybrid.rdo import choose
from bench.models.hybrid.thresholds import through_thresholds


class Noise:
    """Uniform noise in ±1/2 while training, seeded per sample where seeds are given.

    Two processes with half a batch each then see what one with the whole batch sees.

    Parameters
    ----------
    seeds : whole numbers (batch,), or None for PyTorch's global generator.
    """

    def __init__(self, seeds: Tensor | None = None) -> None:
        self._seeds, self._drawn = seeds, 0

    def like(self, x: Tensor) -> Tensor:
        """Return noise in the shape of `x` (batch, …), other noise at every call."""
        if self._seeds is None:
            return torch.rand_like(x) - 0.5
        count = x[0].numel()
        numbers = torch.arange(self._drawn, self._drawn + count, device=x.device)
        self._drawn += count
        # 24 bits are what a float32 below 1 holds.
        whole = mixed(mixed(self._seeds.to(x.device))[:, None] + numbers) & 0xFFFFFF
        return (whole.float() / 2**24 - 0.5).to(x).reshape(x.shape)


def mixed(numbers: Tensor) -> Tensor:
    """Return int64 `numbers` with their bits stirred, the same on every device.

    References
    ----------
    G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    # PyTorch shifts the sign in; what is shifted in is masked out.
    numbers = (numbers ^ (numbers >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    numbers = (numbers ^ (numbers >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return numbers ^ (numbers >> 31 & 0x1FFFFFFFF)


class ScalarQuantizer(nn.Module):
    """Rounding with a gradient.

    Parameters
    ----------
    kind : "noise": uniform noise in rate and reconstruction; "ste": rounds, the gradient passes;
        "soft": a differentiable staircase, with learned steps per channel; "threshold": rounds, the
        gradient is that of the thresholds (:mod:`bench.models.hybrid.thresholds`).
    channels : of the latent.
    follows : whether, to the gradient of straight-through rounding, every value follows its mean,
        or only what is coded as zero. The rest lies within half a step of the latent wherever the
        mean is; where scales are large, a gradient that thinks otherwise moves means for ever.
    """

    #: Steepness of the soft staircase: 0 is the identity, infinity is rounding.
    SHARPNESS = 4.0

    def __init__(self, kind: Quantizer, channels: int, follows: bool = True) -> None:
        super().__init__()
        self.kind, self.follows = kind, follows
        if kind == "soft":
            self.log_step = nn.Parameter(torch.zeros(channels))

    def steps(self) -> Tensor | None:
        """Return the learned steps, (channels, 1, 1), or None."""
        return torch.exp(self.log_step)[:, None, None] if self.kind == "soft" else None

    @property
    def noisy(self) -> bool:
        """Whether noise is added now."""
        return self.training and self.kind == "noise"

    def forward(
        self,
        v: Tensor,
        mean: Tensor,
        log_scale: Tensor,
        weight: Tensor | None = None,
        noise: Tensor | None = None,
        curvature: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the reconstructed latent and the bits of each value, both in the shape of `v`.

        Parameters
        ----------
        weight : of the rate where rounding decides by rate and distortion; see
            :func:`bench.models.hybrid.rdo.choose`.
        noise : uniform in ±1/2, in the shape of `v`; of use where `noisy`.
        curvature : what the loss's cost of the squared error grows by where a value is a step off,
            in bits, in a shape that spreads over that of `v`; of use to "threshold".
        """
        residual = v - mean
        if self.noisy:
            assert noise is not None
            noisy = residual + noise
            return mean + noisy, laplace.density_bits(noisy, log_scale)
        law = laplace.Law.of(log_scale)
        with torch.no_grad():
            symbol = choose(residual, law, weight)
        if not self.training:
            return mean + symbol, law.bits(symbol)
        if self.kind == "soft":
            # The staircase is centred on the choice, so that its value is near what is coded.
            soft = symbol + _stair(residual - symbol, self.SHARPNESS)
            return mean + soft, laplace.density_bits(soft, log_scale)
        if self.kind == "threshold":
            assert curvature is not None
            symbol, cost = through_thresholds(residual, symbol, law, weight, curvature)
            return mean + symbol, cost
        through = residual + (symbol - residual).detach()
        if not self.follows:
            mean = torch.where(symbol == 0, mean, mean.detach())
        # mean + symbol has the slope 1 in the mean; the latent's slope is passed straight through.
        return mean + symbol + (v - v.detach()), law.bits(through)


def _stair(x: Tensor, sharpness: float) -> Tensor:
    """Return 0 at 0, flat there, rising by one per step: the staircase around one step."""
    whole = torch.floor(x)
    inside = torch.tanh(sharpness * (x - whole - 0.5))
    edge = torch.tanh(torch.tensor(sharpness / 2, dtype=x.dtype, device=x.device))
    return whole + inside / edge / 2 + 0.5

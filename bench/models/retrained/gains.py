"""Learned gains: one set of weights for all rates.

References
----------
Z. Cui, J. Wang, S. Gao, T. Guo, Y. Feng, B. Bai, "Asymmetric gained deep image compression with
continuous rate adaptation", CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bench.models.hybrid.model import QUALITY_MAX, log_step


class RateGains(nn.Module):
    """A gain per channel before quantisation and another one after it, for every quality.

    Logarithms are learned at some qualities, and are linear between them: the paper's exponential
    interpolation. Before anything is learned a quality is its step.

    Parameters
    ----------
    channels : of the latent.
    points : qualities at which gains are learned, evenly over 0 … 100.
    steps_of : where 0 and 100 are on the scale of :func:`bench.models.hybrid.model.log_step`.
    """

    def __init__(self, channels: int, points: int, steps_of: Sequence[float]) -> None:
        super().__init__()
        self.steps_of = tuple(steps_of)
        self.into = nn.Parameter(torch.zeros(points, channels))
        self.back = nn.Parameter(torch.zeros(points, channels))

    def on_scale(self, quality: Tensor) -> Tensor:
        """Return where qualities 0 … 100 are on the scale of steps, float64."""
        low, high = self.steps_of
        return low + (high - low) / QUALITY_MAX * quality.double()

    def forward(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors into steps and back, both (batch, channels, 1, 1), for qualities
        (batch,).
        """
        last = len(self.into) - 1
        place = quality.to(self.into) / QUALITY_MAX * last
        low = place.floor().clamp(0, last - 1).long()
        part = (place - low)[:, None]
        steps = log_step(self.on_scale(quality)).to(self.into)[:, None]
        into = torch.lerp(self.into[low], self.into[low + 1], part) - steps
        back = torch.lerp(self.back[low], self.back[low + 1], part) + steps
        return torch.exp(into)[:, :, None, None], torch.exp(back)[:, :, None, None]

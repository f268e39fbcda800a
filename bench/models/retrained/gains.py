"""Learned gains: one set of weights for all rates.

References
----------
Z. Cui, J. Wang, S. Gao, T. Guo, Y. Feng, B. Bai, "Asymmetric gained deep image compression with
continuous rate adaptation", CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.models.hybrid.model import QUALITY_MAX, log_step


class RateGains(nn.Module):
    """A gain per channel before quantisation and another one after it, for every quality.

    Logarithms are learned at some qualities, and are linear between them: the paper's exponential
    interpolation. Before anything is learned a quality is its step, see
    :func:`bench.models.hybrid.model.log_step`.

    Parameters
    ----------
    channels : of the latent.
    points : qualities at which gains are learned, evenly over 0 … 100.
    """

    def __init__(self, channels: int, points: int) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.zeros(points, channels))
        self.back = nn.Parameter(torch.zeros(points, channels))

    def forward(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors into steps and back, both (batch, channels, 1, 1), for qualities
        (batch,).
        """
        last = len(self.into) - 1
        place = quality.to(self.into) / QUALITY_MAX * last
        low = place.floor().clamp(0, last - 1).long()
        part = (place - low)[:, None]
        steps = log_step(quality).to(self.into)[:, None]
        into = torch.lerp(self.into[low], self.into[low + 1], part) - steps
        back = torch.lerp(self.back[low], self.back[low + 1], part) + steps
        return torch.exp(into)[:, :, None, None], torch.exp(back)[:, :, None, None]

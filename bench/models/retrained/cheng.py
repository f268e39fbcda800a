"""cheng2020-anchor as a network of all rates."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.cheng2020 import Cheng2020Anchor
from bench.models.hybrid.quantize import Noise
from bench.models.retrained.config import ChengConfig
from bench.models.retrained.model import OUTER_CHANNELS, Retrained
from bench.models.retrained.start import SCALES


class RetrainedCheng(Retrained, Cheng2020Anchor):
    """cheng2020-anchor with gains; see :class:`ChengConfig` for arguments.

    The published network has as many latents as everything else has channels. Here the transforms
    may be narrower: the synthesis keeps the latents' number up to its first doubling.
    """

    target = "bench.models.retrained.cheng:RetrainedCheng"
    outer = ("g_a.0", "g_a.1", "g_a.2", "g_a.3", "g_s.4", "g_s.5", "g_s.6", "g_s.7")

    config: ChengConfig

    def __init__(self, **arguments: Any) -> None:
        config = ChengConfig.from_dict(arguments)
        Cheng2020Anchor.__init__(self, config.width, config.latents)
        # It is always the same: no need for it to be in the file.
        masked = self.context_prediction
        masked.register_buffer("mask", masked.mask, persistent=False)
        self._finish(config)

    @torch.no_grad()
    def fit_start(self, images: Tensor) -> None:
        """See :class:`Trainable`: the start of :mod:`bench.models.retrained.start_cheng`."""
        if self.config.start == "dct":
            from bench.models.retrained.start_cheng import start_cheng

            start_cheng(self, images)

    def entropy(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Retrained`.

        The context model sees noise, or what the coder rounds about means that a first look gives,
        which lets all positions be predicted at once; the coder goes from one to the next.
        """
        z_hat, side_bits = self._side(self.hyper_analysis(v), noise)
        side = self.h_s(z_hat)
        if self.training and self.config.rate == "noisy":
            seen = v + noise.like(v)
        else:
            with torch.no_grad():
                near = self._near(v, side)
            seen = v + (near - v).detach()
        scales, means = self._predicted(side, seen)
        residual = v - means
        near = torch.round(residual)
        bits = self._bits_of(residual, near, scales, noise)
        return v + (near - residual).detach(), bits, side_bits

    def look(self, v: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Retrained`."""
        return self._predicted(side, self._near(v, side))

    def _near(self, v: Tensor, side: Tensor) -> Tensor:
        """Return the latent about as the coder will round it: about means of a first look."""
        _, means = self._predicted(side, torch.round(v))
        return torch.round(v - means) + means

    def _predicted(self, side: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return scales and means by the side information and what comes before each position."""
        both = torch.cat((side, self.context_prediction(seen)), dim=1)
        scales, means = self.entropy_parameters(both).float().chunk(2, dim=1)
        return scales, means

    def inner_analysis(self, coefficients: Tensor) -> Tensor:
        """See :class:`Retrained`."""
        free = self.config.width - OUTER_CHANNELS
        y: Tensor = self.g_a[4:](F.pad(SCALES[1] * coefficients, (0, 0, 0, 0, 0, free)))
        return y

    def inner_synthesis(self, y_hat: Tensor) -> Tensor:
        """See :class:`Retrained`."""
        out: Tensor = self.g_s[:4](y_hat)
        return out[:, :OUTER_CHANNELS] / SCALES[1]

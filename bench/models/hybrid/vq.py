"""Residual vector quantisation: each stage codes what the stages before have left.

References
----------
A. van den Oord et al., "Neural discrete representation learning", NeurIPS 2017 (VQ-VAE, EMA
updates). N. Zeghidour et al., "SoundStream", 2021 (residual stages, dead-code revival).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.entropy.tables import Tables, stack
from bench.models.entropy_models import EntropyModel
from bench.models.precision import full_precision

DECAY = 0.97
#: A code that is used less often than this share of the fair share is put onto a random vector.
DEAD = 0.02


@dataclass(frozen=True)
class Quantised:
    """What the stages make of a latent.

    Parameters
    ----------
    latent : (batch, channels, height, width), the gradient passed straight through.
    indices : int64 (stages, batch, height, width).
    commitment : how far encoder and codes are apart, a scalar per image (batch,).
    """

    latent: Tensor
    indices: Tensor
    commitment: Tensor


class IndexModel(EntropyModel):
    """The learned prior: how likely each code of each stage is."""

    def __init__(self, stages: int, codes: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(stages, codes))

    def bits(self, stage: int, index: Tensor) -> Tensor:
        """Return the bits of every index, in its shape."""
        return -F.log_softmax(self.logits[stage], 0)[index] / math.log(2)

    def make_tables(self) -> Tables:
        """Return a table per stage; codes that never occurred keep a frequency of one."""
        chances = torch.softmax(self.logits.detach().double().cpu(), 1).numpy()
        return stack([np.append(row, 0.0) for row in chances], [0] * len(chances))


class ResidualVQ(nn.Module):
    """Codebooks over vectors of `width` numbers, projected from the latent's channels.

    Parameters
    ----------
    channels : of the latent; the projection begins as taking the first `width` of them.
    stages, codes, width : of the codebooks.
    """

    codebook: Tensor
    usage: Tensor
    sums: Tensor

    def __init__(self, channels: int, stages: int, codes: int, width: int) -> None:
        super().__init__()
        self.stages, self.codes, self.width = stages, codes, width
        self.into = nn.Conv2d(channels, width, 1, bias=False)
        self.back = nn.Conv2d(width, channels, 1, bias=False)
        with torch.no_grad():
            self.into.weight.copy_(torch.eye(width, channels)[:, :, None, None])
            self.back.weight.copy_(torch.eye(channels, width)[:, :, None, None])
        first = torch.randn(stages, codes, width) * 0.5 ** torch.arange(stages)[:, None, None]
        first[:, 0] = 0
        self.register_buffer("codebook", first)
        self.register_buffer("sums", first.clone())
        self.register_buffer("usage", torch.ones(stages, codes))
        self.prior = IndexModel(stages, codes)

    @full_precision
    def forward(self, y: Tensor, stages: Tensor) -> Quantised:
        """Quantise `y` with the first `stages` (int64, per image) of all stages."""
        vectors = self.into(y).permute(0, 2, 3, 1)
        residual, total = vectors.detach(), torch.zeros_like(vectors)
        indices = []
        for stage in range(self.stages):
            index = self._nearest(residual, stage)
            active = (stages > stage).reshape(-1, 1, 1)
            code = F.embedding(index, self.codebook[stage]) * active[..., None]
            if self.training:
                self._update(stage, residual, index, active)
            residual, total = residual - code, total + code
            indices.append(index)
        commitment = ((vectors - total) ** 2).mean((1, 2, 3))
        through = vectors + (total - vectors).detach()
        latent = self.back(through.permute(0, 3, 1, 2))
        return Quantised(latent, torch.stack(indices), commitment)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the latent for int64 indices (stages used, batch, height, width)."""
        total = torch.zeros(*indices.shape[1:], self.width, device=indices.device)
        for stage, index in enumerate(indices):
            total = total + F.embedding(index, self.codebook[stage])
        latent: Tensor = self.back(total.permute(0, 3, 1, 2))
        return latent

    def bits(self, indices: Tensor, stages: Tensor) -> Tensor:
        """Return the bits of each image's indices under the prior, (batch,)."""
        total = torch.zeros(indices.shape[1], device=indices.device)
        for stage, index in enumerate(indices):
            cost = self.prior.bits(stage, index).sum((1, 2))
            total = total + cost * (stages > stage)
        return total

    def _nearest(self, vectors: Tensor, stage: int) -> Tensor:
        flat, codes = vectors.flatten(0, 2), self.codebook[stage]
        distance = (codes**2).sum(1) - 2 * flat @ codes.T
        return distance.argmin(1).reshape(vectors.shape[:3])

    @torch.no_grad()
    def _update(self, stage: int, vectors: Tensor, index: Tensor, active: Tensor) -> None:
        kept = active.expand(index.shape)
        flat, chosen = vectors[kept], index[kept]
        if not len(flat):
            return
        hits = torch.bincount(chosen, minlength=self.codes).to(flat)
        sums = torch.zeros(self.codes, self.width).to(flat).index_add_(0, chosen, flat)
        self.usage[stage].mul_(DECAY).add_(hits, alpha=1 - DECAY)
        self.sums[stage].mul_(DECAY).add_(sums, alpha=1 - DECAY)
        self.codebook[stage] = self.sums[stage] / self.usage[stage].clamp_min(1e-5)[:, None]
        dead = self.usage[stage] < DEAD * len(flat) / self.codes
        revived = flat[torch.randint(len(flat), (self.codes,), device=flat.device)]
        fair = len(flat) / self.codes
        self.codebook[stage][dead] = revived[dead]
        self.usage[stage][dead] = fair
        self.sums[stage][dead] = revived[dead] * fair

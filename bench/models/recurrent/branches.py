"""The learned branches with memory, beside the transform of residuals.

References
----------
X. Shi et al., "Convolutional LSTM network", NeurIPS 2015. G. Toderici et al., "Full resolution
image compression with recurrent neural networks", CVPR 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.hybrid.blocks import SLOPE, Downsample, Upsample, zeroed
from bench.models.recurrent.config import RecurrentConfig


class ConvLSTM(nn.Module):
    """A long short-term memory whose gates are convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        with torch.no_grad():
            # What is not told to be forgotten is kept.
            self.gates.bias[channels : 2 * channels] = 1  # type: ignore[index]

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """Return the output, in the shape of `x` (batch, channels, height, width); move `memory`
        on by one step.
        """
        hidden, cell = memory.get(self, x)
        gates = self.gates(torch.cat([x, hidden], 1))
        let_in, keep, let_out, new = gates.chunk(4, 1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(new)
        hidden = torch.sigmoid(let_out) * torch.tanh(cell)
        memory.states[self] = hidden, cell
        return hidden


@dataclass
class Memory:
    """What the cells of a branch remember of the chunks so far."""

    states: dict[ConvLSTM, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def get(self, cell: ConvLSTM, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return output and state of `cell`, zeros before the first step."""
        blank = torch.zeros_like(like)
        return self.states.get(cell, (blank, blank))


class AnalysisBranch(nn.Module):
    """From the residual's pixels to what is added to its coefficients; begins at zero."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        first, second, third = config.widths
        self.stem = nn.Conv2d(3, first, 8, stride=4, padding=2)
        self.down = nn.ModuleList(
            [Downsample(first, second, pool=False), Downsample(second, third, pool=False)]
        )
        self.cells = nn.ModuleList([ConvLSTM(second), ConvLSTM(third)])
        self.head = zeroed(nn.Conv2d(third, config.channels, 3, padding=1))

    def forward(self, residual: Tensor, memory: Memory) -> Tensor:
        """Return (batch, channels, height / 16, width / 16) in steps; `residual` is
        (batch, 3, height, width), in units in which the quantiser's step is about 1.
        """
        features = F.leaky_relu(self.stem(residual), SLOPE)
        for down, cell in zip(self.down, self.cells, strict=True):
            features = down(features)
            features = features + cell(features, memory)
        out: Tensor = self.head(features)
        return out


class SynthesisBranch(nn.Module):
    """From coefficients and the image so far to its correction; begins at zero."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        first, second, third = config.decoder_widths
        self.inlet = nn.Conv2d(config.channels, third, 3, padding=1)
        self.look = nn.Conv2d(3, first, 8, stride=4, padding=2)
        self.up = nn.ModuleList([Upsample(third, second), Upsample(second, first)])
        self.cells = nn.ModuleList([ConvLSTM(third), ConvLSTM(second)])
        self.mix = nn.Conv2d(first, first, 3, padding=1)
        self.outlet = zeroed(nn.ConvTranspose2d(first, 3, 8, stride=4, padding=2))

    def forward(self, v_hat: Tensor, image: Tensor, memory: Memory) -> Tensor:
        """Return (batch, 3, height, width), in steps, to be added to `image`.

        Parameters
        ----------
        v_hat : the chunk's coefficients in steps, (batch, channels, height / 16, width / 16).
        image : with these coefficients, before the correction, about 0 … 1.
        """
        features = F.leaky_relu(self.inlet(v_hat), SLOPE)
        for cell, up in zip(self.cells, self.up, strict=True):
            features = up(features + cell(features, memory))
        features = features + F.leaky_relu(self.look(2 * image - 1), SLOPE)
        features = features + F.leaky_relu(self.mix(features), SLOPE)
        pixels: Tensor = self.outlet(features)
        return pixels

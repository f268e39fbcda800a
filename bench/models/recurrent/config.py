"""The settings of the recurrent codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.models.settings import Settings


@dataclass(frozen=True)
class RecurrentConfig(Settings):
    """The settings of one recurrent codec.

    Parameters
    ----------
    start : the transform of residuals: lapped, or a block DCT, both of 16×16.
    chunks : iterations at most; each halves the quantiser's step.
    channels : coefficients kept of the 768 of a block.
    widths, decoder_widths : of the learned branches at 1/4, 1/8 and 1/16 of the image's
        resolution; the last two hold memories.
    prior : hidden width of the entropy model's network.
    groups : how many groups of channels are coded one after the other.
    dead_zone : how much wider than a step the zero of a coefficient is on either side while it has
        not been told to differ from zero.

    Raises
    ------
    ValueError : an unknown value, or a combination that makes no sense, with the reason.
    """

    start: Literal["lapped", "dct"] = "lapped"
    chunks: int = 7
    channels: int = 192
    widths: tuple[int, ...] = (16, 16, 24)
    decoder_widths: tuple[int, ...] = (16, 16, 24)
    prior: int = 16
    groups: int = 3
    dead_zone: float = 0.12

    def faults(self) -> list[str]:
        """Return what is wrong with the combination of values."""
        faults = []
        if not 1 <= self.chunks <= 10:
            faults.append("chunks: 1 … 10 were expected")
        for name in ("widths", "decoder_widths"):
            if len(getattr(self, name)) != 3 or min(getattr(self, name)) < 1:
                faults.append(f"{name}: three stages were expected")
        if not 1 <= self.groups <= 6:
            faults.append("groups: 1 … 6 were expected")
        if not 2 ** (self.groups + 1) <= self.channels <= 768:
            faults.append(f"channels: {2 ** (self.groups + 1)} … 768 were expected")
        if self.prior < 1:
            faults.append("prior: 1 at least was expected")
        if not 0 <= self.dead_zone <= 0.5:
            faults.append("dead_zone: 0 … 0.5 steps were expected")
        return faults

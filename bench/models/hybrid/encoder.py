"""What an encoder of the hybrid codec may choose without its decoder's knowledge."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.models.hybrid.channels import ByChannel, faults_of
from bench.models.hybrid.config import HybridConfig
from bench.models.settings import Settings

#: Passes of a search at most: what they bring by then has stood still for long.
MOST_PASSES = 100
#: What a bit is worth to the search where a card does not say.
BIT = 0.1


@dataclass(frozen=True)
class EncoderSettings(Settings):
    """How the latent of an image is chosen.

    The decoder reads whatever whole numbers the stream holds, so that one set of weights serves
    encoders of any setting, and each decodes what the others wrote.

    Parameters
    ----------
    rdo : weight of the rate in rate-distortion optimised quantisation, in squared steps per bit,
        as in :class:`HybridConfig`; 0 is plain rounding. The network's own, which it was trained
        with, where it is not given.
    refine : passes of a search for the latent of each picture (:mod:`bench.models.hybrid.refine`);
        0 is what the analysis says.
    curvature : what the search takes a step's error for, as in :class:`HybridConfig`, whose it is
        where it is not given.
    bit : squared error, in squared steps of the factor 1, that the search gives for a bit: as much
        as one bit takes away where the quality is raised.

    Raises
    ------
    ValueError : an unknown name or value.
    """

    rdo: ByChannel = 0.0
    refine: int = 0
    curvature: ByChannel = 1.0
    bit: float = BIT

    @classmethod
    def of(cls, config: HybridConfig, **values: object) -> EncoderSettings:
        """Return the encoder that a network was trained with, but for `values`.

        Raises
        ------
        ValueError : wrong values, or such as the network has no use for, with the reason.
        """
        settings = cls.from_dict({"rdo": config.rdo, "curvature": config.curvature, **values})
        what = {"rdo": "rdo weighs", "refine": "refine searches by"}
        for name, does in what.items():
            if getattr(settings, name) and (config.latent == "ae" or config.quantizer == "vq"):
                kind = "latent=ae" if config.latent == "ae" else "quantizer=vq"
                raise ValueError(f"{does} the rate of a learned scale: {kind} has none")
        if not settings.refine and (useless := {"curvature", "bit"} & values.keys()):
            raise ValueError(
                f"{', '.join(sorted(useless))}: of a search, which refine=0 leaves away"
            )
        return settings

    def faults(self) -> list[str]:
        """Return what is wrong with the values."""
        faults = faults_of("rdo", self.rdo, zero=True) + faults_of("curvature", self.curvature)
        if not self.bit > 0 or math.isinf(self.bit):
            faults.append(f"bit: a positive number was expected, got {self.bit}")
        if not 0 <= self.refine <= MOST_PASSES:
            faults.append(f"refine: 0 … {MOST_PASSES} passes were expected, got {self.refine!r}")
        return faults

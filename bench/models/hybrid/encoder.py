"""What an encoder of the hybrid codec may choose without its decoder's knowledge."""

from __future__ import annotations

from dataclasses import dataclass

from bench.models.hybrid.channels import ByChannel, faults_of
from bench.models.hybrid.config import HybridConfig
from bench.models.settings import Settings


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

    Raises
    ------
    ValueError : an unknown name or value.
    """

    rdo: ByChannel = 0.0

    @classmethod
    def of(cls, config: HybridConfig, **values: object) -> EncoderSettings:
        """Return the encoder that a network was trained with, but for `values`.

        Raises
        ------
        ValueError : wrong values, or such as the network has no use for, with the reason.
        """
        settings = cls.from_dict({"rdo": config.rdo, **values})
        if settings.rdo and (config.latent == "ae" or config.quantizer == "vq"):
            what = "latent=ae" if config.latent == "ae" else "quantizer=vq"
            raise ValueError(f"rdo weighs the rate of a learned scale: {what} has none")
        return settings

    def faults(self) -> list[str]:
        """Return what is wrong with the values."""
        return faults_of("rdo", self.rdo, zero=True)

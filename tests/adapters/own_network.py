"""A network of a user's own, as docs/learned-codecs.md shows it."""

from torch import Tensor, nn

from bench.entropy.latents import FactorizedCoder
from bench.models.base import CompressionModel, Forward, LatentCoder
from bench.models.entropy_models import EntropyBottleneck


class Blocks(CompressionModel):
    """A learned transform of 8×8 blocks."""

    stride = latent_stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.g_a = nn.Conv2d(3, 48, 8, stride=8)
        self.g_s = nn.ConvTranspose2d(48, 3, 8, stride=8)
        self.prior = EntropyBottleneck(48)

    def forward(self, x: Tensor) -> Forward:
        """Return reconstruction and likelihoods."""
        y_hat, likelihood = self.prior(self.g_a(x))
        return Forward(self.g_s(y_hat), {"y": likelihood})

    def latent_coder(self) -> LatentCoder:
        """Return the coder of the latent."""
        return FactorizedCoder(self.prior)

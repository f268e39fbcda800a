"""What training minimises; each term has a weight and a value of its own that is logged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.errors import UsageError
from bench.models.hybrid.model import LAMBDA, log_step
from bench.models.trainable import Coded
from bench.training.controller import RateController


@dataclass(frozen=True)
class Terms:
    """The loss of a batch and what it is made of.

    Parameters
    ----------
    total : the scalar to minimise.
    values : the terms by name, before their weights, without gradient.
    """

    total: Tensor
    values: dict[str, Tensor]


class RateDistortion(nn.Module):
    """Rate plus distortion, traded at the slope of each image's quality.

    An image's cost is ``rate + sse / (LAMBDA · step²)`` in bits per pixel: what a bit is worth in
    squared error follows from the quantiser's step. The loss is twice the mean square root of the
    costs, so that high qualities, whose costs are large, do not drown low ones.

    Parameters
    ----------
    rate, mse, ms_ssim, lpips, vgg, commitment : weights of the terms. `mse` is in bits at the
        quality's slope, so is `ms_ssim` (scaled to equal it where MS-SSIM is 0.98 at 30 dB);
        `lpips` and `vgg` are their distances, added at their weight.
    target_bpp : the mean rate that a controller holds by moving the rate's weight; None lets the
        quantiser's steps decide.

    Raises
    ------
    UsageError : a negative weight.
    UnavailableError : the weights of a perceptual term's network are not on this machine.
    """

    def __init__(
        self,
        rate: float = 1.0,
        mse: float = 1.0,
        ms_ssim: float = 0.0,
        lpips: float = 0.0,
        vgg: float = 0.0,
        commitment: float = 0.25,
        target_bpp: float | None = None,
    ) -> None:
        super().__init__()
        weights = {"rate": rate, "mse": mse, "ms_ssim": ms_ssim, "lpips": lpips, "vgg": vgg,
                   "commitment": commitment}  # fmt: skip
        for name, weight in weights.items():
            if not weight >= 0:
                raise UsageError(f"loss.{name}: zero or a positive weight was expected: {weight}")
        self.weights = weights
        self.controller: RateController | None = None
        if target_bpp is not None:
            if not rate:
                raise UsageError("loss.target_bpp holds a rate, which this loss does not have")
            self.controller = RateController(target_bpp)
        self.perceptual: nn.Module | None = None
        if lpips or vgg:
            from bench.training.perceptual import Perceptual

            self.perceptual = Perceptual(lpips, vgg)

    def forward(self, out: Coded, x: Tensor, quality: Tensor) -> Terms:
        """Return the terms for a batch: `x` (batch, 3, height, width), `quality` (batch,)."""
        weights, pixels = self.weights, x.shape[2] * x.shape[3]
        slope = (torch.exp(-2 * log_step(quality)) / LAMBDA).to(x)
        rate = (out.bits + out.side_bits) / pixels
        mse = (out.x_hat - x).square().mean((1, 2, 3))
        values = {"rate": rate.mean(), "mse": mse.mean(), "side": (out.side_bits / pixels).mean()}
        paid = weights["rate"]
        if self.controller is not None:
            if self.training:
                self.controller.update(values["rate"])
            paid *= self.controller.multiplier()
            values["multiplier"] = x.new_tensor(paid)
        cost = paid * rate + weights["mse"] * 3 * mse * slope
        if weights["ms_ssim"]:
            missing = self._ms_ssim_loss(out.x_hat, x)
            values["ms_ssim"] = 1 - missing.mean()
            cost = cost + weights["ms_ssim"] * 3 * 0.05 * missing * slope
        total = 2 * torch.sqrt(cost.clamp_min(1e-9)).mean()
        if self.perceptual is not None:
            distances = self.perceptual(out.x_hat, x)
            values |= {name: value for name, (_, value) in distances.items()}
            total = total + sum(weight * value for weight, value in distances.values())
        if weights["commitment"]:
            values["commitment"] = out.commitment.mean()
            total = total + weights["commitment"] * out.commitment.mean()
        return Terms(total, {name: value.detach() for name, value in values.items()})

    @property
    def error_weight(self) -> float:
        """What squared error weighs against the rate beyond the slope; 1 without rate."""
        return self.weights["mse"] / self.weights["rate"] if self.weights["rate"] else 1.0

    @staticmethod
    def _ms_ssim_loss(x_hat: Tensor, x: Tensor) -> Tensor:
        from pytorch_msssim import ms_ssim

        if min(x.shape[2:]) <= 160:
            raise UsageError("loss.ms_ssim needs crops above 160 pixels: set data.crop=192")
        similarity: Tensor = ms_ssim(x_hat, x, data_range=1.0, size_average=False)
        return 1 - similarity

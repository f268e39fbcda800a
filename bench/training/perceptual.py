"""Perceptual distances as losses, with the networks that the metrics use.

References
----------
R. Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
2018 (LPIPS). J. Johnson et al., "Perceptual losses for real-time style transfer and
super-resolution", ECCV 2016 (VGG).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import UnavailableError
from bench.metrics.lpips import Lpips, LpipsVgg, network


class Perceptual(nn.Module):
    """LPIPS over AlexNet and the plain feature distance over VGG-16, each where it has a weight.

    Raises
    ------
    UnavailableError : the weights of a network are not on this machine, and how to get them.
    """

    def __init__(self, lpips: float, vgg: float) -> None:
        super().__init__()
        self.terms: dict[str, float] = {"lpips": lpips, "vgg": vgg}
        self.networks = nn.ModuleDict()
        for name, metric in (("lpips", Lpips), ("vgg", LpipsVgg)):
            if not self.terms[name]:
                continue
            path = metric.trunk.find()
            if path is None:
                raise UnavailableError(
                    f"loss.{name}: the weights of {metric.trunk.name} are not on this machine",
                    f"bench metrics get {metric.name}",
                )
            self.networks[name] = network(metric.net, metric.trunk.load(path))

    def train(self, mode: bool = True) -> Perceptual:
        """Stay in evaluation mode: the networks are measures."""
        return super().train(False)

    def forward(self, x_hat: Tensor, x: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Return weight and mean distance by name; images (batch, 3, height, width) in 0 … 1."""
        found = {}
        for name, model in self.networks.items():
            measure = _lpips if name == "lpips" else _features
            found[name] = self.terms[name], measure(model, 2 * x_hat - 1, 2 * x - 1)
        return found


def _lpips(model: Any, x_hat: Tensor, x: Tensor) -> Tensor:
    distance: Tensor = model(x_hat, x).mean()
    return distance


def _features(model: Any, x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the mean squared difference of the five layers' outputs."""
    total = torch.zeros((), device=x.device)
    first, second = model.scaling_layer(x_hat), model.scaling_layer(x)
    for number in range(1, model.L + 1):
        part = getattr(model.net, f"slice{number}")
        first, second = part(first), part(second)
        total = total + (first - second).square().mean() / model.L
    return total

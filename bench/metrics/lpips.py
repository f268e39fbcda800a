"""Learned perceptual image patch similarity.

References
----------
Zhang, Isola, Efros, Shechtman, Wang: The unreasonable effectiveness of deep features as a
perceptual metric. CVPR 2018. Version 0.1 of the authors' calibration, as in their package `lpips`.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bench.errors import NotApplicableError, UnavailableError
from bench.image import Image
from bench.metrics.metric import Metric
from bench.metrics.select import library_version
from bench.metrics.trunks import ALEXNET, SQUEEZENET, VGG16, Trunk

if TYPE_CHECKING:
    from torch import Tensor

#: A reference whose features would take more bytes than this is not kept between measurements:
#: VGG's first layer alone is 256 bytes for each pixel.
_KEPT = 512 * 2**20


class Lpips(Metric):
    """LPIPS with AlexNet: what papers on compression report. Inputs are scaled to [-1, 1]."""

    name: ClassVar[str] = "lpips"
    title: ClassVar[str] = "LPIPS (AlexNet)"
    direction: ClassVar[Literal["higher", "lower"]] = "lower"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    reference: ClassVar[str] = "Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018; v0.1"
    needs: ClassVar[str] = "a short side of 31 pixels or more"

    #: The network, as the package `lpips` calls it, its weights, and the shortest side from which
    #: every layer has an output.
    net: ClassVar[str] = "alex"
    trunk: ClassVar[Trunk] = ALEXNET
    shortest: ClassVar[int] = 31

    def __init__(self) -> None:
        self._model: Any = None

    def check_available(self) -> None:
        """Raise UnavailableError where a library or the network's weights are missing."""
        self.identity()
        self._weights()

    def identity(self) -> Mapping[str, str]:
        """Return the versions of torch and lpips and the digest of the network's weights."""
        return {
            "torch": library_version("torch"),
            "lpips": library_version("lpips"),
            self.trunk.name: self.trunk.sha256[:16],
        }

    def fetch(self, source: Path | None = None) -> Path:
        """Bring the network's weights into the user's folder, from the network or from `source`:
        torchvision's checkpoint or a file with its features alone. Raises UnavailableError,
        DownloadError.
        """
        return self.trunk.fetch(source)

    def open(self) -> None:
        """Load the network. Raises UnavailableError for missing or foreign weights."""
        if self._model is None:
            self._model = network(self.net, self.trunk.load(self._weights()))

    def prepare(self, reference: Image) -> list[Tensor] | None:
        """Return the reference's normalised features, or None where they are too many to keep."""
        side = min(reference.width, reference.height)
        if side < self.shortest:
            raise NotApplicableError(
                f"LPIPS with {self.trunk.name} needs a short side of {self.shortest} pixels or "
                f"more, the image has {side}"
            )
        import torch

        kept: list[Tensor] = []
        with torch.inference_mode():
            for features in self._features(reference):
                kept.append(features)
                if sum(layer.nbytes for layer in kept) > _KEPT:
                    return None
        return kept

    def measure(self, reference: Image, distorted: Image, prepared: list[Tensor] | None) -> float:
        """Return the distance: 0 for identical images, about 1 for unrelated ones."""
        import torch

        total = 0.0
        with torch.inference_mode():
            layers = self._features(reference) if prepared is None else iter(prepared)
            for weigh, theirs, ours in zip(
                self._open().lins, layers, self._features(distorted), strict=True
            ):
                total += weigh((theirs - ours).square_()).mean().item()
        return total

    def _features(self, image: Image) -> Iterator[Tensor]:
        """Yield each layer's output, of shape (1, channels, height, width), each position's
        features scaled to unit length; one at a time, so that a layer's memory is free again
        before the next one's. The caller has inference mode on: a generator would leak it.
        """
        import torch
        from lpips import normalize_tensor

        model = self._open()
        pixels = torch.from_numpy(image.pixels.copy()).permute(2, 0, 1).unsqueeze(0)
        layer = model.scaling_layer(pixels / 127.5 - 1)
        for number in range(1, model.L + 1):
            layer = getattr(model.net, f"slice{number}")(layer)
            yield normalize_tensor(layer)

    def _open(self) -> Any:
        if self._model is None:
            self.open()
        return self._model

    def _weights(self) -> Path:
        path = self.trunk.find()
        if path is None:
            raise UnavailableError(
                f"the weights of {self.trunk.name} are not on this machine",
                f"bench metrics get {self.name}",
            )
        return path


class LpipsVgg(Lpips):
    """LPIPS with VGG-16: what papers that train with LPIPS as a loss often use."""

    name: ClassVar[str] = "lpips-vgg"
    title: ClassVar[str] = "LPIPS (VGG-16)"
    needs: ClassVar[str] = "a short side of 16 pixels or more"
    net: ClassVar[str] = "vgg"
    trunk: ClassVar[Trunk] = VGG16
    shortest: ClassVar[int] = 16


class LpipsSqueeze(Lpips):
    """LPIPS with SqueezeNet 1.1, the smallest of the three."""

    name: ClassVar[str] = "lpips-squeeze"
    title: ClassVar[str] = "LPIPS (SqueezeNet)"
    needs: ClassVar[str] = "a short side of 17 pixels or more"
    net: ClassVar[str] = "squeeze"
    trunk: ClassVar[Trunk] = SQUEEZENET
    shortest: ClassVar[int] = 17


def network(net: str, features: Mapping[str, Tensor]) -> Any:
    """Return the authors' module for `net` with the given weights and their calibration."""
    import torch

    with warnings.catch_warnings():
        # lpips calls torchvision by a deprecated argument.
        warnings.simplefilter("ignore")
        import lpips

        # On the meta device the classifiers, which LPIPS drops, are never allocated.
        with torch.device("meta"):
            model = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    calibration = torch.load(
        Path(lpips.__file__).parent / "weights" / f"v{model.version}" / f"{net}.pth",
        map_location="cpu",
        weights_only=True,
    )
    state = dict(model.scaling_layer.state_dict(prefix="scaling_layer."))
    for key, tensor in calibration.items():
        # The package holds each of its linear layers under two names.
        state[key] = state[re.sub(r"^lin(\d)", r"lins.\1", key)] = tensor
    for key in model.net.state_dict():
        state[f"net.{key}"] = features[re.sub(r"^slice\d+", "features", key)]
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False)

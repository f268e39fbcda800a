"""The classic image networks that learned codecs borrow from, and what each of them costs.

Definitions are torchvision's, without weights. AlexNet is there twice: as in the paper, which
splits layers between two GPUs, and torchvision's, the later version for one GPU.

References
----------
A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS
2012, and "One weird trick for parallelizing convolutional neural networks", 2014. K. Simonyan,
A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015.
K. He et al., "Deep residual learning for image recognition", CVPR 2016. M. Sandler et al.,
"MobileNetV2", CVPR 2018. A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.errors import UnknownNameError
from bench.profile.counting import MacCounter
from bench.profile.memory import peak_memory


@dataclass(frozen=True)
class Backbone:
    """A network's cost for one image.

    Parameters
    ----------
    size : height and width of the image.
    parameters : number of weights.
    macs : multiply-accumulates.
    activations : numbers that convolutions and linear layers put out: what training keeps.
    peak_bytes : bytes that tensors take at most during inference in float32, weights not included.
    """

    name: str
    title: str
    size: int
    parameters: int
    macs: int
    activations: int
    peak_bytes: int


#: Name to title, torchvision's name ("" for ours) and image size.
BACKBONES: dict[str, tuple[str, str, int]] = {
    "alexnet": ("AlexNet, two GPUs (paper)", "", 227),
    "alexnet-one-gpu": ("AlexNet, one GPU (torchvision)", "alexnet", 227),
    "vgg16": ("VGG-16", "vgg16", 224),
    "resnet50": ("ResNet-50 (V1.5)", "resnet50", 224),
    "mobilenet-v2": ("MobileNetV2", "mobilenet_v2", 224),
    "vit-b-16": ("ViT-B/16", "vit_b_16", 224),
}


def backbones(names: Sequence[str] = ()) -> list[Backbone]:
    """Return the cost of the networks called `names`, of all if empty. Raises UnknownNameError."""
    return [_measure(name) for name in names or BACKBONES]


def _measure(name: str) -> Backbone:
    if name not in BACKBONES:
        raise UnknownNameError("backbone", name, BACKBONES)
    title, theirs, size = BACKBONES[name]
    with torch.device("meta"):
        network = _theirs(theirs) if theirs else _alexnet()
        x = torch.empty(1, 3, size, size)
    network.eval()
    counter, outputs = MacCounter(), _Outputs()
    with torch.no_grad():
        with counter.opened():
            network(x)
        with outputs:
            network(x)
        # Memory is a matter of shapes, too: weights of zero do.
        real = network.to_empty(device="cpu")
        for tensor in (*real.parameters(), *real.buffers()):
            tensor.zero_()
        _, peak = peak_memory(lambda: real(torch.zeros(1, 3, size, size)), torch.device("cpu"))
    parameters = sum(weight.numel() for weight in network.parameters())
    return Backbone(name, title, size, parameters, counter.macs, outputs.count, peak)


def _theirs(name: str) -> nn.Module:
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights=None)
    return network


def _alexnet() -> nn.Module:
    """Return AlexNet as published: 227 × 227, no padding at first, layers 2, 4 and 5 in halves."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, 1000),
    )  # fmt: skip


class _Outputs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers that convolutions and linear layers put out."""

    _LAYERS = frozenset({"convolution", "addmm", "mm", "linear"})

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in self._LAYERS:
            self.count += out.numel()
        return out

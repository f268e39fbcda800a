"""Convolutions whose result is the same on every machine, bit for bit.

Encoder and decoder must compute the same entropy parameters, or the rest of the image is lost.
Floating-point sums depend on their order, which changes with processor, library, number of
threads, batch size and device. Here every product and every partial sum is a whole number below
2**53, which float64 holds exactly, so that the order can't matter:

- a weight is rounded to 30 bits, shared by the row of weights that makes one output channel:
  their absolute values add up to 2**30 at most;
- an activation is rounded to 23 bits of the largest one of its tensor (block fixed point);
- what is left, scaling by powers of two, adding the bias, leaky ReLU, is elementwise and rounded
  by IEEE 754 alike everywhere.

The precision is that of float32, the speed that of a float64 matrix product.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.entropy.tables import Floats
from bench.errors import CodecError

#: The split of 53 bits at which hyper-decoders come closest to float64; one way or the other the
#: error doubles with every bit.
ACTIVATION_BITS = 23
WEIGHT_BITS = 53 - ACTIVATION_BITS
_ANCHOR = 1.5 * 2.0 ** (52 - ACTIVATION_BITS)


class ExactLinear(nn.Module):
    """y = W x + b over the last axis, in exact arithmetic.

    Parameters
    ----------
    weight : (outputs, inputs), any float type.
    bias : (outputs,) or None.
    """

    integers: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        integers, scale = _integer_rows(weight.detach())
        self.register_buffer("integers", integers)
        self.register_buffer("scale", scale)
        zero = torch.zeros(len(weight), dtype=torch.float64, device=weight.device)
        self.register_buffer("bias", zero if bias is None else bias.detach().double())

    def forward(self, x: Tensor) -> Tensor:
        """Return float64 (rows, outputs) for float64 `x` (rows, inputs); a row stands alone."""
        whole = _rounded(x, x.abs().amax(dim=1, keepdim=True))
        return (whole @ self.integers.T).mul_(self.scale).add_(self.bias)


class ExactRows:
    """What :class:`ExactLinear` computes, on NumPy arrays and on the CPU.

    For few rows at a time: there most of a tensor's time is the calling of operations. The product
    itself is PyTorch's, which keeps to its number of threads.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        linear = ExactLinear(weight, bias).cpu()
        self._weight = (linear.integers * linear.scale[:, None]).T
        self._bias: Floats = linear.bias.numpy()

    def __call__(self, x: Floats) -> Floats:
        """Return float64 (rows, outputs) for float64 `x` (rows, inputs); a row stands alone."""
        largest = np.maximum(x.max(1, keepdims=True), -x.min(1, keepdims=True))
        exponent = np.maximum(np.frexp(largest)[1], -499)
        # See `_rounded`.
        anchor = np.ldexp(_ANCHOR, exponent)
        whole = x + anchor
        whole -= anchor
        result: Floats = (torch.from_numpy(whole) @ self._weight).numpy()
        result += self._bias
        return result


class ExactConv2d(nn.Module):
    """A convolution, or a transposed one, in exact arithmetic. Groups and dilation are refused."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        if layer.groups != 1 or layer.dilation != (1, 1) or isinstance(layer.padding, str):
            raise CodecError(f"{layer} has no exact form: groups, dilation or padding by name")
        if layer.padding_mode != "zeros":
            raise CodecError(f"{layer} has no exact form: padding with {layer.padding_mode}")
        self.kernel, self.stride = layer.kernel_size, layer.stride
        self.padding = (int(layer.padding[0]), int(layer.padding[1]))
        self.output_padding = tuple(int(size) for size in layer.output_padding)
        self.transposed = isinstance(layer, nn.ConvTranspose2d)
        self.outputs = layer.out_channels
        weight = layer.weight.detach()
        # One row per output channel, whatever the layout.
        rows = weight.transpose(0, 1) if self.transposed else weight
        integers, scale = _integer_rows(rows.flatten(1))
        # Multiplied by powers of two the sums are as exact, and need no scaling afterwards.
        rows = integers * scale[:, None]
        if self.transposed:
            inputs = weight.shape[0]
            rows = rows.reshape(len(rows), inputs, -1).transpose(1, 2).reshape(-1, inputs)
        self.register_buffer("weight", rows.contiguous())
        bias = torch.zeros(self.outputs) if layer.bias is None else layer.bias.detach()
        self.register_buffer("bias", bias.to(weight.device).double()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Return float64 (batch, outputs, …) for float64 `x` (batch, inputs, height, width)."""
        whole = self.rounded(x)
        sums = self._transposed(whole) if self.transposed else self._plain(whole)
        return sums.add_(self.bias)

    def rounded(self, x: Tensor) -> Tensor:
        """Return what the weights are multiplied with, for `x` (batch, …)."""
        return _rounded(x, x.abs().amax(dim=tuple(range(1, x.dim())), keepdim=True))

    def kernels(self) -> Tensor:
        """Return the weights of a convolution that is not transposed, in the layout of Conv2d's."""
        return self.weight.reshape(self.outputs, -1, *self.kernel)

    def _plain(self, x: Tensor) -> Tensor:
        size = self._size(x, lambda n, k, s, p, _: (n + 2 * p - k) // s + 1)
        patches = F.unfold(x, self.kernel, padding=self.padding, stride=self.stride)
        product: Tensor = self.weight @ patches
        return product.reshape(len(x), -1, *size)

    def _transposed(self, x: Tensor) -> Tensor:
        size = self._size(x, lambda n, k, s, p, o: (n - 1) * s - 2 * p + k + o)
        patches = self.weight @ x.flatten(2)
        return F.fold(patches, size, self.kernel, padding=self.padding, stride=self.stride)

    def _size(self, x: Tensor, rule) -> tuple[int, int]:  # type: ignore[no-untyped-def]
        height, width = (
            rule(x.shape[2 + d], self.kernel[d], self.stride[d], self.padding[d], extra)
            for d, extra in enumerate(self.output_padding)
        )
        return height, width


def exact(module: nn.Module) -> nn.Module:
    """Return `module` in exact arithmetic: float64 in, float64 out.

    Takes convolutions, leaky and plain ReLUs, pixel shuffles and sequences of them, which is what
    hyper-decoders are made of. Raises CodecError for anything else.
    """
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*(exact(part) for part in module))
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return ExactConv2d(module)
    if isinstance(module, nn.ReLU | nn.LeakyReLU | nn.PixelShuffle):
        return module
    raise CodecError(f"{type(module).__name__} has no exact form, which entropy parameters need")


def _integer_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole numbers (rows, n) and a power of two per row with weight ≈ numbers * scale."""
    weight = weight.double()
    if not bool(torch.isfinite(weight).all()):
        raise CodecError("the checkpoint holds weights that are not finite")
    limit = 2.0**WEIGHT_BITS
    largest = weight.abs().amax(dim=1, keepdim=True)
    unit = _power(largest) / limit
    # Rounded to the precision of the largest weight, their sum is exact; it says how many bits
    # must go for the whole row to fit, rounding each weight up included.
    total = torch.round(weight / unit).abs().sum(dim=1, keepdim=True)
    unit = unit * torch.clamp(_power(total / (limit - weight.shape[1])), min=1.0)
    return torch.round(weight / unit), unit[:, 0]


def _rounded(x: Tensor, largest: Tensor) -> Tensor:
    """Return `x` rounded to ACTIVATION_BITS bits of `largest`, halves to even."""
    # Between one and two times 2**52 units, float64 holds whole units and nothing finer.
    anchor = _power(largest) * _ANCHOR
    return (x + anchor).sub_(anchor)


def _power(x: Tensor) -> Tensor:
    """Return the smallest power of two above `x` ≥ 0, exactly; at least 2**-500."""
    # From the exponent's bits: frexp and ldexp go through pow() on some devices.
    exponent = torch.clamp(x.view(torch.int64) >> 52, min=523) + 1
    return (exponent << 52).view(torch.float64)

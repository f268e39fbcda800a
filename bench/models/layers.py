"""The layers that learned image codecs are built of.

Parameter and buffer names follow CompressAI, whose published checkpoints load without a change.
All tensors are float32 of shape (batch, channels, height, width).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.Conv2d:
    """Convolution that divides height and width by `stride` (sizes divisible by it)."""
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)


def deconv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.ConvTranspose2d:
    """Transposed convolution that multiplies height and width by `stride`."""
    return _Deconv(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, output_padding=stride - 1
    )


class _Deconv(nn.ConvTranspose2d):
    """On a processor, the same with the gradient of the convolution that it transposes.

    That is the same number from quicker kernels: measured in bfloat16, 0.6 to 0.9 of the time.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if x.device.type != "cpu" or not torch.is_grad_enabled() or output_size is not None:
            return super().forward(x, output_size)
        stride, padding, grown = self.stride[0], int(self.padding[0]), self.output_padding[0]
        y: Tensor = _Transposed.apply(x, self.weight, self.bias, stride, padding, grown)
        return y


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, grown: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = [stride] * 2, [padding] * 2
        return F.conv_transpose2d(x, weight, bias, stride, padding, grown)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        (x, weight), (stride, padding) = ctx.saved_tensors, ctx.geometry
        kernel = weight.to(gradient.dtype)
        towards_x = towards_weight = towards_bias = None
        if ctx.needs_input_grad[0]:
            towards_x = F.conv2d(gradient, kernel, None, stride, padding).to(x.dtype)
        if ctx.needs_input_grad[1]:
            # The convolution takes what left here to what came: its weight has this gradient.
            _, towards_weight, _ = torch.ops.aten.convolution_backward(
                x.to(gradient.dtype), gradient, kernel, None, stride, padding, [1, 1], False,
                [0, 0], 1, [False, True, False],
            )  # fmt: skip
            towards_weight = towards_weight.to(weight.dtype)
        if ctx.needs_input_grad[2]:
            towards_bias = gradient.sum((0, 2, 3), dtype=weight.dtype)
        return towards_x, towards_weight, towards_bias, None, None, None


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """3×3 convolution."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """1×1 convolution."""
    return nn.Conv2d(inputs, outputs, 1, stride=stride)


def subpel_conv3x3(inputs: int, outputs: int, factor: int) -> nn.Sequential:
    """Sub-pixel convolution: 3×3 to `factor`² times the channels, then depth to space.

    References
    ----------
    W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network", CVPR 2016.
    """
    return nn.Sequential(conv3x3(inputs, outputs * factor**2), nn.PixelShuffle(factor))


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bound: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, bound)
        return torch.max(x, bound)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        x, bound = ctx.saved_tensors
        return gradient * ((x >= bound) | (gradient < 0)), None


class LowerBound(nn.Module):
    """max(x, bound), whose gradient still passes where it would lift x back over the bound."""

    bound: Tensor

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.register_buffer("bound", torch.tensor([bound]))

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, bound) in the shape of `x`."""
        if not torch.is_grad_enabled():
            return torch.max(x, self.bound)
        bounded: Tensor = _LowerBound.apply(x, self.bound)
        return bounded


class NonNegative(nn.Module):
    """A parameter that stays at or above `minimum`: its square root is what is learned."""

    pedestal: Tensor
    OFFSET = 2.0**-18

    def __init__(self, minimum: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("pedestal", torch.tensor([self.OFFSET**2]))
        self.lower_bound = LowerBound((minimum + self.OFFSET**2) ** 0.5)

    def invert(self, value: Tensor) -> Tensor:
        """Return what has to be stored for the parameter to be `value`."""
        return torch.sqrt(torch.max(value + self.pedestal, self.pedestal))

    def forward(self, stored: Tensor) -> Tensor:
        """Return the parameter's value."""
        bounded: Tensor = self.lower_bound(stored)
        return bounded**2 - self.pedestal


class GDN(nn.Module):
    """Generalised divisive normalisation: x_i / sqrt(β_i + Σ_j γ_ij x_j²), or times for IGDN.

    References
    ----------
    J. Ballé, V. Laparra, E. Simoncelli, "Density modeling of images using a generalized
    normalization transformation", ICLR 2016.
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta_reparam = NonNegative(minimum=1e-6)
        self.beta = nn.Parameter(self.beta_reparam.invert(torch.ones(channels)))
        self.gamma_reparam = NonNegative()
        self.gamma = nn.Parameter(self.gamma_reparam.invert(0.1 * torch.eye(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised `x`, of the same shape."""
        gamma = self.gamma_reparam(self.gamma)[:, :, None, None]
        power = F.conv2d(x * x, gamma, self.beta_reparam(self.beta))
        if torch.is_grad_enabled():
            return x * (torch.sqrt(power) if self.inverse else torch.rsqrt(power))
        return (power.sqrt_() if self.inverse else power.rsqrt_()).mul_(x)


class MaskedConv2d(nn.Conv2d):
    """Convolution that sees only what precedes the centre in raster order (mask type "A").

    References
    ----------
    A. van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 5) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        mask = torch.ones_like(self.weight)
        mask[:, :, kernel // 2, kernel // 2 :] = 0
        mask[:, :, kernel // 2 + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction for every position, shape (batch, outputs, height, width)."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with leaky ReLUs beside an identity (1×1 where the widths differ)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.skip = conv1x1(inputs, outputs) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the size of `x`."""
        out = F.leaky_relu(self.conv1(x), inplace=True)
        out = F.leaky_relu(self.conv2(out), inplace=True)
        skip: Tensor = x if self.skip is None else self.skip(x)
        return out + skip


class ResidualBlockWithStride(nn.Module):
    """A residual block that halves height and width and ends in GDN."""

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.conv2 = conv3x3(outputs, outputs)
        self.gdn = GDN(outputs)
        self.skip = conv1x1(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of half the size of `x`."""
        out = F.leaky_relu(self.conv1(x), inplace=True)
        normalised: Tensor = self.gdn(self.conv2(out))
        skip: Tensor = self.skip(x)
        return normalised + skip


class ResidualBlockUpsample(nn.Module):
    """A residual block that doubles height and width and ends in inverse GDN."""

    def __init__(self, inputs: int, outputs: int, factor: int = 2) -> None:
        super().__init__()
        self.subpel_conv = subpel_conv3x3(inputs, outputs, factor)
        self.conv = conv3x3(outputs, outputs)
        self.igdn = GDN(outputs, inverse=True)
        self.upsample = subpel_conv3x3(inputs, outputs, factor)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of twice the size of `x`."""
        out = F.leaky_relu(self.subpel_conv(x), inplace=True)
        normalised: Tensor = self.igdn(self.conv(out))
        skip: Tensor = self.upsample(x)
        return normalised + skip


class _Bottleneck(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(
            conv1x1(channels, half),
            nn.ReLU(inplace=True),
            conv3x3(half, half),
            nn.ReLU(inplace=True),
            conv1x1(half, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the size of `x`."""
        return F.relu(self.conv(x) + x, inplace=True)


class AttentionBlock(nn.Module):
    """Simplified attention: a residual branch gated by a sigmoid mask.

    References
    ----------
    Z. Cheng et al., "Learned image compression with discretized Gaussian mixture likelihoods and
    attention modules", CVPR 2020, section 3.3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_a = nn.Sequential(*(_Bottleneck(channels) for _ in range(3)))
        self.conv_b = nn.Sequential(
            *(_Bottleneck(channels) for _ in range(3)), conv1x1(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the size of `x`."""
        gated: Tensor = self.conv_a(x) * torch.sigmoid(self.conv_b(x))
        return gated + x

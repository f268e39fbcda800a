"""Every design choice of the hybrid codec, and which combinations make sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.models.hybrid.channels import ByChannel, faults_of
from bench.models.settings import Settings

Backbone = Literal["resnet", "plain", "mobilenet", "vit"]
Block = Literal["basic", "bottleneck"]
Position = Literal["learned", "sinusoidal", "relative", "none"]
Quantizer = Literal["noise", "ste", "soft", "threshold", "vq"]


@dataclass(frozen=True)
class HybridConfig(Settings):
    """The settings of one hybrid codec.

    Parameters
    ----------
    start : what analysis and synthesis are before anything is learned: a lapped transform or a
        block DCT of 16×16, each with learned branches beside it that begin at zero, or nothing.
    backbone, block, depths, widths : of the learned branches; three stages, at 1/4, 1/8 and 1/16
        of the image's resolution. An empty `widths` leaves the branches away.
    downsample : between two stages, a strided convolution or average pooling before one.
    squeeze_excite : channel attention in every block.
    attention : windowed self-attention at 1/16, followed by a global one, or none.
    position, heads, window : of the attention; the window in positions of the grid it works on.
    refine : attention-based refinement of the decoder's features at 1/8.
    cross_attention : the decoder's features look at the transmitted side information.
    latent : `vae`, whose loss holds the rate, or `ae`: bounded latents, no rate in the loss, priors
        fitted afterwards.
    quantizer : what stands for rounding while training, or a residual vector quantiser.
    channels : of the latent at 1/16.
    hyper : channels of the side information at 1/64.
    context : features of the entropy model's context.
    groups : how many groups of channels are coded one after the other, later ones seeing earlier.
    lattice : the blocks' means are coded before all else, from coarse lattices to finer ones.
    parts : of a group's channels, coded one after the other, later ones seeing earlier ones of
        the same block.
    checkerboard : each group is coded in two passes, the second of which sees the first.
    gain_points : qualities at which gain vectors are learned; linear between them.
    steps : factor on the step of the quantiser. Three numbers are those of the strongest channel,
        and of the weakest at quality 0 and at quality 100 (:mod:`bench.models.hybrid.channels`).
    rdo : weight of the rate in rate-distortion optimised quantisation, in squared steps per bit
        (steps of the factor 1), in training and, where
        :class:`bench.models.hybrid.encoder.EncoderSettings` do not say otherwise, in the encoder;
        0 is plain rounding. Three numbers as with `steps`.
    curvature : squared error of the picture, in squared steps of the factor 1, where one value of
        the latent is such a step off: 1 where the decoder is an orthonormal transform, less where
        it takes noise out. Three numbers as with `steps`. The gradient of quantizer=threshold
        reckons with it, and an encoder that refines (:mod:`bench.models.hybrid.refine`).
    tables : the frequencies that the coder gives to the whole numbers of a scale: a Laplacian's, or
        those counted on training photos when weights are released.
    vq_stages, vq_codes, vq_width : of the vector quantiser: stages at most, codes per stage, and
        channels of a code.
    checkpointing : compute activations twice rather than keep them while training.

    Raises
    ------
    ValueError : an unknown value, or a combination that makes no sense, with the reason.
    """

    start: Literal["lapped", "dct", "random"] = "lapped"
    backbone: Backbone = "resnet"
    block: Block = "basic"
    widths: tuple[int, ...] = (32, 64, 96)
    decoder_widths: tuple[int, ...] = (48, 80, 96)
    depths: tuple[int, ...] = (1, 1, 1)
    downsample: Literal["stride", "pool"] = "stride"
    squeeze_excite: bool = True
    attention: Literal["none", "window", "global"] = "global"
    position: Position = "relative"
    heads: int = 4
    window: int = 8
    refine: bool = True
    cross_attention: bool = True
    latent: Literal["vae", "ae"] = "vae"
    quantizer: Quantizer = "ste"
    channels: int = 448
    hyper: int = 32
    context: int = 64
    groups: int = 5
    parts: int = 1
    lattice: bool = False
    checkerboard: bool = True
    gain_points: int = 6
    steps: ByChannel = 1.0
    rdo: ByChannel = 0.13
    curvature: ByChannel = 1.0
    tables: Literal["laplace", "counted"] = "laplace"
    vq_stages: int = 8
    vq_codes: int = 256
    vq_width: int = 32
    checkpointing: bool = False

    def faults(self) -> list[str]:
        """Return what is wrong with the combination of values."""
        faults = []
        for name in ("widths", "decoder_widths"):
            if len(getattr(self, name)) not in (0, 3) or min(getattr(self, name), default=1) < 1:
                faults.append(f"{name}: three stages (or none) were expected")
        if len(self.depths) != 3 or min(self.depths) < 1:
            faults.append("depths: three numbers of blocks, one at least each, were expected")
        if self.start == "random" and not (self.widths and self.decoder_widths):
            faults.append("start=random without learned branches is no codec: set widths")
        if self.block == "bottleneck" and self.backbone != "resnet":
            faults.append(f"block=bottleneck is a residual block: {self.backbone} has none")
        if self.squeeze_excite and self.backbone == "vit":
            faults.append("squeeze_excite belongs to convolutional blocks: backbone=vit has none")
        if self.position != "none" and not self._attends:
            faults.append(f"position={self.position} needs attention: all attention is off")
        if self._attends and any(
            width % (4 * self.heads)
            for widths in (self.widths, self.decoder_widths)
            for width in (widths if self.backbone == "vit" else widths[1:])
        ):
            faults.append("widths of stages with attention must be multiples of 4 × heads")
        if self.latent == "ae" and self.quantizer in ("soft", "vq"):
            faults.append(
                f"latent=ae is quantised after training, at a ladder of steps: "
                f"quantizer={self.quantizer} would be learned with it"
            )
        if self.latent == "ae" and self.rdo:
            faults.append("rdo weighs rate against distortion: latent=ae has no rate, set rdo=0")
        if self.latent == "ae" and self.quantizer == "threshold":
            faults.append("quantizer=threshold reckons with bits: latent=ae has none")
        if self._priorless and self.curvature != 1:
            faults.append(
                "curvature=1 was expected: with latent=ae or quantizer=vq nothing reckons with it"
            )
        if self._priorless and self.steps != 1:
            faults.append(
                "steps=1 was expected: with latent=ae or quantizer=vq no entropy model follows them"
            )
        if self.quantizer == "vq" and self.rdo:
            faults.append("rdo is of scalar quantisers: with quantizer=vq set rdo=0")
        if self._priorless and self.cross_attention:
            faults.append(
                "cross_attention looks at the hyperprior's side information, which neither "
                "latent=ae nor quantizer=vq transmits"
            )
        if self.tables == "counted" and self._priorless:
            faults.append(
                "tables=counted is of learned scales, which neither latent=ae nor quantizer=vq has"
            )
        if not 1 <= self.groups <= 8:
            faults.append("groups: 1 … 8 were expected")
        if not 1 <= self.parts <= 8:
            faults.append("parts: 1 … 8 were expected")
        if self.lattice and (self.start == "random" or self._priorless or self.groups < 2):
            faults.append(
                "lattice codes the means of a transform's blocks before the other groups: it needs "
                "start lapped or dct, a context model and two groups"
            )
        limit = 3 * 256
        if not 2 ** (self.groups + 1) <= self.channels <= limit:
            faults.append(f"channels: {2 ** (self.groups + 1)} … {limit} were expected")
        if self.vq_width > self.channels or not 2 <= self.vq_codes <= 4096 or self.vq_stages < 4:
            faults.append("vq: width up to channels, 2 … 4096 codes and 4 stages at least")
        if min(self.hyper, self.context, self.heads, self.gain_points - 1, self.window) < 1:
            faults.append("hyper, context, heads, window: 1 at least; gain_points: 2 at least")
        for name in ("steps", "rdo", "curvature"):
            faults += faults_of(name, getattr(self, name), zero=name == "rdo")
        return faults

    @property
    def _attends(self) -> bool:
        has_branches = bool(self.widths or self.decoder_widths)
        wanted = self.attention != "none" or self.backbone == "vit"
        decoder = bool(self.decoder_widths) and (self.refine or self.cross_attention)
        return (has_branches and wanted) or decoder

    @property
    def _priorless(self) -> bool:
        return self.latent == "ae" or self.quantizer == "vq"

    @property
    def hyperprior(self) -> bool:
        """Whether side information is transmitted."""
        return not self._priorless

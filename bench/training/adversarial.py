"""The second stage: rate, distortion and an adversary."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.errors import TrainingError
from bench.training.discriminator import Discriminator
from bench.training.loop import FidelityStage


class AdversarialStage(FidelityStage):
    """Codec and discriminator in turn.

    Parameters
    ----------
    discriminator : conditioned on the quantised latent.
    weight : of the adversarial term in the codec's loss.
    critic_rate : learning rate of the discriminator.
    settings : of :class:`FidelityStage`.
    """

    def __init__(
        self, *args: Any, discriminator: Discriminator, weight: float, critic_rate: float,
        **settings: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **settings)
        self.automatic_optimization = False
        self.discriminator = discriminator
        self.weight, self.critic_rate = weight, critic_rate

    def training_step(self, batch: dict[str, Tensor], number: int) -> None:  # type: ignore[override]
        """Take one step of the codec, then one of the discriminator."""
        codec, critic = self.optimizers()  # type: ignore[attr-defined]
        x = batch["x"].float() / 255
        lesson = self.lesson(x, batch["quality"], batch["seed"])
        out, x = lesson.out, lesson.x
        terms = self.losses(out, x, lesson.quality)
        self.discriminator.requires_grad_(False)
        fooling = self.discriminator.generator_loss(out.x_hat, out.latent)
        loss = terms.total + self.weight * fooling
        self._step(codec, loss, self.model)
        self.discriminator.requires_grad_(True)
        judging = self.discriminator.critic_loss(x, out.x_hat, out.latent)
        self._step(critic, judging, self.discriminator)
        schedule = self.lr_schedulers()
        schedule.step()  # type: ignore[union-attr]
        self._log(terms, loss)
        self.log_dict({"train/gan": fooling.detach(), "train/critic": judging.detach()})

    def _step(self, optimizer: Any, loss: Tensor, part: torch.nn.Module) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(part.parameters(), self.clip)
        if not bool(torch.isfinite(loss)) or not bool(torch.isfinite(norm)):
            raise TrainingError(
                f"loss or gradient is not finite at step {self.done}: training stops, the last "
                "good checkpoint is kept; lower optim.lr or loss.gan, or continue from it"
            )
        optimizer.step()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Do nothing: :meth:`training_step` clips each network by itself."""

    def configure_optimizers(self) -> Any:
        """Return the codec's optimiser with its schedule, and the discriminator's."""
        first = super().configure_optimizers()
        critic = torch.optim.Adam(
            self.discriminator.parameters(), self.critic_rate, betas=(0.0, 0.99)
        )
        return [first["optimizer"], critic], [first["lr_scheduler"]]

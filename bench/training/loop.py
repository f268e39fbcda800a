"""The loop: Lightning's, with our steps, validation and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
import torch._functorch.config
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from torch import Tensor

from bench.errors import TrainingError
from bench.models.hybrid.squares import compile_as_constants
from bench.models.trainable import Lesson, Trainable
from bench.training.curve import Point, operating_points
from bench.training.ema import Average
from bench.training.export import released
from bench.training.losses import RateDistortion, Terms
from bench.training.shelf import Shelf

#: Of SOAP: steps from one estimate of the gradients' principal axes to the next, and above how many
#: of them along one side of a weight that side is left as it is.
BASES_EVERY, LARGEST_BASIS = 20, 1024


class FidelityStage(lightning.LightningModule):
    """Rate and distortion: the first stage.

    Parameters
    ----------
    model : the network.
    losses : what is minimised.
    learning_rate : of the learned branches; the entropy model learns three times as fast, the
        start's matrices at a sixth.
    warmup : steps over which the rate rises; it falls as a cosine until `steps`.
    clip : largest norm of the gradient.
    decay : of the weights' moving average.
    max_seconds : after which the learning rate has fallen, where that is before `steps`.
    compiling : whether ``torch.compile`` takes the network's forward and backward pass.
    method : of optimisation: "adam", or "soap", Adam along the gradients' principal axes (N. Vyas
        et al., "SOAP: improving and stabilizing Shampoo using Adam", ICLR 2025; for image
        compression Y. Zhang, F. Zhu, arXiv:2601.20769).
    """

    #: A training that goes on may have other losses; its network is compared before.
    strict_loading = False

    def __init__(
        self, model: Trainable, losses: RateDistortion, *, learning_rate: float, warmup: int,
        steps: int, clip: float, decay: float, max_seconds: float | None = None,
        compiling: bool = False, method: str = "adam",
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.losses = model, losses
        model.error_weight = losses.error_weight
        self.lesson = compiled(model.lesson) if compiling else model.lesson
        self.average = Average(model, decay)
        self.learning_rate, self.warmup, self.steps, self.clip = learning_rate, warmup, steps, clip
        self.max_seconds, self.method = max_seconds, method
        #: Where crops are cut, if not in the host's memory.
        self.shelf: Shelf | None = None
        #: Of the last validation.
        self.points: list[Point] = []
        self._began: float | None = None
        #: Seconds trained before the checkpoint that this training goes on from.
        self._before = 0.0

    def on_after_batch_transfer(self, batch: Any, number: int) -> Any:
        """Cut the crops where the photos are."""
        if self.shelf is not None and isinstance(batch, dict):
            batch["x"] = self.shelf.cut(batch.pop("cut"))
        return batch

    def training_step(self, batch: dict[str, Tensor], number: int) -> Tensor:
        """Return the loss of a batch. Raises TrainingError where it is not finite."""
        x = batch["x"].float() / 255
        lesson = self.lesson(x, batch["quality"], batch["seed"])
        terms: Terms = self.losses(lesson.out, lesson.x, lesson.quality)
        if not bool(torch.isfinite(terms.total)):
            raise TrainingError(
                f"the loss is {terms.total.item()} at step {self.done}: training stops, the last "
                "good checkpoint is kept; lower optim.lr or continue from it"
            )
        self._log(terms, terms.total)
        return terms.total

    @property
    def done(self) -> int:
        """Steps that the weights have seen."""
        return int(self.average.updates)

    def _log(self, terms: Terms, loss: Tensor) -> None:
        values = {f"train/{name}": value for name, value in terms.values.items()}
        values["train/loss"] = loss.detach()
        values["train/psnr"] = -10 * torch.log10(terms.values["mse"].clamp_min(1e-10))
        self.log_dict(values)
        for name in ("rate", "psnr", "loss"):
            self.log(name, values[f"train/{name}"], prog_bar=True, logger=False)

    def on_train_start(self) -> None:
        """Start the clock of the time budget."""
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Return for how long the weights have been trained, as Lightning's timer counts."""
        return self._before + (0.0 if self._began is None else time.monotonic() - self._began)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time, so that the learning rate goes on falling where it stood."""
        checkpoint["seconds"] = self.seconds()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the time up again."""
        self._before = checkpoint.get("seconds", 0.0)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stop before a gradient that is not finite reaches the weights."""
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        if not bool(torch.isfinite(norm)):
            raise TrainingError(
                f"the gradient is not finite at step {self.done}: training stops, the last "
                "good checkpoint is kept; lower optim.lr or continue from it"
            )
        self.log("train/gradient", norm)

    def validation_step(self, batch: Any, number: int) -> None:
        """Log true operating points: real bytes there and back, with the averaged weights."""
        self.points = operating_points(self.released(), *batch)
        for point in self.points:
            values = {
                f"valid/bpp-{point.quality:g}": point.bpp,
                f"valid/psnr-{point.quality:g}": point.psnr,
            }
            self.log_dict(values, batch_size=len(batch[0]))

    def released(self) -> Trainable:
        """Return the network as it would be released now."""
        return released(self.average.network, self._fitting())

    def _fitting(self) -> list[Tensor]:
        loader = self.trainer.train_dataloader
        if self.model.rate_in_loss or loader is None:
            return []
        return [loader.dataset.crop(i)[None].float() / 255 for i in range(16)]

    def configure_optimizers(self) -> Any:
        """Return the optimiser with its schedule: warm-up, then a cosine over steps or time."""
        groups: dict[str, list[Tensor]] = {"fast": [], "slow": [], "rest": []}
        for name, parameter in self.model.named_parameters():
            fast, slow = name.startswith(self.model.fast), name.startswith(self.model.slow)
            kind = "fast" if fast else "slow" if slow else "rest"
            groups[kind].append(parameter)
        factor = {"fast": 3.0, "slow": 1 / 6, "rest": 1.0}
        rated = [
            {"params": parameters, "lr": factor[kind] * self.learning_rate}
            for kind, parameters in groups.items()
            if parameters
        ]
        optimizer: torch.optim.Optimizer
        if self.method == "soap":
            from pytorch_optimizer import SOAP

            optimizer = SOAP(
                rated, weight_decay=0.0, precondition_frequency=BASES_EVERY,
                max_precondition_dim=LARGEST_BASIS,
            )  # fmt: skip
        else:
            # Fused, it would take gradients that are still scaled for half precision.
            scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
            optimizer = torch.optim.Adam(rated, betas=(0.9, 0.99), fused=not scaled)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate_at)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _rate_at(self, step: int) -> float:
        done = step / self.steps
        if self.max_seconds:
            done = max(done, self.seconds() / self.max_seconds)
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rise * (0.03 + 0.97 * (1 + math.cos(math.pi * min(1.0, done))) / 2)


def compiled(lesson: Callable[..., Lesson], backend: str = "inductor") -> Callable[..., Lesson]:
    """Return `lesson` compiled by a backend of ``torch.compile``."""
    compile_as_constants()
    # As without compiling, autocast ends with the forward pass: by default it would make 16 bits
    # of the gradients of what computes in full precision.
    if hasattr(torch._functorch.config, "backward_pass_autocast"):
        torch._functorch.config.backward_pass_autocast = "off"
    result: Callable[..., Lesson] = torch.compile(lesson, dynamic=False, backend=backend)
    return result


class Progress(TQDMProgressBar):
    """Steps, rate, PSNR and loss."""

    def get_metrics(self, *args: Any) -> dict[str, Any]:
        """Return what stands beside the bar, without the logger's version."""
        return {name: value for name, value in super().get_metrics(*args).items()
                if name != "v_num"}  # fmt: skip


class Averager(Callback):
    """Takes each step's weights into the average. Stands before what saves them: Lightning calls
    callbacks before the module's own hook, and a checkpoint would be a step behind.
    """

    def on_train_batch_end(self, trainer: lightning.Trainer, stage: Any, *_: Any) -> None:
        """Take the new weights in."""
        stage.average.update(stage.model)


class Keeper(Callback):
    """Keeps one checkpoint that is whole at every moment, and one of the end.

    Parameters
    ----------
    path : of the checkpoint.
    every : seconds between two.
    """

    def __init__(self, path: Path, every: float) -> None:
        self.path, self.every = path, every
        self._last = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Save where it is time; only after steps whose loss was finite."""
        due = trainer.strategy.broadcast(time.monotonic() - self._last > self.every)
        if due:
            self.save(trainer)

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Save the last step."""
        self.save(trainer)

    def save(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint. Raises TrainingError where the disk refuses it."""
        arriving = self.path.with_name(f"{self.path.name}.writing")
        try:
            trainer.save_checkpoint(arriving)
            if trainer.is_global_zero:
                arriving.replace(self.path)
        except (OSError, RuntimeError) as error:
            arriving.unlink(missing_ok=True)
            raise TrainingError(
                f"the checkpoint can't be written to {self.path.parent}: {error}; the one before "
                "it is kept"
            ) from None
        self._last = time.monotonic()

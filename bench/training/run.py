"""One training, from its settings to a checkpoint that can be released."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.errors import CodecError, TrainingError, UnavailableError, UsageError

if TYPE_CHECKING:
    from bench.models.settings import Settings
    from bench.models.trainable import Trainable
    from bench.training.loaders import Loaders

log = logging.getLogger(__name__)

#: The file of the learning curve.
CURVE = "curve.csv"
#: The entropy coder's tables: made when weights are released, not trained.
TABLES = ("._offset", "._quantized_cdf", "._cdf_length")
#: Crops that priors and tables are fitted to when weights are released.
FITTED_ON = 64
CONF = Path(__file__).parent / "conf"


@dataclass(frozen=True)
class Trained:
    """What a training left behind.

    Parameters
    ----------
    folder : with last.ckpt, the logs and, where asked for, weights and card.
    steps : that the weights have seen.
    weights, card : the release, or None.
    """

    folder: Path
    steps: int
    weights: Path | None
    card: Path | None


def settings(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings of ``bench train`` with `overrides` in Hydra's syntax applied.

    Raises
    ------
    UsageError : an unknown setting or a value that Hydra refuses.
    UnavailableError : Hydra is not installed.
    """
    try:
        from hydra import compose, initialize_config_dir
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
    except ImportError:
        raise UnavailableError(
            "training needs Lightning, Hydra and Albumentations", "pip install 'rdbench[train]'"
        ) from None
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            # Any setting of a network or an encoder can be given, though files name only what they
            # change.
            known = [f"++{one}" if _adds(one) else one for one in overrides]
            config = compose("train", overrides=known)
        values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        reason = str(error).splitlines()[0]
        if reason.startswith("Ambiguous"):
            reason += ": quote what holds a comma for Hydra and for the shell, name=\"'a, b'\""
        raise UsageError(f"bench train: {reason}") from None
    result: dict[str, Any] = values
    return result


def _adds(override: str) -> bool:
    name = override.split("=", 1)[0]
    return name.startswith(("model.", "card.encoder"))


def train(values: dict[str, Any], *, card: bool = False, callbacks: Sequence[Any] = ()) -> Trained:
    """Train as `values` (see conf/train.yaml) say; continue what OUT/NAME holds.

    `card` asks for weights and card at the end; `callbacks` are further ones of Lightning's.

    Raises
    ------
    BenchError : wrong settings, no images, a checkpoint of another network, a loss that is not
        finite, a full disk.
    """
    import lightning

    from bench.adapters.heap import keep_freed_memory
    from bench.training.adversarial import AdversarialStage
    from bench.training.curve import Curve
    from bench.training.discriminator import Discriminator
    from bench.training.export import card_fields
    from bench.training.loaders import Loaders, read_photos
    from bench.training.loop import Averager, FidelityStage, Keeper, Progress
    from bench.training.losses import RateDistortion

    network = _network(values)
    fields = card_fields(values["name"], values["card"])
    start = _weights_at(str(values["init"])) if values["init"] else None
    renewed = _yes_or_no("renew", values["renew"])
    if values["trainer"]["threads"]:
        torch.set_num_threads(values["trainer"]["threads"])
    random.seed(values["seed"])
    np.random.seed(values["seed"])
    torch.manual_seed(values["seed"])
    model = network()
    # What is wrong is said before anything is written.
    _choose_encoder(model, fields["encoder"])
    _search(model, values, fields["encoder"])
    _freeze_all_but(model, values["optim"]["only"])
    if renewed and (start is None or not model.renews):
        raise UsageError(
            "renew=true needs init= and a network that can do it: bmshj2018-hyperprior with "
            "model.outer=trained"
        )
    folder = Path(values["out"]) / values["name"]
    folder.mkdir(parents=True, exist_ok=True)
    photos, kept = read_photos(values)
    terms = dict(values["loss"])
    adversary = terms.pop("gan")
    if not adversary >= 0:
        raise UsageError(f"loss.gan: zero or a positive weight was expected: {adversary}")
    if not model.rate_in_loss:
        terms["rate"] = 0.0
    losses = RateDistortion(**terms)
    part, optim = values["trainer"], values["optim"]
    common = {
        "learning_rate": optim["lr"], "warmup": optim["warmup"], "clip": optim["clip"],
        "decay": optim["ema"], "steps": part["max_steps"],
        "max_seconds": _seconds(part["max_time"]),
        "compiling": _yes_or_no("trainer.compile", part["compile"]),
        "method": _method(optim["method"]),
    }  # fmt: skip
    stage = FidelityStage(model, losses, **common)
    optimizers = 1
    if adversary:
        discriminator = Discriminator(model.latent_channels, **values["gan"])
        stage = AdversarialStage(model, losses, discriminator=discriminator, weight=adversary,
                                 critic_rate=optim["critic_lr"], **common)  # fmt: skip
        optimizers = 2
    keeper = Keeper(folder / "last.ckpt", part["save_every"])
    trainer = lightning.Trainer(
        max_steps=optimizers * part["max_steps"], max_time=part["max_time"],
        accelerator=part["accelerator"],
        devices=part["devices"], num_nodes=part["nodes"], strategy=part["strategy"],
        precision=part["precision"], logger=_logger(values, folder), callbacks=[
            Averager(), keeper, Curve(folder / CURVE), Progress(refresh_rate=10), *callbacks
        ],
        val_check_interval=part["valid_every"], check_val_every_n_epoch=None,
        num_sanity_val_steps=0, use_distributed_sampler=False, enable_checkpointing=False,
        enable_model_summary=False, log_every_n_steps=10, default_root_dir=folder,
    )  # fmt: skip
    data = Loaders(values, photos, kept, trainer.world_size)
    device = trainer.strategy.root_device
    if device.type == "cpu":
        keep_freed_memory()
        for part_of_stage in (model, stage.average.network):
            part_of_stage.to(memory_format=torch.channels_last)
    stage.shelf = data.shelf(device)
    if start is not None:
        _load(start, model)
        if renewed:
            model.renew(data.sample(32))
    else:
        model.fit_start(data.sample(32))
    stage.average.network.load_state_dict(model.state_dict())
    last = keeper.path if values["resume"] and keeper.path.exists() else None
    if last is not None:
        _check_same(last, model)
    trainer.fit(
        stage,
        data.train(trainer, stage),
        data.valid(model.points) if kept else None,
        ckpt_path=last,
    )
    weights = path = None
    if card and trainer.is_global_zero:
        weights, path = _release(values, fields, folder, stage, data)
    return Trained(folder, stage.done, weights, path)


def _choose_encoder(model: Trainable, encoder: Mapping[str, Any]) -> None:
    """Let the encoder choose as the card will say. Raises UsageError for what it can't do."""
    try:
        model.encode_with(**encoder)
    except CodecError as error:
        raise UsageError(f"card.encoder: {error}") from None


def _search(model: Trainable, values: Mapping[str, Any], encoder: Mapping[str, Any]) -> None:
    """Let the network learn from searched latents where that is wanted. Raises UsageError."""
    passes = values["optim"]["search"]
    if not passes:
        return
    if values["trainer"]["compile"]:
        raise UsageError("optim.search takes gradients of its own: trainer.compile can't take it")
    try:
        model.learn_searched(passes, **encoder)
    except CodecError as error:
        raise UsageError(f"optim.search: {error}") from None


def _freeze_all_but(model: Trainable, prefixes: str | Sequence[str]) -> None:
    """Leave everything as it is whose name begins with none of `prefixes`; train all for none.

    Raises UsageError for a prefix that no parameter has.
    """
    chosen = tuple([prefixes] if isinstance(prefixes, str) else prefixes)
    names = [name for name, _ in model.named_parameters()]
    for prefix in chosen:
        if not any(name.startswith(prefix) for name in names):
            known = sorted({name.partition(".")[0] for name in names})
            raise UsageError(f"optim.only={prefix}: the network has {', '.join(known)}")
    for name, parameter in model.named_parameters():
        if chosen and not name.startswith(chosen):
            parameter.requires_grad_(False)


def _network(values: dict[str, Any]) -> Callable[[], Trainable]:
    """Return what makes the network. Raises UsageError for wrong settings of it."""
    from bench.models.hybrid.config import HybridConfig
    from bench.models.hybrid.model import Hybrid
    from bench.models.recurrent.config import RecurrentConfig
    from bench.models.recurrent.model import Recurrent
    from bench.models.retrained.cheng import RetrainedCheng
    from bench.models.retrained.config import ChengConfig, HyperpriorConfig
    from bench.models.retrained.model import RetrainedHyperprior

    kinds: dict[str, tuple[type[Settings], type[Trainable]]] = {
        "hybrid": (HybridConfig, Hybrid), "recurrent": (RecurrentConfig, Recurrent),
        "bmshj2018-hyperprior": (HyperpriorConfig, RetrainedHyperprior),
        "cheng2020-anchor": (ChengConfig, RetrainedCheng),
    }  # fmt: skip
    kind = values["architecture"]
    if kind not in kinds:
        raise UsageError(f"architecture: {' or '.join(kinds)} was expected, got {kind!r}")
    try:
        config = kinds[kind][0].from_dict(values["model"])
    except ValueError as error:
        raise UsageError(f"bench train: model: {error}") from None
    network = kinds[kind][1]
    for size in ("crop", "valid_size"):
        if values["data"][size] % network.stride:
            raise UsageError(
                f"data.{size}: a multiple of {network.stride} was expected for this network, got "
                f"{values['data'][size]}"
            )
    return partial(network, **config.to_dict())


def _check_same(path: Path, model: Any) -> None:
    """Raise TrainingError where the checkpoint is of another network."""
    found, own = _network_state(path, "model."), model.state_dict()
    other = [name for name in own if name not in found or found[name].shape != own[name].shape]
    other += [name for name in found if name not in own]
    if other:
        raise TrainingError(
            f"{path} is a checkpoint of another network: {len(other)} tensors differ, the first is "
            f"{other[0]}; give another name=, or resume=false to overwrite it"
        )


def _network_state(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Return a network's weights from a training's checkpoint, or from released weights."""
    from bench.models.checkpoint import read_state

    try:
        state = read_state(path)
    except CodecError as error:
        raise TrainingError(f"{error}; delete it to start anew") from None
    if path.suffix == ".safetensors":
        return state
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _weights_at(init: str) -> Path:
    """Return the file of weights that `init` names: itself, or that of the codec of this name.

    Raises UnknownNameError for neither, UsageError for a codec that has no one file of weights.
    """
    from bench.adapters.make import make_codec
    from bench.adapters.weighted import WeightedCodec
    from bench.registry import codecs

    path = Path(init)
    if path.exists() or path.suffix:
        return path
    codec = make_codec(codecs().get(init))
    weights = codec.weights() if isinstance(codec, WeightedCodec) else {}
    if None not in weights:
        raise UsageError(f"init={init}: this codec has no one file of weights for all qualities")
    return weights[None].path


def _load(path: Path, model: Any) -> None:
    """Start from the averaged weights of a checkpoint. Raises TrainingError for another network."""
    state = _network_state(path, "average.network.")
    tables = {name for name in model.state_dict() if name.endswith(TABLES)}
    own = {name: value.shape for name, value in model.state_dict().items() if name not in tables}
    wrong = [name for name, shape in own.items() if name not in state or state[name].shape != shape]
    if wrong:
        raise TrainingError(
            f"init={path} does not fit the network: {len(wrong)} tensors differ, the first is "
            f"{wrong[0]}"
        )
    model.load_state_dict({name: state[name] for name in own}, strict=False)


def _seconds(time: str | None) -> float | None:
    if time is None:
        return None
    try:
        days, hours, minutes, seconds = (int(part) for part in str(time).split(":"))
    except ValueError:
        raise UsageError(f"trainer.max_time: DD:HH:MM:SS was expected, got {time!r}") from None
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name}: true or false was expected, got {value!r}")
    return value


def _method(value: Any) -> str:
    if value not in ("adam", "soap"):
        raise UsageError(f"optim.method: adam or soap was expected, got {value!r}")
    if value == "soap" and find_spec("pytorch_optimizer") is None:
        raise UnavailableError("optim.method=soap needs pytorch-optimizer",
                               "pip install 'rdbench[train]'")  # fmt: skip
    return str(value)


def _logger(values: dict[str, Any], folder: Path) -> Any:
    kind = values["logger"]
    if kind == "none":
        return False
    if kind == "tensorboard":
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="", version="tensorboard")
    if kind == "wandb":
        from lightning.pytorch.loggers import WandbLogger

        # Nothing leaves the machine unless it is asked for.
        offline = os.environ.get("WANDB_MODE", "offline") != "online"
        try:
            return WandbLogger(name=values["name"], save_dir=folder, offline=offline)
        except ModuleNotFoundError:
            raise UnavailableError(
                "logger=wandb needs Weights & Biases", "pip install 'rdbench[train,wandb]'"
            ) from None
    raise UsageError(f"logger: tensorboard, wandb or none was expected, got {kind!r}")


def _release(
    values: dict[str, Any], fields: Mapping[str, Any], folder: Path, stage: Any, data: Loaders
) -> tuple[Path, Path]:
    from bench.training.export import export, write_card

    name = values["name"]
    steps = int(stage.average.updates)
    size = data.crops.settings.size
    note = (
        f"Trained by bench train: {steps} steps of {data.crops_a_step} crops of {size}×{size} from "
        f"{len(data.crops.photos)} photos, seed {values['seed']}."
    )
    fitting = torch.split(data.sample(FITTED_ON), 1)
    weights = folder / f"{name}.safetensors"
    model = export(stage.average.network, weights, fitting, note)
    path = folder / f"{name}.yaml"
    write_card(path, name, model, weights, note, fields)
    return weights, path

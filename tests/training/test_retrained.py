"""``bench train`` makes codecs of the published baselines, and goes on from released weights."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import Conv2d

pytest.importorskip("lightning", reason="needs the extra `train`")

from lightning import Callback

from bench.adapters.make import make_codec
from bench.cards import CodecCard, read_card
from bench.errors import UsageError
from bench.image import read_image
from bench.models.checkpoint import read_state
from bench.training.run import settings, train

pytestmark = [
    # Lightning's own advice and its use of what PyTorch renames.
    pytest.mark.filterwarnings("ignore::Warning:lightning.*"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def photos(shared, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for file in sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[:100:25]:
        (folder / file.name).symlink_to(file)
    return folder


def _small(which: str, photos: Path, out: Path, *more: str) -> list[str]:
    return [
        f"model={which}", "model.width=64", "model.latents=48", f"data.folders={photos}",
        f"out={out}", "name=tiny", "data.crop=64", "data.batch=2", "data.valid=1",
        "data.valid_size=64", "trainer.max_steps=2", "trainer.valid_every=2",
        "trainer.accelerator=cpu", "logger=none", *more,
    ]  # fmt: skip


@pytest.mark.parametrize("which", ["bmshj2018-hyperprior", "cheng2020-anchor"])
def test_a_baseline_becomes_a_codec_of_all_rates_and_training_goes_on_from_it(
    which, photos, tmp_path
):
    """The first training with the outermost stages as they are, the second with all."""
    layouts = []

    class Look(Callback):
        def on_train_batch_end(self, trainer, stage, *_):
            convolution = next(m for m in stage.model.g_a.modules() if isinstance(m, Conv2d))
            layouts.append(convolution.weight.is_contiguous(memory_format=torch.channels_last))

    first = settings(_small(which, photos, tmp_path, "model.outer=fixed"))
    made = train(first, card=True, callbacks=[Look()])
    # As a processor computes them fastest.
    assert layouts == [True, True]
    card = read_card(CodecCard, made.card)
    codec = make_codec(card)
    codec.open()
    image = read_image(next(iter(sorted(photos.iterdir()))))
    small = type(image)(np.ascontiguousarray(image.pixels[:70, :77]))
    streams = [codec.encode(small, quality) for quality in (0, 33.5, 100)]
    sizes = [len(stream) for stream in streams]
    assert sizes == sorted(set(sizes))
    assert codec.decode(streams[1]).pixels.shape == small.pixels.shape
    more = ["name=on", f"init={made.weights}", "data.valid=0", "trainer.precision=bf16-mixed"]
    again = train(settings(_small(which, photos, tmp_path, *more)), card=True)
    assert again.weights.read_bytes() != made.weights.read_bytes()
    assert read_card(CodecCard, again.card).options["arguments"] == {"width": 64, "latents": 48}


def test_trained_weights_are_renewed_and_trained_on(photos, tmp_path):
    made = train(settings(_small("bmshj2018-hyperprior", photos, tmp_path)), card=True)
    more = ["name=bent", f"init={made.weights}", "renew=true", "optim.lr=1e-9"]
    bent = train(settings(_small("bmshj2018-hyperprior", photos, tmp_path, *more)), card=True)
    gammas = [read_state(one.weights)["g_s.5.gamma"].float() for one in (made, bent)]
    assert gammas[0].max() < 1 < gammas[1].max()
    with (tmp_path / "bent" / "curve.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    with (tmp_path / "tiny" / "curve.csv").open(newline="") as file:
        last = [row for row in csv.DictReader(file) if row["quality"] == first["quality"]][-1]
    assert float(first["psnr"]) == pytest.approx(float(last["psnr"]), abs=1)


@pytest.mark.parametrize(
    ("which", "more"),
    [
        ("bmshj2018-hyperprior", ["renew=true"]),
        ("bmshj2018-hyperprior", ["renew=yes"]),
        ("bmshj2018-hyperprior", ["renew=true", "init=hybrid", "model.outer=fixed"]),
        ("cheng2020-anchor", ["renew=true", "init=hybrid"]),
    ],
)
def test_what_can_not_be_renewed_is_refused_before_anything_is_written(
    which, more, photos, tmp_path
):
    with pytest.raises(UsageError, match="renew"):
        train(settings(_small(which, photos, tmp_path, *more)))
    assert not list(tmp_path.iterdir())


def test_crops_that_the_network_can_not_take_are_refused(photos, tmp_path):
    wrong = _small("bmshj2018-hyperprior", photos, tmp_path, "data.crop=80")
    with pytest.raises(UsageError, match="a multiple of 64 was expected"):
        train(settings(wrong))

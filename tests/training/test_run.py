"""``bench train`` from a folder of photos to a card that `bench run` takes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning", reason="needs the extra `train`")

from bench import paths
from bench.adapters.make import make_codec
from bench.cards import CodecCard, read_card
from bench.errors import BitstreamError, TrainingError, UsageError
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
    for file in sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[:150:25]:
        (folder / file.name).symlink_to(file)
    return folder


def _small(photos: Path, out: Path, *more: str) -> list[str]:
    return [
        "model=hybrid-s", f"data.folders={photos}", f"out={out}", "name=tiny", "data.crop=48",
        "data.batch=2", "data.valid=1", "data.valid_size=96", "trainer.max_steps=6",
        "trainer.valid_every=6", "trainer.accelerator=cpu", "logger=none", *more,
    ]  # fmt: skip


def test_training_ends_with_weights_and_a_card_that_measures(photos, tmp_path):
    small = [one for one in _small(photos, tmp_path) if not one.startswith("logger=")]
    made = train(settings([*small, "trainer.max_steps=10", "trainer.valid_every=10"]), card=True)
    assert made.steps == 10
    assert {"train/loss", "train/rate", "train/psnr", "valid/bpp-35", "valid/psnr-35"} <= _logged(
        tmp_path / "tiny" / "tensorboard"
    )
    codec = make_codec(read_card(CodecCard, made.card))
    codec.open()
    image = read_image(next(iter(sorted(photos.iterdir()))))
    small = type(image)(np.ascontiguousarray(image.pixels[:100, :77]))
    streams = [codec.encode(small, quality) for quality in (5, 35, 65, 85)]
    sizes = [len(stream) for stream in streams]
    assert sizes == sorted(set(sizes))
    for stream in streams:
        assert codec.decode(stream).pixels.shape == small.pixels.shape


def _logged(folder: Path) -> set[str]:
    """Return the names of what TensorBoard would show."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return set(events.Tags()["scalars"])


def test_a_variants_card_says_what_it_is_a_variant_of(photos, tmp_path):
    said = ["card.base=hybrid-s", "card.differs=attention", "card.change=removed",
            "card.groups=[learned, ablation]", "card.title='Hybrid, small'",
            "model.attention=none", "card.description='Windows and the global view are left away.'",
            "data.valid=0", "trainer.max_steps=1"]  # fmt: skip
    made = train(settings([*_small(photos, tmp_path), *said]), card=True)
    card = read_card(CodecCard, made.card)
    assert (card.base, card.differs, card.change) == ("hybrid-s", "attention", "removed")
    assert card.groups == ("learned", "ablation")
    assert card.title == "Hybrid, small"
    assert card.description.startswith("Windows and the global view are left away. Trained by")
    # What differs from the network's defaults, on a line that can be read.
    assert card.options["arguments"]["attention"] == "none"
    assert "backbone" not in card.options["arguments"]
    assert "    arguments: {" not in made.card.read_text()
    assert "  arguments: {widths: [16, 16, 24]" in made.card.read_text()
    make_codec(card).open()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("card.base=hybrid-s", "differs is missing"),
        ("init=hybird", "hybrid"),
        ("init=jpeg", "no one file of weights"),
        ("card.groups=[Two Words]", "groups"),
        ("card.ladder=[5,5]", "a setting occurs twice"),
        ("card.ladder=[120]", "outside the range"),
        ("name='no name'", "name"),
        ("card.encoder={search: 3}", "card.encoder: there is no setting 'search'"),
        ("card.encoder=much", "card.encoder: settings of an encoder"),
        ("card.encoder.refine=-1", "refine: 0 … 100 passes"),
    ],
)
def test_what_a_card_can_not_hold_is_refused_before_training(photos, tmp_path, given, reason):
    with pytest.raises(UsageError, match=reason):
        train(settings(_small(photos, tmp_path, given)))
    assert not list(tmp_path.iterdir())


def test_a_card_has_the_encoder_that_was_asked_for_and_tables_fit_it(photos, tmp_path):
    begun = [*_small(photos, tmp_path), "model.tables=counted", "init=hybrid-s", "data.valid=0",
             "trainer.max_steps=1", "optim.lr=0"]  # fmt: skip
    plain = train(settings(begun), card=True)
    asked = ["name=refined", "card.encoder={refine: 1, bit: 0.11}"]
    refined = train(settings([*begun, *asked]), card=True)
    options = [read_card(CodecCard, one.card).options for one in (plain, refined)]
    assert "encoder" not in options[0]
    assert options[1]["encoder"] == {"refine": 1, "bit": 0.11}
    # The weights are the same; what the encoder leaves of the latent was counted.
    states = [read_state(one.weights) for one in (plain, refined)]
    other = [n for n, value in states[0].items() if not torch.equal(value, states[1][n])]
    assert other
    assert all(name.startswith("tables.") for name in other)


def test_the_adversarial_stage_goes_on_from_the_first(photos, tmp_path):
    train(settings(_small(photos, tmp_path)), card=True)
    weights = tmp_path / "tiny" / "tiny.safetensors"
    second = ["name=gan", "loss.gan=0.1", f"init={weights}", "trainer.max_steps=3", "data.valid=0"]
    made = train(settings([*_small(photos, tmp_path), *second]), card=True)
    assert made.steps == 3
    assert made.weights.read_bytes() != weights.read_bytes()
    with pytest.raises(TrainingError, match="does not fit the network"):
        train(settings([*_small(photos, tmp_path), *second, "name=other", "model.groups=2"]))


def test_soap_goes_on_as_if_it_had_not_stopped(photos, tmp_path):
    """It has new axes at every twentieth step."""
    from lightning import Callback

    class Stop(Callback):
        def on_train_batch_end(self, trainer, stage, *_):
            trainer.should_stop = stage.done == 22

    soap = [*_small(photos, tmp_path), "optim.method=soap", "data.valid=0", "trainer.max_steps=24",
            "trainer.valid_every=100"]  # fmt: skip
    assert train(settings([*soap, "name=parts"]), callbacks=[Stop()]).steps == 22
    parts, whole, adam = (
        torch.load(train(settings([*soap, *more])).folder / "last.ckpt", weights_only=True)
        for more in (["name=parts"], ["name=whole"], ["name=adam", "optim.method=adam"])
    )
    moved = 0
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, parts["state_dict"][name]), name
        moved += not torch.equal(value, adam["state_dict"][name])
    assert moved > 50


def test_a_training_starts_from_a_codec_that_ships(photos, tmp_path):
    shipped = read_card(CodecCard, paths.catalogue("codecs") / "hybrid-s" / "hybrid-s.yaml")
    weights = Path(shipped.source).parent / shipped.options["checkpoint"]["file"]
    still = ["trainer.max_steps=1", "data.valid=0", "optim.lr=0"]
    by_name = train(settings([*_small(photos, tmp_path), *still, "name=a", "init=hybrid-s"]))
    by_file = train(settings([*_small(photos, tmp_path), *still, "name=b", f"init={weights}"]))
    states = [torch.load(one.folder / "last.ckpt", weights_only=True)["state_dict"]
              for one in (by_name, by_file)]  # fmt: skip
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_part_of_a_network_is_trained_and_the_rest_left_as_it_is(photos, tmp_path):
    begun = [*_small(photos, tmp_path), "init=hybrid-s", "data.valid=0"]
    some = train(settings([*begun, "optim.only=[context,hyper]"]))
    # A learning rate of nothing leaves all as it was at the start.
    first = train(settings([*begun, "name=first", "optim.lr=0"]))
    before, after = (torch.load(one.folder / "last.ckpt", weights_only=True)["state_dict"]
                     for one in (first, some))  # fmt: skip
    names = [name for name in after if name.startswith("model.")]
    moved = [name for name in names if not torch.equal(after[name], before[name])]
    assert moved
    assert [name for name in moved if not name.startswith(("model.context", "model.hyper"))] == []


def test_weights_learn_from_searched_latents(photos, tmp_path):
    begun = [*_small(photos, tmp_path), "init=hybrid-s", "data.valid=0", "trainer.max_steps=2"]
    encoder = "card.encoder={refine: 2, bit: 0.05}"
    plain, searched, dearer = (
        train(settings([*begun, f"name={name}", *more])).folder / "last.ckpt"
        for name, more in (
            ("plain", []),
            ("searched", ["optim.search=2", encoder]),
            ("dearer", ["optim.search=2", encoder.replace("0.05", "0.5")]),
        )
    )
    found = {
        b"".join(value.numpy().tobytes() for name, value in state.items() if ".g_s." in name)
        for state in (torch.load(one, weights_only=True)["state_dict"]
                      for one in (plain, searched, dearer))
    }  # fmt: skip
    assert len(found) == 3


def test_a_checkpoint_of_another_network_is_refused_and_kept(photos, tmp_path):
    train(settings(_small(photos, tmp_path)))
    last = tmp_path / "tiny" / "last.ckpt"
    before = last.read_bytes()
    with pytest.raises(TrainingError, match="another network"):
        train(settings(_small(photos, tmp_path, "model.groups=2")))
    assert last.read_bytes() == before


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(photos, tmp_path):
    train(settings(_small(photos, tmp_path)))
    last = tmp_path / "tiny" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    next(iter(state["state_dict"].values())).fill_(float("nan"))
    torch.save(state, last)
    before = last.read_bytes()
    with pytest.raises(TrainingError, match="at step 6"):
        train(settings(_small(photos, tmp_path, "trainer.max_steps=8")))
    assert last.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("model.kernel=5", "no setting 'kernel'"),
        ("optim.momentum=1", "momentum"),
        ("optim.method=sgd", "optim.method: adam or soap"),
        ("optim.only=[context,colour]", "colour: the network has context, "),
        ("quantizer=magic", "magic"),
        ("optim.search=-1", "optim.search: .*0 … 100 passes"),
        ("optim.search=some", "optim.search: .*'some'"),
        (["optim.search=2", "trainer.compile=true"], "trainer.compile"),
        (["latent=ae", "optim.search=2"], "optim.search: .*latent=ae has none"),
        (["model=recurrent", "optim.search=2"], "optim.search: .* no search"),
        ("data.valid=50", "data.valid=50"),
        ("trainer.max_time=soon", "DD:HH:MM:SS"),
        ("data.memory=disk", "auto, host, device"),
        ("trainer.compile=faster", "trainer.compile: true or false"),
        ("logger=paper", "tensorboard, wandb or none"),
        ("card.title=one, two", "quote what holds a comma"),
        ("model.backbone=vit", "squeeze_excite belongs"),
    ],
)
def test_wrong_settings_are_refused(photos, tmp_path, given, reason):
    given = [given] if isinstance(given, str) else given
    with pytest.raises(UsageError, match=reason):
        train(settings(_small(photos, tmp_path, *given)))


def _limited(bytes_: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may write no file larger than that: a disk that is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))

    return subprocess.run(arguments, preexec_fn=limit, capture_output=True, text=True, check=False)


def test_a_full_disk_is_one_line_and_the_checkpoint_before_is_kept(photos, tmp_path):
    short = _small(photos, tmp_path, "data.valid=0", "trainer.max_steps=1")
    train(settings(short))
    last = tmp_path / "tiny" / "last.ckpt"
    before = last.read_bytes()
    ended = _limited(200_000, *_command(*short, "trainer.max_steps=2"))
    assert ended.returncode == 2
    assert "the checkpoint can't be written" in ended.stderr
    assert "the one before it is kept" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert last.read_bytes() == before
    assert sorted(p.name for p in last.parent.iterdir()) == ["last.ckpt"]


def test_weights_that_do_not_fit_on_the_disk_leave_nothing_half_written(tmp_path):
    program = f"""
from pathlib import Path
from bench.errors import UsageError
from bench.models.recurrent.model import Recurrent
from bench.training.export import export
try:
    export(Recurrent(), Path({str(tmp_path)!r}) / "weights.safetensors")
except UsageError as error:
    print(error)
"""
    ended = _limited(100_000, sys.executable, "-c", program)
    assert "can't write" in ended.stdout, ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_time_budget_ends_with_a_checkpoint_that_is_of_use(photos, tmp_path):
    timed = [*_small(photos, tmp_path), "trainer.max_steps=100000", "trainer.valid_every=100000",
             "trainer.max_time=00:00:00:04"]  # fmt: skip
    made = train(settings(timed), card=True)
    assert 0 < made.steps < 100000
    state = torch.load(tmp_path / "tiny" / "last.ckpt", weights_only=True)
    assert state["global_step"] == made.steps == int(state["state_dict"]["average.updates"])
    make_codec(read_card(CodecCard, made.card)).open()
    rows = (tmp_path / "tiny" / "curve.csv").read_text().splitlines()[1:]
    assert {int(row.split(",")[0]) for row in rows} == {0, made.steps}


def test_the_learning_rate_goes_on_falling_where_a_stopped_training_stood(photos, tmp_path):
    from lightning import Callback

    class Rates(Callback):
        def __init__(self):
            self.seen = []

        def on_train_batch_start(self, trainer, *_):
            self.seen.append(trainer.optimizers[0].param_groups[-1]["lr"])

    timed = [*_small(photos, tmp_path), "trainer.max_steps=100000", "trainer.valid_every=100000",
             "data.valid=0", "optim.lr=1e-3", "optim.warmup=0"]  # fmt: skip
    first, second = Rates(), Rates()
    train(settings([*timed, "trainer.max_time=00:00:00:03"]), callbacks=[first])
    assert first.seen[0] == pytest.approx(1e-3, rel=0.02)
    # Half of the longer time is over: half a cosine is left, as if nothing had stopped it.
    train(settings([*timed, "trainer.max_time=00:00:00:06"]), callbacks=[second])
    assert second.seen[-1] <= second.seen[1] < 0.6e-3


def test_the_curves_clock_goes_on_where_the_checkpoint_stood(photos, tmp_path):
    """Not where the last validation was."""
    train(settings(_small(photos, tmp_path)))
    checkpoint = tmp_path / "tiny" / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    state["seconds"] += 1000
    torch.save(state, checkpoint)
    train(settings([*_small(photos, tmp_path), "trainer.max_steps=8"]))
    rows = [line.split(",") for line in (tmp_path / "tiny" / "curve.csv").read_text().split()[1:]]
    seconds = {int(step): float(seconds) for step, seconds, *_ in rows}
    assert seconds[0] < seconds[6] < 1000 < seconds[8] < 1600


def test_mixed_precision_and_crops_cut_on_the_device_train_a_codec(photos, tmp_path):
    mixed = [*_small(photos, tmp_path), "data.valid=0", "trainer.max_steps=2",
             "trainer.precision=bf16-mixed", "data.memory=device"]  # fmt: skip
    made = train(settings(mixed), card=True)
    other = train(settings([*_small(photos, tmp_path), "data.valid=0", "trainer.max_steps=2",
                            "name=whole"]), card=True)  # fmt: skip
    assert made.weights.read_bytes() != other.weights.read_bytes()
    codec = make_codec(read_card(CodecCard, made.card))
    codec.open()
    image = read_image(next(iter(sorted(photos.iterdir()))))
    small = type(image)(np.ascontiguousarray(image.pixels[:64, :64]))
    assert codec.decode(codec.encode(small, 50)).pixels.shape == (64, 64, 3)


def test_weights_and_biases_can_log_without_a_network(photos, tmp_path):
    pytest.importorskip("wandb", reason="needs the extra `wandb`")
    logged = [*_small(photos, tmp_path), "data.valid=0", "trainer.max_steps=1"]
    logged = [one for one in logged if not one.startswith("logger=")] + ["logger=wandb"]
    ended = subprocess.run(
        _command(*logged), env={**os.environ, "WANDB_SILENT": "true"}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert list((tmp_path / "tiny").rglob("*.wandb"))


def test_the_recurrent_codec_trains_and_decodes_what_has_arrived(photos, tmp_path):
    small = [one for one in _small(photos, tmp_path) if not one.startswith("model=")]
    made = train(settings([*small, "model=recurrent", "model.channels=64", "model.chunks=4",
                           "card.ladder=[1,2,3,4]", "card.range=[1,4]", "trainer.max_steps=2",
                           "trainer.valid_every=2"]), card=True)  # fmt: skip
    codec = make_codec(read_card(CodecCard, made.card))
    codec.open()
    image = read_image(next(iter(sorted(photos.iterdir()))))
    pixels = np.ascontiguousarray(image.pixels[100:164, 100:177])
    streams = [codec.encode(type(image)(pixels), chunks) for chunks in (1, 2, 3, 4)]
    errors = []
    for stream in streams:
        whole = codec.decode(stream).pixels
        # What follows the first chunks does not matter to a prefix.
        prefix = streams[3][: len(stream)]
        assert np.array_equal(codec.decode_prefix(prefix).pixels, whole)
        assert codec.decode_prefix(prefix[:-1]).pixels.shape == pixels.shape
        errors.append(np.mean((whole.astype(float) - pixels) ** 2))
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(BitstreamError, match="cut or damaged"):
        codec.decode(streams[3][:-1])
    points = (tmp_path / "tiny" / "curve.csv").read_text().splitlines()
    assert points[0] == "step,seconds,quality,bpp,psnr"
    assert [line.split(",")[0] for line in points[1:]] == ["0"] * 4 + ["2"] * 4


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "tiny" / "last.ckpt", weights_only=True)["state_dict"]


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bench", "train", *arguments]


@pytest.mark.slow
def test_after_a_kill_training_ends_where_it_would_have_ended(photos, tmp_path):
    once = [*_small(photos, tmp_path / "once", "trainer.max_steps=12"), "data.valid=0"]
    twice = [*_small(photos, tmp_path / "twice", "trainer.max_steps=12"), "data.valid=0",
             "trainer.save_every=0"]  # fmt: skip
    subprocess.run(_command(*once), check=True)
    process = subprocess.Popen(_command(*twice))
    last = tmp_path / "twice" / "tiny" / "last.ckpt"
    while not last.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert torch.load(last, weights_only=True)["global_step"] < 12
    subprocess.run(_command(*twice), check=True)
    first, second = _weights(tmp_path / "once"), _weights(tmp_path / "twice")
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.slow
def test_two_processes_learn_what_one_with_the_doubled_batch_learns(photos, tmp_path):
    alone = _small(photos, tmp_path / "one", "trainer.max_steps=5", "data.batch=4", "data.valid=0")
    both = _small(photos, tmp_path / "two", "trainer.max_steps=5", "data.batch=2", "data.valid=0",
                  "trainer.devices=2", "trainer.strategy=ddp", "--card")  # fmt: skip
    for arguments in (alone, both):
        subprocess.run(_command(*arguments), check=True)
    first, second = _weights(tmp_path / "one"), _weights(tmp_path / "two")
    for name, value in first.items():
        assert torch.allclose(value, second[name], rtol=0, atol=1e-5), name
    card = read_card(CodecCard, tmp_path / "two" / "tiny" / "tiny.yaml")
    assert "5 steps of 4 crops" in card.description

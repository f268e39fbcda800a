"""Every chunk makes the image better, every prefix of the stream is an image."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from learned import textured

from bench.errors import BitstreamError, CodecError
from bench.models.checkpoint import save
from bench.models.recurrent.config import RecurrentConfig
from bench.models.recurrent.model import Recurrent
from bench.training.export import export
from bench.training.losses import RateDistortion

SMALL = {"channels": 96, "widths": [8, 8, 16], "decoder_widths": [8, 8, 16], "chunks": 5}
HEIGHT, WIDTH = 48, 64
ZEROS = torch.zeros(2)

DECODE = """
import sys, json, numpy as np, torch
from pathlib import Path
from bench.models.checkpoint import read_state, restore
from bench.models.recurrent.model import Recurrent
torch.set_num_threads(4)
folder = Path(sys.argv[1])
arguments = json.loads((folder / "arguments.json").read_text())
model = restore(Recurrent, read_state(folder / "model.safetensors"), arguments, "model")
for stream in sorted(folder.glob("*.bin")):
    np.save(stream.with_suffix(".npy"), model.decompress(stream.read_bytes(), 48, 64).numpy())
"""


@pytest.fixture(scope="module")
def photos(shared):
    """Two crops of real photos that have texture, (2, 3, HEIGHT, WIDTH)."""
    return textured(shared, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def learned(photos):
    """A model after 50 steps on one batch, and its losses."""
    torch.manual_seed(0)
    model = Recurrent(**SMALL).train()
    losses, history = RateDistortion(), []
    optimizer = torch.optim.Adam(_groups(model))
    for _ in range(50):
        lesson = model.lesson(photos, ZEROS, ZEROS)
        loss = losses(lesson.out, lesson.x, lesson.quality).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(loss.item())
    return model.ready(), history


def _groups(model):
    """Learning rates in the proportions of `bench train`."""
    named = list(model.named_parameters())
    rates = [9e-3 if n.startswith(model.fast) else 5e-4 if n.startswith(model.slow) else 3e-3
             for n, _ in named]  # fmt: skip
    return [{"params": [p], "lr": rate} for (_, p), rate in zip(named, rates, strict=True)]


def _psnr(image, photo):
    return -10 * np.log10((image - photo).square().mean().item())


def test_fifty_steps_on_a_batch_lower_the_loss_by_a_fifth(learned):
    history = learned[1]
    assert np.mean(history[-3:]) < 0.8 * history[0]


@pytest.mark.parametrize("when", ["before training", "after 50 steps"])
def test_the_mean_psnr_rises_with_every_chunk(learned, photos, when):
    torch.manual_seed(0)
    model = learned[0] if when == "after 50 steps" else Recurrent(**SMALL).ready()
    means = []
    for chunks in range(1, 6):
        decoded = [model.decompress(model.compress(x[None], chunks), HEIGHT, WIDTH) for x in photos]
        means.append(
            np.mean([_psnr(image, x[None]) for image, x in zip(decoded, photos, strict=True)])
        )
    # Until the coefficients that are not kept are what is left, a halved step is worth decibels.
    assert all(high > low for low, high in itertools.pairwise(means)), means
    assert means[2] > means[0] + 3


def test_what_fewer_chunks_hold_is_the_beginning_of_what_more_hold(learned, photos):
    streams = [learned[0].compress(photos[:1], chunks) for chunks in range(1, 6)]
    for short, long in itertools.pairwise(streams):
        assert long.startswith(short)
        assert len(long) > len(short)


def test_every_prefix_decodes_to_the_chunks_that_are_whole(learned, photos):
    model = learned[0]
    ends = [len(model.compress(photos[:1], chunks)) for chunks in range(1, 6)]
    whole = model.compress(photos[:1], 5)
    grey = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
    images = [grey, *(model.decompress(whole[:end], HEIGHT, WIDTH) for end in ends)]
    for length in [
        *range(0, ends[1], 7),
        *ends,
        *(end - 1 for end in ends),
        *range(ends[1], ends[4], 97),
    ]:
        complete = sum(end <= length for end in ends)
        image = model.decompress_prefix(whole[:length], HEIGHT, WIDTH)
        assert torch.equal(image, images[complete]), length


def test_a_cut_stream_is_refused_where_a_whole_one_was_expected(learned, photos):
    stream = learned[0].compress(photos[:1], 2)
    with pytest.raises(BitstreamError, match="chunk 2 is cut"):
        learned[0].decompress(stream[:-3], HEIGHT, WIDTH)
    with pytest.raises(BitstreamError, match="chunk 1 is damaged"):
        learned[0].decompress_prefix(stream, HEIGHT, WIDTH + 16)


def test_mutated_payloads_give_an_error_or_an_image(learned, photos):
    model, rng = learned[0], np.random.default_rng(0)
    whole, outcomes = model.compress(photos[:1], 3), set()
    for _ in range(40):
        stream = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            stream[rng.integers(len(stream))] = rng.integers(256)
        try:
            image = model.decompress_prefix(bytes(stream), HEIGHT, WIDTH)
        except BitstreamError:
            outcomes.add("error")
        else:
            assert image.shape == (1, 3, HEIGHT, WIDTH)
            outcomes.add("image")
    assert "error" in outcomes


def test_a_fresh_process_with_other_threads_decodes_the_encoders_image(learned, photos, tmp_path):
    model = learned[0]
    save(model, tmp_path / "model.safetensors")
    (tmp_path / "arguments.json").write_text(json.dumps(SMALL))
    for chunks in (1, 3, 5):
        (tmp_path / f"{chunks}.bin").write_bytes(model.compress(photos[:1], chunks))
    subprocess.run([sys.executable, "-c", DECODE, str(tmp_path)], check=True)
    with torch.inference_mode():
        iterations = list(model.iterate(photos[:1], 5))
    for chunks in (1, 3, 5):
        decoded = np.load(tmp_path / f"{chunks}.npy")
        expected = iterations[chunks - 1].image.clamp(0, 1).numpy()
        # Another number of threads may add up the synthesis in another order.
        assert np.abs(decoded - expected).max() < 1e-4


def test_estimated_bits_are_what_the_stream_takes(learned, photos):
    with torch.inference_mode():
        bits = learned[0](photos[:1]).bits
    for chunks in (3, 5):
        size = 8 * len(learned[0].compress(photos[:1], chunks))
        framing = 8 * 8 * chunks  # length, check, and what the coder's state rounds up to
        assert size == pytest.approx(bits[chunks - 1].item() + framing, rel=0.05)


def test_memories_change_what_later_chunks_become(learned, photos):
    model = learned[0]
    with torch.inference_mode():
        before = model.compress(photos[:1], 3)
        for cell in (*model.g_a.cells, *model.g_s.cells):
            cell.gates.weight.mul_(0.5)
        assert model.compress(photos[:1], 3) != before
        for cell in (*model.g_a.cells, *model.g_s.cells):
            cell.gates.weight.mul_(2.0)
        assert model.compress(photos[:1], 3) == before


@pytest.mark.parametrize(
    "change",
    [{"start": "dct"}, {"dead_zone": 0.0}, {"groups": 1}, {"prior": 8}, {"widths": [8, 8, 8]}],
)
def test_every_setting_changes_what_is_computed(photos, change):
    sums = []
    for settings in (SMALL, {**SMALL, **change}):
        torch.manual_seed(0)
        model = Recurrent(**settings)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * torch.randn(parameter.shape))
            out = model(photos)
        sums.append((out.x_hat.double().sum().item(), out.bits.double().sum().item()))
    assert sums[0] != sums[1]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"chunks": 11}, "chunks: 1 … 10"),
        ({"channels": 4}, "channels"),
        ({"widths": [8, 8]}, "three stages"),
        ({"dead_zone": 0.7}, "dead_zone"),
        ({"start": "random"}, "one of lapped, dct"),
        ({"quantizer": "vq"}, "no setting 'quantizer'"),
    ],
)
def test_a_senseless_configuration_is_refused_with_the_reason(settings, reason):
    with pytest.raises(ValueError, match=reason):
        RecurrentConfig.from_dict(settings)


def test_a_number_of_chunks_that_there_is_not_is_refused(learned, photos):
    for chunks in (0, 6, 2.5):
        with pytest.raises(CodecError, match=r"1 … 5 chunks were expected"):
            learned[0].compress(photos[:1], chunks)


def test_the_defaults_are_those_that_released_cards_count_on():
    assert RecurrentConfig().to_dict() == {
        "start": "lapped", "chunks": 7, "channels": 192, "widths": [16, 16, 24],
        "decoder_widths": [16, 16, 24], "prior": 16, "groups": 3, "dead_zone": 0.12,
    }  # fmt: skip


def test_its_weights_take_less_than_800_kilobytes(tmp_path):
    export(Recurrent(), tmp_path / "recurrent.safetensors")
    assert (tmp_path / "recurrent.safetensors").stat().st_size < 800_000
    assert Recurrent.for_state(Recurrent().state_dict()).config == RecurrentConfig()
    with pytest.raises(CodecError, match="needs them as `arguments`"):
        Recurrent.for_state(Recurrent(channels=96).state_dict())

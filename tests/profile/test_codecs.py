"""What learned codecs cost, against published figures and products worked out by hand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from learned import crop_tensor, small_model

import bench
from bench import paths, registry
from bench.adapters.make import make_codec
from bench.analysis.complexity import HEADINGS, complexity_cells, complexity_of, dearest
from bench.cli import main
from bench.codec import Complexity
from bench.engine.store import Store
from bench.errors import UsageError
from bench.models.checkpoint import save
from bench.profile.codecs import NO_NETWORK, costs_of

SIZE = (64, 64)


def cost(name: str, quality: int) -> Complexity:
    found = make_codec(registry.codecs().get(name)).complexity(quality, SIZE)
    assert found is not None
    return found


def conv(inputs: int, outputs: int, kernel: int, stride: int) -> float:
    """Return kMAC per pixel of the image for a layer that works at 1/stride of its size."""
    return inputs * outputs * kernel**2 / stride**2 / 1e3


def test_mbt2018_mean_costs_what_was_published() -> None:
    # Y. Yang, S. Mandt, "Computationally-efficient neural image compression with shallow decoders",
    # ICCV 2023, table 1: the mean-scale hyperprior takes 108.97 kMAC per pixel to decode, 93.79 of
    # them in the synthesis.
    found = cost("mbt2018-mean", 8)
    assert found.decode_kmac == pytest.approx(108.97, rel=0.005)
    assert found.synthesis_kmac == pytest.approx(93.79, rel=0.002)
    # As many as CompressAI's class of these widths has, whose state dictionary is ours.
    assert found.parameters == 17_561_699


def test_the_hyperprior_costs_what_its_layers_do() -> None:
    n, m = 128, 192
    # Ballé 2018, figure 4: four 5×5 layers, GDN after three of them; h_a is 3×3, 5×5, 5×5.
    layers = conv(3, n, 5, 2) + conv(n, n, 5, 4) + conv(n, n, 5, 8) + conv(n, m, 5, 16)
    transform = layers + conv(n, n, 1, 2) + conv(n, n, 1, 4) + conv(n, n, 1, 8)
    hyper = conv(m, n, 3, 16) + conv(n, n, 5, 32) + conv(n, n, 5, 64)
    found = cost("bmshj2018-hyperprior", 1)
    assert found.analysis_kmac == pytest.approx(transform)
    assert found.synthesis_kmac == pytest.approx(transform)
    # The decoder of z is the mirror image of its encoder, which the encoder runs as well.
    assert found.entropy_decode_kmac == pytest.approx(hyper)
    assert found.entropy_encode_kmac == pytest.approx(2 * hyper)


def test_an_encoder_that_searches_pays_for_it_and_its_decoder_does_not() -> None:
    plain, searching = cost("hybrid-s", 45), cost("hybrid-s-refined", 45)
    assert searching.analysis_kmac == plain.analysis_kmac
    assert searching.synthesis_kmac == plain.synthesis_kmac
    assert searching.decode_kmac == plain.decode_kmac
    # Three passes: each a synthesis and its gradient, as many products again, and a context model.
    assert searching.encode_kmac - plain.encode_kmac > 3 * 2 * plain.synthesis_kmac


def test_cheng2020_costs_what_its_layers_do() -> None:
    n = 128
    # Cheng 2020, figure 4: residual blocks with stride (3×3, 3×3, GDN, 1×1 beside) and without.
    analysis = sum(
        conv(inputs, n, 3, stride) + conv(n, n, 3, stride) + conv(n, n, 1, stride)
        + conv(inputs, n, 1, stride) + 2 * conv(n, n, 3, stride)
        for inputs, stride in ((3, 2), (n, 4), (n, 8))
    ) + conv(n, n, 3, 16)  # fmt: skip
    found = cost("cheng2020-anchor", 1)
    assert found.analysis_kmac == pytest.approx(analysis)
    assert found.synthesis_kmac == pytest.approx(251.904)
    # Of the 5×5 mask's 25 taps 12 are seen; three 1×1 layers follow.
    context = 12 * conv(n, 2 * n, 1, 16) + sum(
        conv(a, b, 1, 16) for a, b in ((4 * n, 426), (426, 341), (341, 2 * n))
    )
    hyper = found.entropy_decode_kmac - context
    h_s = conv(n, n, 3, 64) + conv(n, 4 * n, 3, 64) + conv(n, 192, 3, 32)
    h_s += conv(192, 4 * 192, 3, 32) + conv(192, 2 * n, 3, 16)
    assert hyper == pytest.approx(h_s, rel=0.01)


@pytest.fixture
def card(tmp_path: Path, kodak: Path) -> Path:
    save(small_model("mbt2018-mean", crop_tensor(kodak / "kodim05.png", 128, 192), 16, 24),
         tmp_path / "a.safetensors")  # fmt: skip
    path = tmp_path / "tiny.yaml"
    path.write_text("""\
name: tiny
adapter: bench.adapters.neural:NeuralCodec
options:
  architecture: mbt2018-mean
  checkpoints: {1: {file: a.safetensors}, 2: {file: a.safetensors}}
quality: {ladder: [1, 2]}
""")
    return path


def test_a_run_records_what_its_networks_cost_and_remembers_it(
    card: Path, kodak: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    pixels = np.asarray(PIL.Image.open(kodak / "kodim05.png"))[:64, :64]
    PIL.Image.fromarray(pixels).save(tmp_path / "images" / "a.png")
    request = {"dataset": tmp_path / "images", "metrics": "psnr", "jobs": 0}
    run = bench.run([card, "jpeg"], quality={"jpeg": [50]}, **request, out=tmp_path / "run")

    info = json.loads((tmp_path / "run" / "run.json").read_text())
    tiny, jpeg = complexity_of(info)
    assert (tiny.codec, tiny.qualities) == ("tiny", (1, 2))
    assert tiny.complexity is not None
    assert tiny.complexity.size == "768x512"
    assert tiny.complexity.decode_memory is not None
    # The widest layer's output at half size, in and out of the last convolution: 16 channels.
    assert tiny.complexity.decode_memory > 16 / 4 * 4 + 3 * 4
    assert dearest(info, "tiny") == tiny.complexity
    assert len(complexity_cells(tiny.complexity)) == len(HEADINGS)
    assert (jpeg.complexity, jpeg.reason) == (None, NO_NETWORK)
    assert dearest(info, "jpeg") is None
    assert complexity_of({"codecs": {"old": {}}}) == []

    begin = time.monotonic()
    with Store(paths.cache_dir()) as store:
        told = list[str]()
        again = costs_of(registry.read_file(card)[0], (1, 2), store, announce=told.append)
    assert time.monotonic() - begin < 1
    assert told == []
    assert again == [tiny]
    assert run.failed == 0


def test_a_network_that_can_t_be_measured_has_its_reason_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.py").write_text("""\
import bench

@bench.declare_codec("own", ladder=[1])
class Own(bench.Codec):
    def encode(self, image, quality): ...
    def decode(self, bitstream): ...
    def complexity(self, quality, size=(1, 1), device="cpu"):
        raise ZeroDivisionError("nothing\\nto divide")
""")
    (own,) = registry.read_file(tmp_path / "own.py")
    with Store(tmp_path / "cache") as store:
        told = list[str]()
        (found,) = costs_of(own, (1,), store, announce=told.append)
    assert told == ["own"]
    assert found.complexity is None
    assert found.reason == "ZeroDivisionError: nothing to divide"


def test_the_command_prints_what_a_ladder_costs(
    card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", f"{card},jpeg", "--size", "96x64"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split()[:3] == ["codec", "setting", "parameters"]
    assert "tiny   1 … 2" in out
    assert err == f"jpeg: n/a: {NO_NETWORK}\n"

    assert main(["profile", str(card), "--size", "96x64", "--quality", "2", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["codec"], told["qualities"], told["size"]) == ("tiny", [2], "96x64")
    assert main(["profile", "jpeg"]) == 2


@pytest.mark.parametrize("size", ["768", "0x512", "axb", "768x"])
def test_a_wrong_size_is_told(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "jpeg", "--size", size]) == UsageError.exit_code
    assert "768x512 were expected" in capsys.readouterr().err


def test_the_command_prints_the_classic_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "backbones", "mobilenet-v2"]) == 0
    assert "3,504,872" in capsys.readouterr().out
    assert main(["profile", "backbones", "--size", "64x64"]) == 2

"""Learned codecs through the registry's own door: real checkpoints, real bytes."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
import time
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from zlib import crc32

import numpy as np
import pytest
import torch
import yaml
from learned import crop_tensor, small_model

from bench import registry
from bench.adapters.make import codec_id, make_codec, missing
from bench.adapters.neural import NeuralCodec
from bench.adapters.shelf import SHELF
from bench.cards import CodecCard, read_card
from bench.errors import BitstreamError, CardError, CodecError, DownloadError, UnavailableError
from bench.image import Image, read_image
from bench.models.checkpoint import save
from bench.models.zoo import ARCHITECTURES

FAST = ["bmshj2018-factorized", "mbt2018-mean", "mbt2018"]


@pytest.fixture(scope="session")
def cards(tmp_path_factory: pytest.TempPathFactory, kodak: Path) -> dict[str, Path]:
    """A card and a checkpoint for every architecture, narrow and with lively random weights."""
    folder = tmp_path_factory.mktemp("learned")
    x = crop_tensor(kodak / "kodim05.png", 128, 192)
    return {name: write_card(folder, name, x) for name in ARCHITECTURES}


def write_card(folder: Path, name: str, x: torch.Tensor) -> Path:
    save(small_model(name, x, 16, 24), folder / f"{name}.safetensors")
    card = {
        "name": name,
        "adapter": "bench.adapters.neural:NeuralCodec",
        "options": {
            "architecture": name,
            "checkpoints": {1: {"file": f"{name}.safetensors"}},
        },
        "quality": {"ladder": [1]},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def opened(card: Path, threads: int = 1) -> NeuralCodec:
    codec = make_codec(read_card(CodecCard, card))
    assert isinstance(codec, NeuralCodec)
    codec.open(threads=threads)
    return codec


def picture(kodak: Path, height: int, width: int) -> Image:
    return Image(read_image(kodak / "kodim05.png").pixels[:height, :width].copy())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_decoder_reconstructs_what_the_encoder_saw(
    name: str, cards: dict[str, Path], kodak: Path
) -> None:
    image = picture(kodak, 100, 150)
    codec = opened(cards[name])
    expected, _ = codec.reconstruct(image, 1)
    decoder = opened(cards[name])
    assert np.array_equal(decoder.decode(codec.encode(image, 1)).pixels, expected.pixels)


SIZES = [(1, 1), (1, 70), (65, 1), (64, 64), (63, 129)]


@pytest.mark.parametrize("name", FAST)
def test_images_of_any_size_come_back_in_it(name: str, cards: dict[str, Path], kodak: Path) -> None:
    codec = opened(cards[name])
    for height, width in SIZES:
        image = picture(kodak, height, width)
        expected, _ = codec.reconstruct(image, 1)
        decoded = codec.decode(codec.encode(image, 1))
        assert decoded.pixels.shape == (height, width, 3)
        assert np.array_equal(decoded.pixels, expected.pixels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_two_hundred_images_of_odd_sizes_come_back(name: str, cards: dict[str, Path]) -> None:
    rng = np.random.default_rng(1)
    sides = np.exp(rng.uniform(0, np.log(1025), (200, 2))).astype(int)
    sides[:2] = (1, 1), (769, 1025)
    codec = opened(cards[name])
    for height, width in sides:
        base = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3), np.uint8)
        pixels = base.repeat(16, 0).repeat(16, 1)[:height, :width]
        image = Image(np.ascontiguousarray(pixels))
        expected, _ = codec.reconstruct(image, 1)
        assert np.array_equal(codec.decode(codec.encode(image, 1)).pixels, expected.pixels)


DECODE = """
import sys
from pathlib import Path
import numpy as np
from bench.adapters.make import make_codec
from bench.cards import CodecCard, read_card
codec = make_codec(read_card(CodecCard, Path(sys.argv[1])))
codec.open(threads=int(sys.argv[2]))
for stream in sorted(Path(sys.argv[3]).glob("*.bin")):
    np.save(stream.with_suffix(".npy"), codec.decode(stream.read_bytes()).pixels)
"""


def decode_elsewhere(card: Path, threads: int, folder: Path) -> None:
    """Decode every stream in `folder` in a fresh process, beside it."""
    run_elsewhere(DECODE, card, threads, folder)


def run_elsewhere(program: str, card: Path, threads: int, folder: Path) -> str:
    """Run a program in a fresh process; return what it prints."""
    command = [sys.executable, "-c", program, str(card), str(threads), str(folder)]
    return subprocess.run(command, check=True, timeout=1800, stdout=subprocess.PIPE).stdout.decode()


@pytest.mark.parametrize("name", ["mbt2018-mean", "cheng2020-anchor"])
def test_another_process_with_other_threads_decodes_the_same(
    name: str, cards: dict[str, Path], kodak: Path, tmp_path: Path
) -> None:
    image = picture(kodak, 200, 300)
    codec = opened(cards[name])
    (tmp_path / "a.bin").write_bytes(codec.encode(image, 1))
    expected, _ = codec.reconstruct(image, 1)
    decode_elsewhere(cards[name], 4, tmp_path)
    assert np.array_equal(np.load(tmp_path / "a.npy"), expected.pixels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_kodak_at_three_settings_encoded_with_one_thread_decodes_with_four(
    name: str, kodak: Path, tmp_path: Path
) -> None:
    x = crop_tensor(kodak / "kodim05.png", 128, 192)
    widths = {1: (16, 24), 2: (16, 32), 3: (24, 40)}
    for quality, (width, latents) in widths.items():
        save(small_model(name, x, width, latents), tmp_path / f"{quality}.safetensors")
    options = {
        "architecture": name,
        "checkpoints": {quality: {"file": f"{quality}.safetensors"} for quality in widths},
    }
    card = {
        "name": "x",
        "adapter": "bench.adapters.neural:NeuralCodec",
        "options": options,
        "quality": {"ladder": list(widths)},
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(card))
    codec = opened(tmp_path / "x.yaml")
    latents, images = {}, {}
    for path in sorted(kodak.glob("*.png")):
        image = read_image(path)
        for quality in widths:
            cell = f"{path.stem}-{quality}"
            (tmp_path / f"{cell}.bin").write_bytes(codec.encode(image, quality))
            pixels, latent = codec.reconstruct(image, quality)
            latents[cell], images[cell] = latent_digest(latent), pixels.pixels
    assert len(images) == 72
    decoded = json.loads(run_elsewhere(LATENTS, tmp_path / "x.yaml", 4, tmp_path))
    assert [cell for cell, digest in latents.items() if decoded[cell] != digest] == []
    # The synthesis is ordinary float32, whose sums depend on how threads share the work: a grey
    # level, and more in single samples where random weights amplify (cheng2020-attn's to 1e14).
    far = [
        np.abs(np.load(tmp_path / f"{cell}.npy").astype(int) - pixels) > 1
        for cell, pixels in images.items()
    ]
    assert sum(map(np.sum, far)) < 1e-5 * sum(map(np.size, far))
    decode_elsewhere(tmp_path / "x.yaml", 1, tmp_path)
    wrong = [
        cell for cell, pixels in images.items()
        if not np.array_equal(np.load(tmp_path / f"{cell}.npy"), pixels)
    ]  # fmt: skip
    assert wrong == []


LATENTS = """
import json, sys
from hashlib import sha256
from pathlib import Path
import numpy as np
import torch
from bench.adapters.make import make_codec
from bench.adapters.tensors import padded
from bench.cards import CodecCard, read_card
from bench.entropy.container import unpack
codec = make_codec(read_card(CodecCard, Path(sys.argv[1])))
codec.open(threads=int(sys.argv[2]))
assert torch.get_num_threads() == int(sys.argv[2])
found = {}
for path in sorted(Path(sys.argv[3]).glob("*.bin")):
    bitstream = path.read_bytes()
    np.save(path.with_suffix(".npy"), codec.decode(bitstream).pixels)
    stream = unpack(bitstream)
    model = codec.model(codec.key_of(stream.model))
    size = [padded(side, model.stride) // 16 for side in (stream.height, stream.width)]
    with torch.inference_mode():
        latent = model.coder.decode(stream.payload, tuple(size))
    found[path.stem] = sha256(latent.contiguous().numpy().tobytes()).hexdigest()
print(json.dumps(found))
"""


def latent_digest(latent: torch.Tensor) -> str:
    return sha256(latent.contiguous().numpy().tobytes()).hexdigest()


def mutate(rng: np.random.Generator, stream: bytes, repair: bool) -> bytes:
    """Change, cut, insert or repeat some bytes; make the checksum fit again if `repair`."""
    data = bytearray(stream)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(data)))
        kind = rng.integers(0, 5)
        if kind <= 1:
            data[at] ^= int(rng.integers(1, 256))
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 30))]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 30)))
        else:
            data[at:at] = data[: int(rng.integers(1, 40))]
        data = data or bytearray(b"\0")
    if repair:
        end = 5
        for _ in range(2):
            while end < len(data) and data[end] & 0x80:
                end += 1
            end += 1
        if len(data) >= end + 4:
            head, payload = bytes(data[:end]), bytes(data[end + 4 :])
            data[end : end + 4] = struct.pack("<I", crc32(payload, crc32(head)))
    return bytes(data)


def attack(codec: NeuralCodec, stream: bytes, count: int, seed: int) -> tuple[int, float]:
    """Decode mutations; return how many gave an image, and the longest time in seconds."""
    rng = np.random.default_rng(seed)
    images, longest = 0, 0.0
    for i in range(count):
        mutated = mutate(rng, stream, repair=bool(i % 2))
        start = time.perf_counter()
        try:
            image = codec.decode(mutated)
        except BitstreamError:
            pass
        else:
            images += 1
            # Memory is bounded by what the stream's length justifies.
            assert image.height * image.width <= 4096 * len(mutated)
        longest = max(longest, time.perf_counter() - start)
    return images, longest


@pytest.mark.parametrize("name", FAST)
def test_mutated_streams_give_bitstream_errors_or_images(
    name: str, cards: dict[str, Path], kodak: Path
) -> None:
    codec = opened(cards[name])
    attack(codec, codec.encode(picture(kodak, 40, 50), 1), 100, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"]
)
def test_ten_thousand_mutated_streams_neither_crash_nor_hang(
    name: str, cards: dict[str, Path], kodak: Path
) -> None:
    bombard(opened(cards[name]), picture(kodak, 40, 50), 1)


@pytest.mark.slow
# The entropy paths of the networks that ship: context model, autoencoder, vector quantiser.
@pytest.mark.parametrize("name", ["hybrid", "hybrid-s", "hybrid-s-ae", "hybrid-s-vq"])
def test_ten_thousand_mutated_streams_of_what_ships_neither_crash_nor_hang(
    name: str, kodak: Path
) -> None:
    codec = make_codec(registry.codecs().get(name))
    assert isinstance(codec, NeuralCodec)
    codec.open()
    bombard(codec, picture(kodak, 40, 50), 50)


def bombard(codec: NeuralCodec, image: Image, quality: int) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    images, longest = attack(codec, codec.encode(image, quality), 10_000, seed=2)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{images} images, longest {longest:.2f} s, {grown / 1024:.0f} MiB more")
    assert images > 0, "some mutations are as good as a stream"
    assert longest < 20
    assert grown < 2_000_000, "kilobytes"


def test_the_stream_of_another_model_is_foreign(cards: dict[str, Path], kodak: Path) -> None:
    stream = opened(cards["bmshj2018-factorized"]).encode(picture(kodak, 40, 50), 1)
    with pytest.raises(BitstreamError, match="which this codec is not"):
        opened(cards["bmshj2018-hyperprior"]).decode(stream)
    with pytest.raises(BitstreamError, match="no bitstream of a learned codec"):
        opened(cards["bmshj2018-hyperprior"]).decode(b"\xff\xd8\xff\xe0 a JPEG file")


def test_a_quality_without_checkpoint_is_a_codec_error(cards: dict[str, Path], kodak: Path) -> None:
    with pytest.raises(CodecError, match="no checkpoint for quality 7, only for 1"):
        opened(cards["mbt2018-mean"]).encode(picture(kodak, 8, 8), 7)


def card_of(options: dict, source: Path) -> CodecCard:
    return CodecCard(
        name="x",
        adapter="bench.adapters.neural:NeuralCodec",
        options=options,
        quality={"ladder": [1]},
        source=str(source),
    )


def test_two_checkpoints_never_share_an_identity(cards: dict[str, Path], tmp_path: Path) -> None:
    options = {"architecture": "mbt2018-mean", "checkpoint": {"file": "w.safetensors"}}
    ids = set()
    for name in ("mbt2018-mean", "bmshj2018-hyperprior"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(cards[name].with_suffix(".safetensors"), folder / "w.safetensors")
        ids.add(codec_id(card_of(options, folder / "x.yaml")))
    assert len(ids) == 2


def test_a_checkpoint_of_another_architecture_is_named(cards: dict[str, Path]) -> None:
    card = card_of(
        {"architecture": "mbt2018", "checkpoint": {"file": "mbt2018-mean.safetensors"}},
        cards["mbt2018-mean"],
    )
    with pytest.raises(CodecError, match=r"mbt2018-mean.safetensors does not fit JointPrior"):
        make_codec(card).open()


def test_a_checkpoint_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    card = card_of(
        {"architecture": "mbt2018", "checkpoint": {"file": "bomb.pth"}}, tmp_path / "x.yaml"
    )
    with pytest.raises(CodecError, match="no checkpoint that can be read safely"):
        make_codec(card).open()
    assert not (tmp_path / "ran").exists()


def test_a_missing_or_damaged_file_is_named(cards: dict[str, Path], tmp_path: Path) -> None:
    options = {"architecture": "mbt2018", "checkpoint": {"file": "lost.pth"}}
    lack = missing(card_of(options, tmp_path / "x.yaml"))
    assert lack is not None
    assert str(tmp_path / "lost.pth") in lack.what
    (tmp_path / "lost.pth").write_bytes(b"rubbish")
    with pytest.raises(CodecError, match="no checkpoint that can be read safely"):
        make_codec(card_of(options, tmp_path / "x.yaml")).open()
    options["checkpoint"]["sha256"] = "0123456789"
    with pytest.raises(CodecError, match="not the checkpoint of the card"):
        make_codec(card_of(options, tmp_path / "x.yaml")).open()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"architecture": "mbt2018"}, "either checkpoint or checkpoints was expected"),
        ({"architecture": "mbt2018", "checkpoint": {}}, "either a file or a url was expected"),
        (
            {"architecture": "mbt2018", "checkpoint": {"url": "http://x/y"}},
            "a url needs the sha256",
        ),
        ({"architecture": "mbt2018", "checkpoint": {"file": "x"}, "padding": "wrap"}, "replicate"),
    ],
)
def test_a_card_that_is_wrong_says_so(options: dict, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=problem):
        make_codec(card_of(options, tmp_path / "x.yaml"))


@pytest.fixture
def server(tmp_path: Path):
    """A web server over the folder `served`."""
    (tmp_path / "served").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", tmp_path / "served"
        httpd.shutdown()


def test_checkpoints_are_fetched_verified_and_used(
    server: tuple[str, Path], cards: dict[str, Path], kodak: Path, tmp_path: Path
) -> None:
    url, folder = server
    weights = cards["bmshj2018-factorized"].with_suffix(".safetensors").read_bytes()
    (folder / "w.safetensors").write_bytes(weights)
    prefix = sha256(weights).hexdigest()[:8]
    options = {
        "architecture": "bmshj2018-factorized",
        "checkpoints": {1: {"url": f"{url}/w.safetensors", "sha256": prefix}},
    }
    card = card_of(options, tmp_path / "x.yaml")
    lack = missing(card)
    assert lack is not None
    assert "w.safetensors" in lack.what
    codec = make_codec(card)
    with pytest.raises(UnavailableError, match="can't be read"):
        codec.open()
    codec.fetch()
    assert missing(card) is None
    codec.open()
    image = picture(kodak, 30, 30)
    assert codec.decode(codec.encode(image, 1)).pixels.shape == (30, 30, 3)


def test_a_download_with_other_bytes_is_deleted_and_the_rest_not_tried(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = server
    (folder / "a.pth").write_bytes(b"other bytes")
    options = {
        "architecture": "mbt2018",
        "checkpoints": {
            1: {"url": f"{url}/a.pth", "sha256": "01234567"},
            2: {"url": f"{url}/b.pth", "sha256": "89abcdef"},
        },
    }
    card = card_of(options, tmp_path / "x.yaml")
    with pytest.raises(DownloadError) as caught:
        make_codec(card).fetch()
    headline, first, second = str(caught.value).splitlines()
    assert headline == "2 of 2 checkpoints are not to be had"
    assert re.match(r" +a\.pth: .*expected was 01234567…", first)
    assert second.strip() == "b.pth: not tried after this"
    lack = missing(card)
    assert lack is not None
    assert lack.what.splitlines()[1].strip() == "a.pth: not fetched yet"


def test_a_ladder_s_networks_are_loaded_when_used_and_make_room_for_others(
    kodak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        x = crop_tensor(kodak / f"kodim0{number}.png", 128, 192)
        save(small_model("bmshj2018-factorized", x, 16, 24), tmp_path / f"{number}.safetensors")
    options = {
        "architecture": "bmshj2018-factorized",
        "checkpoints": {n: {"file": f"{n}.safetensors"} for n in (1, 2, 3)},
    }
    codec = make_codec(card_of(options, tmp_path / "x.yaml"))
    assert isinstance(codec, NeuralCodec)
    codec.open()
    assert SHELF.keys(codec) == []
    image = picture(kodak, 40, 50)
    streams = {quality: codec.encode(image, quality) for quality in (1, 2, 3)}
    assert SHELF.keys(codec) == [1, 2, 3]
    pictures = {quality: codec.decode(stream) for quality, stream in streams.items()}

    # Room for less than two: the one in use stays. The bitstream says which one is needed.
    monkeypatch.setattr(SHELF, "limit", 1)
    SHELF.drop(codec)
    for quality, stream in streams.items():
        assert np.array_equal(codec.decode(stream).pixels, pictures[quality].pixels)
        assert SHELF.keys(codec) == [quality]
    codec.prepare(2)
    assert SHELF.keys(codec) == [2]
    codec.close()
    assert SHELF.keys(codec) == []
    with pytest.raises(CodecError, match="not open"):
        codec.encode(image, 1)


OWN_CARD = """\
name: blocks
adapter: bench.adapters.neural:NeuralCodec
options:
  architecture: own_network.py:Blocks
  checkpoint: {file: blocks.safetensors}
quality: {ladder: [1]}
"""


def test_a_network_of_one_s_own_becomes_a_codec_with_a_card(tmp_path: Path, kodak: Path) -> None:
    shutil.copy(Path(__file__).with_name("own_network.py"), tmp_path)
    (tmp_path / "blocks.yaml").write_text(OWN_CARD)
    train(tmp_path / "own_network.py", tmp_path / "blocks.safetensors", kodak)

    codec = opened(tmp_path / "blocks.yaml")
    image = picture(kodak, 250, 333)
    stream = codec.encode(image, 1)
    decoded = codec.decode(stream)
    error = np.square(decoded.pixels.astype(float) - image.pixels).mean()
    assert 10 * np.log10(255**2 / error) > 20
    # The bytes are what the model's own likelihoods promise, and the header.
    model = codec.model(None)
    padded = np.pad(image.pixels, ((0, 6), (0, 3), (0, 0)), mode="edge")
    x = torch.from_numpy(padded).permute(2, 0, 1).unsqueeze(0).float() / 255
    with torch.inference_mode():
        promised = -model(x).likelihoods["y"].log2().sum().item() / 8
    assert len(stream) == pytest.approx(promised + 13, rel=0.02)


def train(source: Path, target: Path, kodak: Path) -> None:
    """Train the network for some seconds on a Kodak image: a test's, not a benchmark's."""
    from bench.registry import load_module

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = load_module(source).Blocks()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    x = crop_tensor(kodak / "kodim05.png", 256, 384)
    for _ in range(250):
        optimiser.zero_grad()
        out = model(x)
        bits = -out.likelihoods["y"].log2().sum() / x[0, 0].numel()
        loss = bits + 3000 * (out.x_hat - x).square().mean() + model.auxiliary_loss() / 100
        loss.backward()
        optimiser.step()
    for _ in range(300):
        optimiser.zero_grad()
        (100 * model.auxiliary_loss()).backward()
        optimiser.step()
    save(model.ready(), target)

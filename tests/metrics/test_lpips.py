"""LPIPS, against the authors' published pair and their own package."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from bench.errors import DownloadError, NotApplicableError, UnavailableError
from bench.image import Image, read_image
from bench.metrics import lpips as lpips_module
from bench.metrics.lpips import Lpips, LpipsSqueeze, LpipsVgg
from bench.metrics.trunks import SQUEEZENET, Trunk, weights_dir

ALL = (Lpips, LpipsVgg, LpipsSqueeze)


@pytest.fixture
def features(shared: Path) -> Path:
    """The folder of torchvision's weights, features only."""
    return shared / "lpips"


@pytest.fixture
def opened(features: Path):
    """`opened(LpipsVgg)`: the metric with its weights in the user's folder."""

    def make(cls: type[Lpips]) -> Lpips:
        if cls.trunk.find() is None:
            cls.trunk.install(features / f"{cls.trunk.name}_features.pth")
        metric = cls()
        metric.open()
        return metric

    return make


def distance(metric: Lpips, original: Image, decoded: Image) -> float:
    return metric.measure(original, decoded, metric.prepare(original))


@pytest.mark.parametrize(
    ("cls", "far", "near"),
    [
        # ex_ref against ex_p0 and ex_p1 of the authors' repository; three digits are in its README.
        (Lpips, 0.721881, 0.137566),
        (LpipsVgg, 0.568613, 0.421664),
        (LpipsSqueeze, 0.711048, 0.147902),
    ],
)
def test_the_authors_example_has_its_published_distances(shared, opened, cls, far, near):
    folder = shared / "samples" / "lpips_pairs"
    original, first, second = (
        read_image(folder / f"{name}.png") for name in ("ex_ref", "ex_p0", "ex_p1")
    )
    metric = opened(cls)
    assert distance(metric, original, first) == pytest.approx(far, abs=1e-6)
    assert distance(metric, original, second) == pytest.approx(near, abs=1e-6)


@pytest.mark.parametrize(
    ("cls", "size"),
    [
        (Lpips, (128, 192)),
        (Lpips, (127, 65)),
        (LpipsSqueeze, (127, 65)),
    ],
)
def test_lpips_is_that_of_the_authors_package(photo, jpeg, features, opened, cls, size):
    metric, theirs = opened(cls), authors_lpips(cls, features)
    original = photo(13, *size)
    for quality in (5, 60):
        decoded = jpeg(original, quality)
        expected = theirs(original, decoded)
        assert distance(metric, original, decoded) == pytest.approx(expected, abs=2e-6)


def test_identical_images_have_no_distance(photo, opened):
    image = photo(13, 64, 80)
    assert distance(opened(Lpips), image, Image(image.pixels.copy())) == 0


@pytest.mark.parametrize("cls", ALL)
def test_the_shortest_side_is_the_shortest_that_every_layer_takes(flat, opened, cls):
    metric = opened(cls)
    assert distance(metric, flat(9, cls.shortest, 50), flat(9, cls.shortest, 50)) == 0
    with pytest.raises(NotApplicableError, match=f"has {cls.shortest - 1}$"):
        metric.prepare(flat(9, 50, cls.shortest - 1))
    assert f"of {cls.shortest} pixels" in cls.needs


def test_features_too_many_to_keep_are_computed_anew(photo, jpeg, opened, monkeypatch):
    metric = opened(Lpips)
    original = photo(13, 64, 80)
    decoded = jpeg(original, 20)
    kept = distance(metric, original, decoded)
    monkeypatch.setattr(lpips_module, "_KEPT", 1000)
    assert metric.prepare(original) is None
    assert distance(metric, original, decoded) == kept


def test_alexnet_ships_and_the_others_say_how_to_get_them():
    Lpips().check_available()
    for name, cls in {"lpips-vgg": LpipsVgg, "lpips-squeeze": LpipsSqueeze}.items():
        with pytest.raises(UnavailableError, match=f"get it with: bench metrics get {name}$"):
            cls().check_available()


def test_a_whole_checkpoint_of_torchvision_is_taken_too(features, tmp_path):
    state = torch.load(features / "squeezenet1_1_features.pth", weights_only=True)
    whole = {**state, "classifier.1.weight": torch.zeros(1000, 512, 1, 1)}
    weights_dir().mkdir(parents=True)
    torch.save(whole, weights_dir() / SQUEEZENET.checkpoint)
    assert SQUEEZENET.find() == weights_dir() / "squeezenet1_1-b8a52dc0.pth"
    LpipsSqueeze().open()


def test_other_weights_under_the_right_name_are_refused(features):
    state = torch.load(features / "squeezenet1_1_features.pth", weights_only=True)
    state["features.0.bias"][3] += 1e-6
    weights_dir().mkdir(parents=True)
    torch.save(state, weights_dir() / "squeezenet1_1_features.pth")
    with pytest.raises(
        UnavailableError, match="does not hold the weights that LPIPS was made with"
    ):
        LpipsSqueeze().open()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04 no archive"])
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UnavailableError, match="can't be read as network weights"):
        SQUEEZENET.fetch(file)


def test_a_pickle_that_runs_code_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"features.0.weight": Harm()}, tmp_path / "a.pth")
    with pytest.raises(UnavailableError, match="can't be read as network weights"):
        SQUEEZENET.fetch(tmp_path / "a.pth")
    assert not (tmp_path / "harm").exists()


def test_a_checkpoint_is_downloaded_verified_and_reduced_to_its_features(features, served):
    trunk = served((features / "squeezenet1_1_features.pth").read_bytes())
    installed = trunk.fetch()
    assert installed == weights_dir() / "lpips_squeezenet1_1_features.safetensors"
    assert [path.name for path in weights_dir().glob("*.pth")] == []
    assert trunk.fetch() == installed
    LpipsSqueeze().open()


def test_a_download_with_another_digest_is_deleted(features, served):
    trunk = served((features / "squeezenet1_1_features.pth").read_bytes(), digits="00000000")
    with pytest.raises(DownloadError, match="should begin with 00000000"):
        trunk.fetch()
    assert trunk.find() is None


@pytest.fixture
def served(tmp_path: Path) -> Iterator:
    """`served(content)`: SqueezeNet at a web server of our own that has `content`."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=tmp_path, **kwargs)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def serve(content: bytes, digits: str = "") -> Trunk:
        name = f"squeezenet1_1-{digits or hashlib.sha256(content).hexdigest()[:8]}.pth"
        (tmp_path / name).write_bytes(content)
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        return dataclasses.replace(SQUEEZENET, url=url)

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def authors_lpips(cls: type[Lpips], features: Path) -> Callable[[Image, Image], float]:
    """Return the package `lpips`, built and fed as its README says, as a function of two images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips

        model = lpips.LPIPS(net=cls.net, pnet_rand=True, verbose=False)
    state = torch.load(features / f"{cls.trunk.name}_features.pth", weights_only=True)
    with torch.no_grad():
        for key, tensor in model.net.state_dict().items():
            tensor.copy_(state["features." + key.split(".", 1)[1]])

    def measure(original: Image, decoded: Image) -> float:
        with torch.no_grad():
            return float(model(lpips.im2tensor(original.pixels), lpips.im2tensor(decoded.pixels)))

    return measure

"""A real run over crops of Kodak images, one of them under a hostile name, and its reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from report.reading import HOSTILE, ROOT, home_at

import bench
from bench.report.build import write_report


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cache of the run is, bitstreams included."""
    return tmp_path_factory.mktemp("report-home")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three crops of 256×192 pixels."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    for name, kodim in ((HOSTILE, "kodim05"), ("b.png", "kodim13"), ("c.png", "kodim23")):
        with Image.open(ROOT / "datasets" / "kodak" / f"{kodim}.png") as image:
            image.crop((200, 120, 456, 312)).save(folder / name)
    return folder


Runner = Callable[..., Path]


@pytest.fixture(scope="session")
def measure(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run codecs over a folder of images, in this process; return the run's folder."""

    def run(codecs: str, dataset: Path | str, name: str = "run", **options: object) -> Path:
        out = tmp_path_factory.mktemp("runs") / name
        with home_at(home):
            options = {"metrics": "psnr,ms-ssim", "jobs": 0, **options}
            bench.run(codecs, dataset, out=out, **options)  # type: ignore[arg-type]
        return out

    return run


@pytest.fixture(scope="session")
def measured(measure: Runner, photos: Path) -> Path:
    """The folder of the run."""
    return measure("jpeg,jpeg-444,webp", photos)


@pytest.fixture(scope="session")
def reports(measured: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with report.html and report.pdf of the run."""
    out = tmp_path_factory.mktemp("reports")
    with home_at(home):
        write_report([measured], ("html", "pdf"), out=out)
    return out


@pytest.fixture
def copied(measured: Path, tmp_path: Path) -> Path:
    """A copy of the run's folder that a test may damage."""
    return Path(shutil.copytree(measured, tmp_path / "copy"))


@pytest.fixture(scope="session")
def kodak_run(measure: Runner) -> Path:
    """A run over all of Kodak; PSNR-Y is a metric that nobody published."""
    settings = [10, 30, 50, 80]
    return measure("jpeg,jpeg-444", "kodak", metrics="psnr,psnr-y", quality=settings)


@pytest.fixture(scope="session")
def kodak_reports(kodak_run: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kodak-reports")
    with home_at(home):
        write_report([kodak_run], out=out)
    return out

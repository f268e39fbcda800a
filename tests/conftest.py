"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache, the data folder and the user's cards of a test out of the user's own."""
    monkeypatch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def kodak() -> Path:
    """The folder of the 24 Kodak images."""
    return ROOT / "datasets" / "kodak"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data that lies beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, which is not beside this checkout")
    return folder

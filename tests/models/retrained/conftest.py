"""Photos, and networks that code them."""

from __future__ import annotations

import pytest
from learned import textured
from small_baselines import KINDS, SIDE, started

from bench.training.export import released


@pytest.fixture(scope="session")
def photos(shared):
    """Two crops of real photos that have texture, (2, 3, SIDE, SIDE)."""
    return textured(shared, SIDE, SIDE)


@pytest.fixture(scope="session")
def networks(photos):
    """Both networks as they start, ready to code."""
    return {kind: released(started(kind, photos)) for kind in KINDS}

"""Photos, and networks that code them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_baselines import KINDS, SIDE, started

from bench.image import read_image
from bench.training.export import released


@pytest.fixture(scope="session")
def photos(shared):
    """Two crops of real photos that have texture, (2, 3, SIDE, SIDE)."""
    files = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[42:73:30]
    crops = [read_image(file).pixels[100 : 100 + SIDE, 100 : 100 + SIDE] for file in files]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="session")
def networks(photos):
    """Both networks as they start, ready to code."""
    return {kind: released(started(kind, photos)) for kind in KINDS}

"""Every variant that ships can be measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from bench import paths
from bench.cards import CodecCard, read_card
from bench.cli import main
from bench.image import read_image


@pytest.mark.slow  # each network's costs are measured, too
def test_every_card_of_the_ablation_set_is_run_by_bench_run(kodak, tmp_path):
    names = sorted(
        card.name
        for path in paths.catalogue("codecs").rglob("*.yaml")
        if (card := read_card(CodecCard, path)).name.startswith("hybrid-s")
    )
    assert len(names) >= 33
    photo = np.ascontiguousarray(read_image(kodak / "kodim23.png").pixels[200:264, 300:364])
    images, out = tmp_path / "images", tmp_path / "run"
    images.mkdir()
    PIL.Image.fromarray(photo).save(images / "crop.png")
    given = ["--codecs", ",".join(names), "--dataset", str(images), "--metrics", "psnr"]
    ends = ["--quality", "5,85", "--quality", "hybrid-s-recurrent=1,7"]
    how = [*ends, "--jobs", "0", "--out", str(out), "--quiet"]
    assert main(["run", *given, *how]) == 0
    rows = pd.read_csv(out / "results.csv")
    assert sorted(rows["codec"].unique()) == names
    assert set(rows["status"]) == {"ok"}
    both = rows.sort_values("quality").groupby("codec")[["bpp", "psnr"]]
    assert (both.last() > both.first()).all(axis=None)

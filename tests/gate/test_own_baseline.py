"""The project's own gate: classical codecs on two Kodak images against a committed baseline.

Where this fails after a library was upgraded, the message names the library and both versions, and
what moved. If the change is the library's and is accepted, `UPDATE` writes the new baseline, which
is committed with the change that brought it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.gate.check import check
from bench.gate.rules import parse_options
from bench.gate.show import terminal

BASELINE = Path(__file__).with_name("baseline-kodak.json")
QUALITY = {"jpeg": [10, 30, 60, 90], "webp": [5, 30, 75, 90], "jpeg2000": [120, 48, 20, 12]}
IMAGES = "kodim0[15].png"
#: jpeg and webp give the same bytes on every processor; OpenJPEG's 9/7 wavelet is floating point.
RULES = ("jpeg:exact=true", "webp:exact=true", "bytes=0.5")

_SETTINGS = [f"--quality {name}={','.join(map(str, q))}" for name, q in QUALITY.items()]
UPDATE = f"""\
bench run --codecs {",".join(QUALITY)} --images '{IMAGES}' --metrics psnr --out runs/own \\
  {" ".join(_SETTINGS)}
bench baseline update runs/own tests/gate/{BASELINE.name}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kodak: Path) -> Path:
    out = tmp_path_factory.mktemp("own") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(out.parent / "home"))
        bench.run(
            list(QUALITY), kodak, quality=QUALITY, images=IMAGES, metrics="psnr", jobs=0, out=out
        )
    return out


def test_the_classical_codecs_do_what_they_did(folder):
    verdict = check(folder, BASELINE, [parse_options(RULES)])
    assert verdict.exit_code == 0, f"\n{terminal(verdict)}\n\nif that is accepted:\n{UPDATE}"
    assert {f.codec for f in verdict.findings if f.rule == "exact"} == {"jpeg", "webp"}


def test_a_codec_that_alters_a_byte_is_seen(folder):
    changed = folder.with_name("changed")
    shutil.copytree(folder, changed)
    (changed / "run.json").write_text(
        (folder / "run.json").read_text().replace('"results_sha256"', '"was_sha256"')
    )
    frame = pd.read_csv(changed / "results.csv")
    frame.loc[frame["codec"] == "webp", "bitstream_sha256"] = "0" * 64
    frame.to_csv(changed / "results.csv", index=False)
    verdict = check(changed, BASELINE, [parse_options(RULES)])
    assert verdict.exit_code == 1
    assert {(f.codec, f.rule) for f in verdict.offending} == {("webp", "exact")}

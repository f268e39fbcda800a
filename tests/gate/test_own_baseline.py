"""The project's own gate: codecs that ship, on two Kodak images against committed baselines.

Where this fails after a library was upgraded or a network trained again, the message says what
moved. If that is accepted, ``python tests/own_gates.py`` writes the new baselines, which are
committed with the change that brought them.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
import yaml
from own_gates import GATES
from safetensors import safe_open
from safetensors.torch import save_file

from bench.gate.show import terminal

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", GATES)
def test_the_codecs_that_ship_do_what_they_did(name, tmp_path):
    verdict = GATES[name].judge(GATES[name].measure(tmp_path / "run"))
    accept = f"if that is accepted: python tests/own_gates.py {name}"
    assert verdict.exit_code == 0, f"\n{terminal(verdict)}\n\n{accept}"
    assert {f.codec for f in verdict.findings} == set(GATES[name].quality)
    exact = {f.codec for f in verdict.findings if f.rule == "exact"}
    assert exact == ({"jpeg", "webp"} if name == "classical" else set())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout, to change something in."""
    copy = tmp_path / "checkout"
    for name in ("bench", "codecs", "reports", "tests/gate"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "datasets").symlink_to(ROOT / "datasets")
    shutil.copy(ROOT / "tests" / "own_gates.py", copy / "tests")
    return copy


def check(checkout: Path, name: str, codec: str) -> str:
    """Return what the checkout's own gate says of a codec; it must be red."""
    command = [sys.executable, "tests/own_gates.py", name, "--check", "--codecs", codec]
    answer = subprocess.run(
        command, cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1, answer.stdout + answer.stderr
    return answer.stdout


def test_a_change_that_alters_one_byte_is_seen(checkout):
    """Of a bitstream whose length and whose picture stay as they are: a byte in JPEG's header that
    holds the density of pixels.
    """
    file = checkout / "bench" / "adapters" / "pillow.py"
    text = file.read_text("utf-8")
    changed = text.replace(
        "return file.getvalue()",
        "bitstream = file.getvalue()\n"
        "        return bitstream[:15] + b'\\2' + bitstream[16:] if quality == 60 else bitstream",
    )
    assert changed != text
    file.write_text(changed, "utf-8")
    said = check(checkout, "classical", "jpeg")
    assert "jpeg: 2 of 8 bitstreams changed, the first at 60 on kodim01.png" in said
    assert [line.split()[2] for line in said.splitlines() if line[:5] == "WORSE"] == ["exact"]


def larger_step(weights: dict[str, torch.Tensor]) -> None:
    """The quantiser's step one percent larger at all settings, in encoder and decoder."""
    weights["gain_in"] -= math.log(1.01)
    weights["gain_out"] += math.log(1.01)


def one_weight(weights: dict[str, torch.Tensor]) -> None:
    """The largest weight of the decoder's last layer one percent larger."""
    layer = weights["g_s.outlet.weight"].view(-1)
    layer[layer.abs().argmax()] *= 1.01


@pytest.mark.parametrize(
    ("change", "rule"), [(larger_step, "bd_rate.psnr"), (one_weight, "checkpoint")]
)
def test_a_learned_codec_whose_weights_were_touched_is_seen(
    change: Callable[[dict[str, torch.Tensor]], None], rule: str, checkout
):
    file = checkout / "codecs" / "checkpoints" / "hybrid-s.safetensors"
    with safe_open(file, "pt") as checkpoint:
        metadata = checkpoint.metadata()
        weights = {name: checkpoint.get_tensor(name) for name in checkpoint.keys()}  # noqa: SIM118
    change(weights)
    save_file(weights, file, metadata)
    card = checkout / "codecs" / "hybrid-s" / "hybrid-s.yaml"
    values = yaml.safe_load(card.read_text("utf-8"))
    values["options"]["checkpoint"]["sha256"] = sha256(file.read_bytes()).hexdigest()
    card.write_text(yaml.safe_dump(values), "utf-8")
    said = check(checkout, "learned", "hybrid-s")
    worse = [line.split()[1:3] for line in said.splitlines() if line.startswith("WORSE")]
    assert ["hybrid-s", rule] in worse, said

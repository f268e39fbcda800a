"""The gate from pytest: ``pytest --rd-baseline tests/baseline.json``."""

import bench


def test_rate_and_quality(rd_gate):
    """No worse than the baseline."""
    run = bench.run("./codec.py", "kodak", images=2, metrics="psnr,ms-ssim")
    rd_gate(run, "bytes=0.5")  # rules as for --rule, over those of bench.toml

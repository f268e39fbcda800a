"""Large blocks are kept for the next ones."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import sys
import resource
import numpy as np
from bench.adapters.heap import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(
    not (sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "mallopt")),
    reason="the C library is not glibc",
)
def test_a_block_of_a_size_that_was_freed_costs_no_page_faults() -> None:
    # 80 MB are 19,500 pages of 4 kB, or 40 large ones.
    assert faults("keep") < 10
    assert faults("return") >= 40

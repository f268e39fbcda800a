"""Memory that tensors take, by PyTorch's own account of what it allocates and frees.

Weights that are loaded before don't count, nor does what lies outside tensors: NumPy's arrays, the
library itself. On the CPU the account is that of the profiler, to the byte and the same on every
run; on a GPU it is the allocator's own high-water mark.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")


def peak_memory(call: Callable[[], T], device: torch.device) -> tuple[T, int]:
    """Return what `call` returns, and the bytes that tensors held at most on `device` meanwhile.

    What they held before is taken off.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = call()
        torch.cuda.synchronize(device)
        return result, torch.cuda.max_memory_allocated(device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        result = call()
    return result, _highest(_changes(profiler))


def _changes(profiler: torch.profiler.profile) -> list[int]:
    """Return what was allocated (positive) and freed (negative), in order, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8"))["traceEvents"]
    memory = [event for event in events if event.get("name") == "[memory]"]
    memory.sort(key=lambda event: event["ts"])
    on_cpu = 0  # c10::DeviceType::CPU
    return [
        int(event["args"]["Bytes"]) for event in memory if event["args"]["Device Type"] == on_cpu
    ]


def _highest(changes: list[int]) -> int:
    held = highest = 0
    for change in changes:
        held += change
        highest = max(highest, held)
    return highest

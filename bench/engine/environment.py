"""What a run was made with: versions and machine, for the record."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import bench

#: Packages whose version can change a result or a time.
PACKAGES = (
    "numpy", "pandas", "scipy", "opencv-python-headless", "scikit-image", "pillow", "pillow-heif",
    "pillow-jxl-plugin", "glymur", "jpeglib", "pyjpegli", "imageio-ffmpeg", "torch", "lpips",
    "pytorch-msssim", "constriction",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of bench, Python and the packages that measure."""
    found = {"bench": bench.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int]:
    """Return operating system, processor, cores this process may use, and memory in bytes."""
    facts: dict[str, str | int] = {
        "system": platform.platform(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": usable_cores(),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        facts["memory_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return facts


def usable_cores() -> int:
    """Return how many cores this process may run on (containers and taskset count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

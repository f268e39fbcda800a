"""The C library's heap, kept between images."""

from __future__ import annotations

import ctypes
import sys

# Of glibc's malloc.h.
_TRIM_THRESHOLD = -1
_TOP_PAD = -2
_MMAP_MAX = -4
_MEGABYTE = 1 << 20


def keep_freed_memory() -> None:
    """Let this process keep large blocks that it frees, for the next ones of their size.

    glibc returns blocks of many megabytes to the system at once and asks for them again, page by
    page: measured, a fifth of the time of a learned codec's transforms. The process stays as large
    as it was at its largest. Elsewhere than under glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2047 * _MEGABYTE)
    mallopt(_TOP_PAD, 64 * _MEGABYTE)

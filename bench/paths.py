"""Where things are: the catalogue that ships, and the user's own folders."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def catalogue(kind: str) -> Path:
    """Return the folder of the catalogue `kind`: "codecs", "datasets" or "reports".

    In a wheel the catalogue lies inside the package, in a checkout and in an editable install
    beside it.
    """
    inside = _PACKAGE / "_catalogue" / kind
    return inside if inside.is_dir() else _PACKAGE.parent / kind


def home() -> Path | None:
    """Return the folder that `BENCH_HOME` names, or None."""
    value = os.environ.get("BENCH_HOME")
    return Path(value).expanduser().resolve() if value else None


def cache_dir() -> Path:
    """Return the folder of the measurement cache (not created)."""
    if folder := home():
        return folder / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("rdbench", appauthor=False)


def data_dir() -> Path:
    """Return the folder for downloaded data sets and checkpoints (not created)."""
    if folder := home():
        return folder / "data"
    from platformdirs import user_data_path

    return user_data_path("rdbench", appauthor=False)


def user_cards(kind: str) -> Path:
    """Return the folder whose cards of `kind` ("codecs", "datasets") the user added for good."""
    if folder := home():
        return folder / kind
    from platformdirs import user_config_path

    return user_config_path("rdbench", appauthor=False) / kind

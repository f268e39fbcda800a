"""From what a user writes to metrics by name, and from a name to its identity in the cache."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import logging
from collections.abc import Sequence

from bench.adapters.make import source_digest
from bench.errors import BenchError, UnavailableError, UnknownNameError, UsageError
from bench.registry import metrics

log = logging.getLogger("bench")


def select_metrics(spec: str | Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the names of the metrics that `spec` asks for, in its order, each once.

    The rate (`bpp`, `compression-ratio`) is measured in every run: naming it is harmless, and it
    is not among the names returned.

    Parameters
    ----------
    spec : names, globs (``lpips*``), ``all`` and ``default`` as a comma list or as a sequence of
        such lists; None means ``default``.

    Raises
    ------
    UsageError : nothing is named.
    UnknownNameError : no metric has the name, or none matches the glob; suggests near ones.
    UnavailableError : a metric asked for by its own name lacks weights or a library here. One
        that only a glob, ``all`` or ``default`` brought in is left out with a line in the log.
    """
    lists = ["default"] if spec is None else [spec] if isinstance(spec, str) else spec
    words = [word.strip() for item in lists for word in item.split(",") if word.strip()]
    if not words:
        raise UsageError("no metric is named; `bench metrics` lists them")
    chosen: dict[str, None] = {}
    for word in words:
        chosen.update(dict.fromkeys(_resolve(word)))
    return tuple(chosen)


def metric_identity(name: str) -> str:
    """Return everything that can change the metric's values, as one readable line.

    Its name and version; what the class itself names (weights' digests, library versions); for a
    derived metric the identity of its base; for a plug-in the package and the digest of its source.

    Raises
    ------
    UnknownNameError : there is no such metric.
    UnavailableError : weights or a library it is made of are missing.
    """
    from bench.metrics.metric import DerivedMetric

    cls = metrics().get(name)
    parts = dict(cls().identity())
    if cls.__module__.partition(".")[0] != "bench":
        parts["source"] = source_digest(cls)[:16]
    words = [f"{name}/{cls.version}", *(f"{key}={value}" for key, value in sorted(parts.items()))]
    if issubclass(cls, DerivedMetric):
        words.append(f"of {metric_identity(cls.base)}")
    return " ".join(words)


def library_version(package: str) -> str:
    """Return the release of an installed package, without the build's own suffix (``+cpu``).

    Raises UnavailableError where it is not installed.
    """
    try:
        return importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        raise UnavailableError(
            f"the Python package {package} is not installed", f"pip install {package}"
        ) from None


def known_metrics() -> list[str]:
    """Return every name: ours in the order of their table, then those of plug-ins."""
    from bench.metrics import BUILT_IN

    return [*BUILT_IN, *(name for name in metrics().names() if name not in BUILT_IN)]


def _resolve(word: str) -> list[str]:
    """Return the available metrics, without the rate, that one word of the list asks for."""
    from bench.metrics import DEFAULT

    if word == "default":
        return [name for name in DEFAULT if _ready(name)]
    if word != "all" and not set(word) & set("*?["):
        return [] if _is_rate(word) else [_available(word)]
    names = fnmatch.filter(known_metrics(), "*" if word == "all" else word)
    if not names:
        raise UnknownNameError("metric", word, metrics().names())
    return [name for name in names if _ready(name) and not _is_rate(name)]


def _is_rate(name: str) -> bool:
    from bench.metrics.rate import RateMetric

    return issubclass(metrics().get(name), RateMetric)


def _available(name: str) -> str:
    metrics().get(name)().check_available()
    return name


def _ready(name: str) -> bool:
    try:
        _available(name)
    except BenchError as error:
        log.warning("the metric %s is left out: %s", name, error)
        return False
    return True

"""Names and what they stand for: codecs, data sets and metrics.

Three registries of one kind, each filled from the catalogue, from the user's own card folder and
from installed packages (entry points `bench.codecs`, `bench.datasets`, `bench.metrics`). A broken
plug-in is warned about and left out; a name that is claimed twice is an error.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bench import paths
from bench.cards import Card, CodecCard, parse_card, read_card
from bench.errors import BenchError, CardError, DuplicateNameError, UnknownNameError

if TYPE_CHECKING:
    from bench.data.cards import DatasetCard
    from bench.metrics.metric import Metric

T = TypeVar("T")
CardT = TypeVar("CardT", bound=Card)
log = logging.getLogger("bench")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A name, where it comes from, and how to get what it stands for."""

    name: str
    origin: str
    load: Callable[[], T]


@dataclass
class Registry(Generic[T]):
    """Entries by name; what they stand for is loaded on first use."""

    kind: str
    _entries: dict[str, Entry[T]] = field(default_factory=dict)
    _loaded: dict[str, T] = field(default_factory=dict)

    def add(self, entry: Entry[T]) -> None:
        """Add an entry. Raises DuplicateNameError for a name from another origin."""
        first = self._entries.get(entry.name)
        if first and first.origin != entry.origin:
            raise DuplicateNameError(self.kind, entry.name, first.origin, entry.origin)
        self._entries[entry.name] = entry

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._entries)

    def origin(self, name: str) -> str:
        """Return where `name` comes from."""
        return self._entries[name].origin

    def get(self, name: str) -> T:
        """Return what `name` stands for. Raises UnknownNameError with suggestions."""
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        if name not in self._loaded:
            self._loaded[name] = self._entries[name].load()
        return self._loaded[name]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[T]:
        """Yield what every name stands for; an entry that can't be loaded is warned about."""
        for name in self.names():
            try:
                yield self.get(name)
            except BenchError as error:
                log.warning("%s %s is left out: %s", self.kind, name, error)
                del self._entries[name]


@cache
def codecs() -> Registry[CodecCard]:
    """Return the codecs' cards by name."""
    registry: Registry[CodecCard] = Registry("codec")
    _fill(registry, CodecCard, "codecs", "__bench_card__")
    return registry


@cache
def datasets() -> Registry[DatasetCard]:
    """Return the data sets' cards by name."""
    from bench.data.cards import DatasetCard

    registry: Registry[DatasetCard] = Registry("data set")
    _fill(registry, DatasetCard, "datasets")
    return registry


@cache
def metrics() -> Registry[type[Metric]]:
    """Return the metric classes by name."""
    from bench.metrics import BUILT_IN

    registry: Registry[type[Metric]] = Registry("metric")
    for name, target in BUILT_IN.items():
        registry.add(Entry(name, "bench", partial(_load_metric, name, target)))
    for point in importlib.metadata.entry_points(group="bench.metrics"):
        origin = _origin(point)
        registry.add(Entry(point.name, origin, partial(_plugin_metric, point, origin)))
    return registry


def read_file(path: Path) -> list[CodecCard]:
    """Return the codecs of a file or folder that the user names: ``x.yaml``, ``x.py``, ``dir/``.

    Raises CardError where there is none.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml", ".py"})
        cards = [card for file in files for card in read_file(file)]
        if not cards:
            raise CardError(path, "the folder holds no codec: neither a card nor a Python file")
        return cards
    if path.suffix != ".py":
        return [read_card(CodecCard, path)]
    module = load_module(path)
    declared = [
        {**vars(value)["__bench_card__"], "adapter": f"{path.resolve()}:{value.__qualname__}"}
        for value in vars(module).values()
        if isinstance(value, type)
        and "__bench_card__" in vars(value)
        and value.__module__ == module.__name__
    ]
    if not declared:
        raise CardError(
            path, "the file declares no codec: put @bench.declare_codec(…) over a class"
        )
    return [parse_card(CodecCard, values, path) for values in declared]


def load_target(target: str, base: str = "") -> Any:
    """Return what ``module:name`` or ``path/to/file.py:name`` stands for.

    Parameters
    ----------
    target : where to look; a relative path is looked up beside the file `base`.

    Raises
    ------
    CardError : the module can't be imported or has no such name.
    """
    where, _, name = target.rpartition(":")
    try:
        if where.endswith(".py"):
            value: Any = load_module(Path(base).parent / where)
        else:
            value = importlib.import_module(where)
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise CardError(base or target, f"{target} can't be loaded: {error}", "adapter") from None
    return value


def load_module(path: Path) -> Any:
    """Import a Python file that is in no package; one that was edited is another module.

    Raises CardError with the line at fault.
    """
    path = path.resolve()
    try:
        content = path.read_bytes()
    except OSError:
        raise CardError(path, "there is no such Python file") from None
    name = f"bench_file_{path.stem}_{sha256(bytes(path) + content).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise CardError(path, "there is no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # The loader keeps bytecode, which misses an edit of equal length in the same second.
        exec(compile(content, path, "exec"), vars(module))
    except Exception as error:  # noqa: BLE001  (a user's file can raise anything)
        del sys.modules[name]
        raise CardError(path, f"can't be imported: {type(error).__name__}: {error}") from None
    return module


def _fill(registry: Registry[CardT], model: type[CardT], kind: str, mark: str = "") -> None:
    for folder in (paths.catalogue(kind), paths.user_cards(kind)):
        for path in sorted(folder.rglob("*.yaml")):
            registry.add(Entry(path.stem, str(path), partial(_named_card, model, path)))
    for point in importlib.metadata.entry_points(group=f"bench.{kind}"):
        origin = _origin(point)
        registry.add(Entry(point.name, origin, partial(_plugin_card, model, point, origin, mark)))


def _named_card(model: type[CardT], path: Path) -> CardT:
    card = read_card(model, path)
    if card.name != path.stem:
        raise CardError(path, f"{card.name!r} must be the file's own name, {path.stem!r}", "name")
    return card


def _plugin_card(
    model: type[CardT], point: importlib.metadata.EntryPoint, origin: str, mark: str
) -> CardT:
    """Return the card an entry point leads to: a card, a mapping, a declared class, a path."""
    value = _import(point, origin)
    if mark and hasattr(value, mark):
        value = getattr(value, mark)
    if isinstance(value, str | Path):
        value = read_card(model, Path(value))
    card = value if isinstance(value, model) else parse_card(model, value, origin)
    if card.name != point.name:
        raise CardError(origin, f"the entry point is called {point.name!r}, its card {card.name!r}")
    return card


def _plugin_metric(point: importlib.metadata.EntryPoint, origin: str) -> type[Metric]:
    return _checked_metric(point.name, _import(point, origin), origin)


def _load_metric(name: str, target: str) -> type[Metric]:
    return _checked_metric(name, load_target(target), target)


def _checked_metric(name: str, value: Any, origin: str) -> type[Metric]:
    from bench.metrics.metric import problem_with

    if problem := problem_with(name, value):
        raise CardError(origin, problem)
    return cast("type[Metric]", value)


def _import(point: importlib.metadata.EntryPoint, origin: str) -> Any:
    try:
        return point.load()
    except Exception as error:  # noqa: BLE001  (a plug-in can raise anything; the rest go on)
        raise CardError(origin, f"{type(error).__name__}: {error}") from None


def _origin(point: importlib.metadata.EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return f"{package} ({point.value})"


def iter_groups(cards: Iterable[CodecCard]) -> set[str]:
    """Return every group that some card is in."""
    return {group for card in cards for group in card.groups}

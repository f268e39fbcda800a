"""What ``--codecs classical,hybrid-*,./mine.yaml`` stands for.

An item is, in this order: a path (it holds a ``/`` or ends in ``.yaml``, ``.yml`` or ``.py``), a
codec's name, a group, a glob over names. The group ``all`` is every codec that is in none of
:data:`OPT_IN`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from bench import registry
from bench.adapters.make import Missing, make_codec, missing
from bench.cards import CodecCard, parse_card
from bench.codec import Codec
from bench.errors import (
    BenchError,
    DuplicateNameError,
    UnavailableError,
    UnknownNameError,
    UsageError,
)

#: Groups that must be asked for: their codecs take hours, need a download or a program that no
#: package registry has, differ from another codec in one detail only, or are not yet trained as far
#: as what they are named after, which a comparison would hold against it.
OPT_IN = frozenset({"ablation", "external", "published", "slow", "unfinished"})

Item = str | Path | CodecCard | type[Codec]


@dataclass(frozen=True)
class Selection:
    """Codecs in the order they were asked for, each once.

    `left_out` holds those of a group, a glob or a folder that can't run here, and why.
    """

    cards: tuple[CodecCard, ...]
    left_out: tuple[tuple[CodecCard, Missing], ...] = ()


@dataclass(frozen=True)
class Choice:
    """A card, and whether it was asked for by itself rather than through a group or a glob."""

    card: CodecCard
    by_name: bool


def select_codecs(spec: Item | Sequence[Item], download: bool = False) -> Selection:
    """Return the codecs that `spec` stands for and that can run here.

    Parameters
    ----------
    spec : a comma list of names, groups, globs and paths, or a sequence of such lists, paths,
        cards and classes under :func:`bench.declare_codec`.
    download : fetch what a codec lacks and the network has (:meth:`bench.Codec.fetch`).

    Raises
    ------
    UnknownNameError : no codec, group or match; near names are suggested.
    UnavailableError : a codec that was asked for by its own name can't run here.
    DuplicateNameError : two different codecs have one name.
    CardError : a card that does not hold what a card must hold.
    UsageError : `spec` names nothing.
    """
    ready: list[CodecCard] = []
    left_out: list[tuple[CodecCard, Missing]] = []
    for choice in choose_codecs(spec):
        try:
            lack = lacking(choice.card, download)
        except BenchError as error:
            # One broken codec of a group does not stop the others.
            if choice.by_name:
                raise
            lack = Missing(str(error))
        if lack is None:
            ready.append(choice.card)
        elif choice.by_name:
            raise UnavailableError(f"{choice.card.name}: {lack.what}", lack.how)
        else:
            left_out.append((choice.card, lack))
    return Selection(tuple(ready), tuple(left_out))


def lacking(card: CodecCard, download: bool = False) -> Missing | None:
    """Return what keeps a codec from running here, after fetching what the network has of it if
    `download`; None if it is ready. Raises CardError, DownloadError.
    """
    lack = missing(card)
    if lack and download:
        make_codec(card).fetch()
        lack = missing(card)
    return lack


def choose_codecs(spec: Item | Sequence[Item]) -> list[Choice]:
    """Return what `spec` stands for, whether it can run here or not. Raises as select_codecs."""
    items = list(_items(spec))
    if not items:
        raise UsageError("no codec is named; the group 'all' is every codec that is ready")
    # By their own names first: a broken card must say so, and a walk over all drops the broken.
    catalogue = registry.codecs()
    for item in items:
        if isinstance(item, str) and not _is_path(item) and item in catalogue:
            catalogue.get(item)
    chosen: dict[str, Choice] = {}
    for item in items:
        for choice in _choices(item):
            _add(chosen, choice)
    return list(chosen.values())


def in_group(cards: Sequence[CodecCard], group: str) -> list[CodecCard]:
    """Return those of `cards` that are in `group`. Raises UnknownNameError for no such group."""
    known = registry.iter_groups([*registry.codecs(), *cards]) | {"all"}
    if group not in known:
        raise UnknownNameError("group", group, known)
    return [card for card in cards if _in_group(card, group)]


def _items(spec: Item | Sequence[Item]) -> Iterator[Item]:
    if isinstance(spec, str):
        yield from (part for part in (word.strip() for word in spec.split(",")) if part)
    elif isinstance(spec, Path | CodecCard | type):
        yield spec
    else:
        for item in spec:
            yield from _items(item)


def _choices(item: Item) -> list[Choice]:
    if isinstance(item, CodecCard):
        return [Choice(item, True)]
    if isinstance(item, type):
        return [Choice(_declared(item), True)]
    if isinstance(item, Path) or _is_path(item):
        path = Path(item).expanduser()
        return [Choice(card, not path.is_dir()) for card in registry.read_file(path)]
    catalogue = registry.codecs()
    if item in catalogue:
        return [Choice(catalogue.get(item), True)]
    cards = list(catalogue)
    found = [card for card in cards if _belongs(card, item)]
    if not found:
        groups = registry.iter_groups(cards) | {"all"}
        raise UnknownNameError("codec or group", item, {*catalogue.names(), *groups})
    return [Choice(card, False) for card in found]


def _is_path(item: str) -> bool:
    return "/" in item or os.sep in item or item.endswith((".yaml", ".yml", ".py"))


def _belongs(card: CodecCard, item: str) -> bool:
    return _in_group(card, item) or fnmatchcase(card.name, item)


def _in_group(card: CodecCard, group: str) -> bool:
    return OPT_IN.isdisjoint(card.groups) if group == "all" else group in card.groups


def _add(chosen: dict[str, Choice], choice: Choice) -> None:
    """Add a choice, unless it is there already. Raises DuplicateNameError."""
    card = choice.card
    catalogue = registry.codecs()
    rivals = [chosen[card.name].card] if card.name in chosen else []
    if card.name in catalogue:
        rivals.append(catalogue.get(card.name))
    for rival in rivals:
        if not _same(card, rival):
            raise DuplicateNameError("codec", card.name, rival.source, card.source)
    before = chosen.get(card.name)
    if before is None or (choice.by_name and not before.by_name):
        chosen[card.name] = choice


def _same(card: CodecCard, rival: CodecCard) -> bool:
    return card is rival or (
        card.model_dump() == rival.model_dump()
        and Path(card.source).resolve() == Path(rival.source).resolve()
    )


def _declared(cls: type[Codec]) -> CodecCard:
    """Return the card of a class under the decorator; a worker process must find the class."""
    values = vars(cls).get("__bench_card__")
    name = f"{cls.__module__}.{cls.__qualname__}"
    if values is None:
        raise UsageError(f"{name} declares no codec: put @bench.declare_codec(…) over the class")
    if "<locals>" in cls.__qualname__:
        raise UsageError(f"{name} is defined inside a function; move it to a module's top level")
    if cls.__module__ != "__main__":
        return parse_card(CodecCard, values, name)
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:
        raise UsageError(f"{name} lives in no file; write it to one that workers can read")
    path = Path(cast(str, file)).resolve()
    return parse_card(CodecCard, {**values, "adapter": f"{path}:{cls.__qualname__}"}, path)

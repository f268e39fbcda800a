"""A codec with its variants: what `bench ablate` measures.

A variant's card names its base and the one thing that differs. A variant can be a base in turn:
from the full model each tool is removed, one of these variants is the plain model, and to that each
tool alone is added.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from typing import get_args

from bench import registry
from bench.adapters.make import Missing, codec_id
from bench.cards import Change, CodecCard
from bench.errors import BenchError, CardError, UsageError
from bench.selection import Item, Selection, choose_codecs, lacking, select_codecs

log = logging.getLogger("bench")


def select_family(
    base: Item,
    variants: Item | Sequence[Item] | None = None,
    *,
    device: str = "cpu",
    download: bool = False,
) -> Selection:
    """Return a codec, its variants, theirs, and so on; each base stands before its variants.

    Parameters
    ----------
    base : the name or the card of one codec.
    variants : where to look for variants, as :func:`~bench.selection.select_codecs` takes it; the
        catalogue if None.
    device : what the codecs are to run on: a part of their identity.
    download : fetch what a codec lacks and the network has.

    Returns
    -------
    family : variants that can't run here, and those of a base that can't, are in `left_out`.

    Raises
    ------
    UsageError : `base` is not one codec, it has no variant, or none that can run here; one of
        `variants` belongs to another base.
    UnavailableError : the base itself can't run here.
    CardError : a variant that is the very codec its base is, or a circle of bases.
    """
    root = _one(base)
    pool = [choice.card for choice in choose_codecs(variants)] if variants else _catalogue()
    family = descend(root, pool)
    if variants:
        _check_all_belong(root, pool, family)
    if not family:
        bases = sorted({card.base for card in pool if card.base})
        raise UsageError(
            f"no card names {root.name} as its base, so there is nothing to compare it with; "
            f"codecs with variants: {', '.join(bases) or 'none'}"
        )
    ready = {card.name: card for card in select_codecs([root], download).cards}
    left_out: list[tuple[CodecCard, Missing]] = []
    for card in family:
        base_card = ready.get(str(card.base))
        lack = _lacking(card, download) if base_card else Missing(f"{card.base} can't run here")
        if lack:
            left_out.append((card, lack))
        elif base_card:
            check_differs(card, base_card, device)
            ready[card.name] = card
    if len(ready) == 1:
        reasons = "; ".join(f"{card.name}: {lack}" for card, lack in left_out)
        raise UsageError(f"no variant of {root.name} can run here ({reasons})")
    return Selection(tuple(ready.values()), tuple(left_out))


def descend(root: CodecCard, pool: Sequence[CodecCard]) -> list[CodecCard]:
    """Return the variants of `root` among `pool`, then theirs, and so on, each base's together:
    what is removed from it, added to it, replaced in it. Raises CardError for a circle.
    """
    order = get_args(Change)
    ranked = sorted(pool, key=lambda card: order.index(card.change) if card.change else -1)
    found: list[CodecCard] = []
    level = [root]
    while level:
        level = [card for base in level for card in ranked if card.base == base.name]
        for card in level:
            if card.name == root.name:
                raise CardError(card.source, f"{root.name} is a variant of its own variant", "base")
        found += level
    return found


def check_differs(variant: CodecCard, base: CodecCard, device: str = "cpu") -> None:
    """Raise CardError for a variant that is the very codec its base is: a switch that changes
    nothing is a fault, and its row of zeros would read like a finding.
    """
    if codec_id(variant, device) == codec_id(base, device):
        raise CardError(
            variant.source,
            f"the same codec as {base.name}: options, checkpoint and program are equal, though "
            f"{variant.differs!r} should differ",
            "base",
        )


def _one(base: Item) -> CodecCard:
    chosen = choose_codecs(base)
    if len(chosen) != 1:
        names = ", ".join(choice.card.name for choice in chosen)
        raise UsageError(f"one codec is the base of an ablation, {base!r} stands for: {names}")
    return chosen[0].card


def _catalogue() -> list[CodecCard]:
    """Return all cards that are known; a variant whose base is not known is warned about."""
    cards = list(registry.codecs())
    names = {card.name for card in cards}
    for card in cards:
        if card.base is not None and card.base not in names:
            near = difflib.get_close_matches(card.base, names, n=1)
            log.warning(
                "%s: base: no codec is called %r%s",
                card.source, card.base, f"; did you mean {near[0]}?" if near else "",
            )  # fmt: skip
    return cards


def _check_all_belong(
    root: CodecCard, pool: Sequence[CodecCard], family: Sequence[CodecCard]
) -> None:
    names = {root.name, *(card.name for card in family)}
    for card in pool:
        if card.name not in names:
            base = f"its base is {card.base}" if card.base else "its card names no base"
            raise UsageError(f"{card.name} is no variant of {root.name}: {base}")


def _lacking(card: CodecCard, download: bool) -> Missing | None:
    try:
        return lacking(card, download)
    except BenchError as error:
        # One variant that is broken or can't be fetched does not stop the others.
        return Missing(str(error))

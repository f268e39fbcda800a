"""What there is to say about a codec: its card, its state here, its identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.adapters.make import Missing, codec_id, identity, missing
from bench.cards import CodecCard
from bench.errors import BenchError


@dataclass(frozen=True)
class CodecState:
    """A codec and what keeps it from running here, if anything."""

    card: CodecCard
    lack: Missing | None

    @property
    def state(self) -> str:
        """ "ready" or "missing"."""
        return "missing" if self.lack else "ready"

    def to_json(self) -> dict[str, Any]:
        """Return what the list shows, as values."""
        quality = self.card.quality
        return {
            "name": self.card.name,
            "title": self.card.label,
            "state": self.state,
            "missing": self.lack.what if self.lack else None,
            "install": (self.lack.how or None) if self.lack else None,
            "groups": list(self.card.groups),
            "ladder": list(quality.ladder),
            "better": quality.better,
            "range": list(quality.limits),
            "label": quality.label,
            "reference": self.card.reference,
            "source": self.card.source,
        }

    def details(self) -> dict[str, Any]:
        """Return everything: the list's values, the card's other fields and the identity."""
        card = self.card
        facts = self.to_json() | {
            "description": card.description,
            "adapter": card.adapter,
            "options": card.options,
            "requires": card.requires.model_dump(exclude_defaults=True, mode="json"),
            "timeout": card.timeout,
            "codec_id": None,
            "identity": None,
        }
        if self.lack is None:
            facts |= {"codec_id": codec_id(card), "identity": identity(card)}
        return facts


def describe_codecs(cards: Iterable[CodecCard]) -> list[CodecState]:
    """Return the state of each codec; a card whose options are wrong lacks what its error says."""
    return [CodecState(card, _lack(card)) for card in cards]


def _lack(card: CodecCard) -> Missing | None:
    try:
        return missing(card)
    except BenchError as error:
        return Missing(str(error))

"""What the codecs of a run cost on any machine, from run.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.codec import Complexity
from bench.profile.cost import Cost

#: Headings of :func:`complexity_cells`, after the codec and its settings.
HEADINGS = (
    "parameters",
    *("analysis kMAC/px", "entropy", "encoder"),
    *("synthesis kMAC/px", "entropy", "decoder"),
    *("encoder MB/MP", "decoder"),
)


def complexity_of(info: Mapping[str, Any]) -> list[Cost]:
    """Return what a run holds: for each codec a cost per shape of network, or the reason why none.

    Parameters
    ----------
    info : the contents of run.json; a run of before costs were recorded holds none.
    """
    codecs: Mapping[str, Mapping[str, Any]] = info.get("codecs", {})
    return [
        Cost.from_json(name, dict(entry))
        for name, codec in codecs.items()
        for entry in codec.get("complexity", ())
    ]


def dearest(info: Mapping[str, Any], codec: str) -> Complexity | None:
    """Return the cost of the settings of `codec` that take most to decode, None for none."""
    told = [cost.complexity for cost in complexity_of(info) if cost.codec == codec]
    return max(filter(None, told), key=lambda each: each.decode_kmac, default=None)


def complexity_cells(cost: Complexity) -> tuple[str, ...]:
    """Return the numbers of a cost as texts, in the order of :data:`HEADINGS`."""
    work = (
        *(cost.analysis_kmac, cost.entropy_encode_kmac, cost.encode_kmac),
        *(cost.synthesis_kmac, cost.entropy_decode_kmac, cost.decode_kmac),
    )
    memory = (cost.encode_memory, cost.decode_memory)
    return (
        f"{cost.parameters:,}",
        *("n/a" if value is None else f"{value:.2f}" for value in work),
        *("n/a" if value is None else f"{value:.0f}" for value in memory),
    )

"""What a codec costs at some settings, and how a process is asked for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bench.cards import CodecCard
from bench.codec import Complexity, Quality


@dataclass(frozen=True)
class Cost:
    """What a codec costs at some settings, all served by networks of one shape.

    Parameters
    ----------
    complexity : None where it is not told.
    reason : why it is not told.
    """

    codec: str
    qualities: tuple[Quality, ...]
    complexity: Complexity | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the cost as it stands in run.json, without the codec's name."""
        told = asdict(self.complexity) if self.complexity else {"reason": self.reason}
        return {"qualities": list(self.qualities), **told}

    @classmethod
    def from_json(cls, codec: str, found: dict[str, Any]) -> Cost:
        """Return what :meth:`to_json` wrote."""
        told = dict(found)
        qualities, reason = tuple(told.pop("qualities")), told.pop("reason", "")
        return cls(codec, qualities, None if reason else Complexity(**told), reason)


@dataclass(frozen=True)
class Request:
    """What :mod:`bench.profile.child` is to measure; `size` is height and width."""

    card: CodecCard
    qualities: tuple[Quality, ...]
    size: tuple[int, int]
    device: str


@dataclass(frozen=True)
class Answer:
    """What each setting costs, or why that can't be told."""

    costs: dict[Quality, Complexity] = field(default_factory=dict)
    error: str = ""

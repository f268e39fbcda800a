"""Settings of a network that is trained here: checked, and short in a card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Settings:
    """Base of the settings of a network; a subclass is a dataclass with a default for each field.

    Defaults must not change once weights are out: cards say only what differs from them.

    Raises
    ------
    ValueError : an unknown value, or a combination that makes no sense, with the reason.
    """

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            _check_choice(name, getattr(self, name), kind)
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for reason in self.faults():
            raise ValueError(reason)

    def faults(self) -> list[str]:
        """Return what is wrong with the combination of values."""
        return []

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` takes, as JSON can hold it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    def differences(self) -> dict[str, Any]:
        """Return what differs from the defaults: what a card says."""
        defaults = type(self)().to_dict()
        return {name: value for name, value in self.to_dict().items() if value != defaults[name]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings of a mapping. Raises ValueError for unknown names."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"there is no setting {unknown[0]!r}; known: {', '.join(sorted(known))}"
            )
        return cls(**values)


def _check_choice(name: str, value: Any, kind: Any) -> None:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = ", ".join(get_args(kind))
            raise ValueError(f"{name}: one of {choices} was expected, got {value!r}")
    elif kind is bool and not isinstance(value, bool):
        raise ValueError(f"{name}: true or false was expected, got {value!r}")
    elif kind in (int, float) and (
        isinstance(value, bool) or not isinstance(value, int if kind is int else int | float)
    ):
        raise ValueError(f"{name}: a number ({kind.__name__}) was expected, got {value!r}")
    elif get_origin(kind) is tuple and not isinstance(value, list | tuple):
        raise ValueError(f"{name}: a list of whole numbers was expected, got {value!r}")

"""Where a data set of the catalogue stands on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.data.cards import DatasetCard
from bench.data.load import find, how_to_get
from bench.data.locate import incomplete
from bench.errors import DatasetError


@dataclass(frozen=True)
class Status:
    """`state`, the folder where there is one, what is wrong or what can be done, and the command
    that does it or explains it.
    """

    state: Literal["ships", "present", "incomplete", "absent"]
    folder: Path | None = None
    note: str = ""
    command: str = ""

    def __str__(self) -> str:
        if self.state == "ships":
            return "ships"
        if self.state == "present":
            return f"in {self.folder}"
        what = "not here" if self.state == "absent" else "incomplete"
        return f"{what}: {self.command}"


def status(card: DatasetCard) -> Status:
    """Return where a data set stands. Looks at names only: cheap."""
    command = f"bench datasets {'get' if card.sources else 'show'} {card.name}"
    try:
        copy = find(card)
    except DatasetError as error:
        return Status("incomplete", None, str(error), command)
    if copy is None:
        return Status("absent", None, how_to_get(card), command)
    if problem := incomplete(card, copy):
        return Status("incomplete", copy.folder, f"{problem}; {how_to_get(card)}", command)
    shipped = card.shipped
    ships = shipped is not None and copy.folder.is_relative_to(shipped)
    return Status("ships" if ships else "present", copy.folder)

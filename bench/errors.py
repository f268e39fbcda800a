"""Every error that bench raises on purpose.

::

    BenchError                    exit code 2 unless said otherwise
    ├── UsageError                a wrong option, value or combination
    │   └── UnknownNameError      no codec, data set or metric of that name; suggests near ones
    ├── CardError                 a card that does not hold what a card must hold
    ├── DuplicateNameError        two sources claim one name
    ├── UnavailableError          a program, library or file that a codec needs is missing
    ├── ImageError                a file that is no image, or one that version 1 does not measure
    ├── DatasetError              a data set that is missing, incomplete or not what its card says
    │   └── DownloadError         a transfer that failed or brought the wrong bytes
    ├── TrainingError             training can't start or go on; what was learned is kept
    ├── RunError                  a run folder that cannot be used
    ├── SchemaError               a file written by another version of bench
    ├── BaselineError             a baseline that is cut, edited by hand or no baseline
    ├── RuleError                 a rule of a gate that can't be understood
    └── CellError                 one cell failed: becomes a record, never a crash
        ├── CodecError            the codec raised, exited with an error or printed rubbish
        │   └── BitstreamError    a bitstream that is cut, foreign or damaged
        ├── ContractError         the codec broke the contract (type, size or shape)
        ├── CellTimeoutError      the cell ran longer than it may
        ├── WorkerDiedError       the codec took its process down with it
        └── NotApplicableError    a metric is undefined on this image: NA with a reason

A message says what was wrong, what was expected and what to do. The command line shows it as one
line, without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class BenchError(Exception):
    """Base of all errors of this package."""

    exit_code = 2


class UsageError(BenchError):
    """A wrong option, value or combination of them."""


class UnknownNameError(UsageError):
    """No `kind` is called `name`.

    Parameters
    ----------
    kind : what was looked for: "codec", "data set", "metric".
    name : the name as given.
    known : the names that exist; near ones are suggested.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        message = f"no {kind} is called {name!r}"
        if near:
            message += f"; did you mean {', '.join(near)}?"
        elif known:
            shown = ", ".join(known[:12])
            message += f"; known: {shown}{', …' if len(known) > 12 else ''}"
        super().__init__(message + (f" {hint}" if hint else ""))


class CardError(BenchError):
    """A card is malformed: names the file, the field and what was expected."""

    def __init__(self, source: str | Path, problem: str, field: str = "") -> None:
        super().__init__(f"{source}: {field + ': ' if field else ''}{problem}")


class DuplicateNameError(BenchError):
    """Two sources claim one name."""

    def __init__(self, kind: str, name: str, first: str, second: str) -> None:
        super().__init__(
            f"two {kind}s are called {name!r}: one from {first}, one from {second}; rename one"
        )


def with_way(what: str, how: str) -> str:
    """Return what is missing with the command that gets it, below where it takes several lines."""
    between = "\n    " if "\n" in what else "; "
    return f"{what}{between}get it with: {how}" if how else what


class UnavailableError(BenchError):
    """A program, library or file that is needed is missing; `how` is the command that gets it."""

    def __init__(self, what: str, how: str = "") -> None:
        super().__init__(with_way(what, how))
        self.what, self.how = what, how


class ImageError(BenchError):
    """A file is no readable image, or is of a kind that is not measured."""


class DatasetError(BenchError):
    """A data set is missing, incomplete or not what its card says."""


class DownloadError(DatasetError):
    """A transfer failed or brought other bytes than the card promises."""


class TrainingError(BenchError):
    """Training can't start or go on; the last good checkpoint is kept."""


class RunError(BenchError):
    """A run folder can not be used."""


class SchemaError(BenchError):
    """A file carries a schema version that this version of bench does not read."""


class BaselineError(BenchError):
    """A baseline is cut, edited by hand or none at all: names file, field and what to do."""

    def __init__(self, source: str | Path, problem: str, field: str = "") -> None:
        super().__init__(f"{source}: {field + ': ' if field else ''}{problem}")


class RuleError(BenchError):
    """A rule of a gate can't be understood: names where it stands, the field and the fault."""

    def __init__(self, source: str | Path, problem: str, field: str = "") -> None:
        super().__init__(f"{source}: {field + ': ' if field else ''}{problem}")


class CellError(BenchError):
    """One cell failed; the engine turns it into a record."""

    exit_code = 3


class CodecError(CellError):
    """The codec raised, exited with an error or produced nothing usable."""


class BitstreamError(CodecError):
    """The bitstream is cut, foreign or damaged."""


class ContractError(CellError):
    """The codec returned something else than the contract says."""


class CellTimeoutError(CellError):
    """The cell ran longer than its time limit."""


class WorkerDiedError(CellError):
    """The codec took its process down with it."""


class NotApplicableError(CellError):
    """A metric is undefined on this image; the message is the reason that is recorded."""

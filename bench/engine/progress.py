"""What the user sees while cells are measured."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

from bench.engine.execute import CellRecord
from bench.engine.plan import Plan

log = logging.getLogger("bench")

#: Seconds between two lines where there is no terminal.
LOG_EVERY = 15.0


class Progress:
    """One bar on a terminal, a line now and then elsewhere; knows what was cached.

    The rate and the remaining time are those of the cells that are measured now.
    """

    def __init__(self, plan: Plan, known: int, *, quiet: bool = False) -> None:
        from tqdm import tqdm

        self._plan = plan
        self._total = len(plan.cells)
        self._known = known
        self._done = known
        self._failed = 0
        self._begin = self._last = time.monotonic()
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=self._total,
            initial=known,
            unit="cell",
            dynamic_ncols=True,
            smoothing=0.1,
            disable=quiet or not self._terminal or known == self._total,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def __call__(self, record: CellRecord) -> None:
        """Count one more cell."""
        self._done += 1
        if record.error:
            self._failed += 1
            self._tell(f"failed: {self._describe(record)}: {record.error}")
        self._bar.set_postfix_str(
            self._plan.codecs[record.cell.codec].card.name
            + (f", {self._failed} failed" if self._failed else ""),
            refresh=False,
        )
        self._bar.update()
        now = time.monotonic()
        if not self._terminal and not self._quiet and now - self._last >= LOG_EVERY:
            self._last = now
            rate = (self._done - self._known) / (now - self._begin)
            left = (self._total - self._done) / rate
            log.info("%d of %d cells, %.1f/s, about %d s left", self._done, self._total, rate, left)

    def _describe(self, record: CellRecord) -> str:
        codec = self._plan.codecs[record.cell.codec].card.name
        return f"{codec} {record.cell.quality} {self._plan.images[record.cell.image].name}"

    def _tell(self, line: str) -> None:
        """Say something without breaking the bar; at most a few dozen lines of failures."""
        if self._quiet or self._failed > 20:
            return
        if self._failed == 20:
            line += " (further failures are in results.csv only)"
        if self._bar.disable:
            log.info(line)
        else:
            self._bar.write(f"bench: {line}", file=sys.stderr)

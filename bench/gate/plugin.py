"""The plug-in for pytest: ``pytest --rd-baseline FILE`` and the fixture ``rd_gate``.

pytest imports this module in every session of an environment that has bench: nothing heavy is
imported before a test asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench.api import Run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("bench", "rate-distortion gate")
    group.addoption("--rd-baseline", metavar="FILE", help="judge runs by this baseline")
    group.addoption(
        "--rd-update", action="store_true", help="write the baseline from the run instead"
    )


class RdGate:
    """What the fixture `rd_gate` is: call it with a run.

    Parameters
    ----------
    file : the baseline.
    root : where bench.toml or pyproject.toml are looked up.
    update : write the baseline instead of judging by it.
    """

    def __init__(self, file: Path, root: Path, update: bool) -> None:
        self._file = file
        self._root = root
        self._update = update

    def __call__(self, run: Run | str | Path, *rules: str) -> None:
        """Fail the test where the run is worse than the baseline, or can't be compared with it.

        Parameters
        ----------
        run : what ``bench.run`` returned, or a run's folder.
        rules : as given to ``bench gate --rule``, over those of the rules file.
        """
        __tracebackhide__ = True
        from bench.errors import BenchError
        from bench.gate.check import check
        from bench.gate.rules import find_rules, parse_options
        from bench.gate.show import terminal

        folder = run if isinstance(run, str | Path) else run.folder
        if self._update:
            self._write(Path(folder))
            return
        try:
            found = find_rules(self._root)
            layers = [*([found] if found else []), parse_options(rules)]
            verdict = check(folder, self._file, layers)
        except BenchError as error:
            pytest.fail(f"undecidable: {error}", pytrace=False)
        if verdict.exit_code:
            pytest.fail(terminal(verdict), pytrace=False)

    def _write(self, folder: Path) -> None:
        from bench.gate.baseline import read_baseline, write_baseline
        from bench.gate.moved import moved
        from bench.gate.record import baseline_of

        now = baseline_of(folder)
        if self._file.exists():
            print(moved(read_baseline(self._file), now))  # noqa: T201  (pytest shows it)
        write_baseline(now, self._file)


@pytest.fixture
def rd_gate(request: pytest.FixtureRequest) -> RdGate:
    """Judge runs by the baseline of ``--rd-baseline``; skip the test where none is given."""
    file = request.config.getoption("--rd-baseline")
    if not file:
        pytest.skip("needs --rd-baseline FILE")
    path = request.config.invocation_params.dir / file
    return RdGate(path, request.config.rootpath, request.config.getoption("--rd-update"))

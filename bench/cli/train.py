"""``bench train``: train the hybrid codec on a folder of photos."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

from bench.errors import UsageError

EPILOG = """\
Settings are Hydra's: bench train data.folders=photos quantizer=vq data.crop=128
All of them: bench train --show    The guide: docs/train.md
A base and its variants at one recipe: bench train --series hybrid-s data.folders=photos
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE", help="what differs")
    parser.add_argument("--card", action="store_true", help="write weights and card at the end")
    parser.add_argument(
        "--series", metavar="NAME|FILE",
        help="train a base and its variants one after the other, each with its card",
    )  # fmt: skip
    parser.add_argument("--only", metavar="LIST", help="of a series: these members, by name")
    parser.add_argument("--jobs", type=int, metavar="N", default=1,
                        help="of a series: trainings side by side [1]")  # fmt: skip
    parser.add_argument("--show", action="store_true", help="print the settings and stop")


def main(args: argparse.Namespace) -> int:
    """Train; exit code 0, or 3 where some of a series failed."""
    from bench.training.run import settings, train

    if args.series:
        return _series(args)
    if args.only or args.jobs != 1:
        raise UsageError("--only and --jobs are of a series: give --series")

    if args.show:
        import yaml

        given = [*args.settings]
        if not any(one.startswith("data.folders=") for one in given):
            given.append("data.folders=PHOTOS")
        print(yaml.safe_dump(settings(given), sort_keys=False), end="")
        return 0
    values = settings(args.settings)
    _quieten()
    trained = train(values, card=args.card)
    print(f"{trained.steps} steps; checkpoint {trained.folder / 'last.ckpt'}")
    if trained.card:
        print(f"weights {trained.weights}\ncard {trained.card}")
        print(f"measure it:  bench run --codecs {trained.card},jpeg --dataset kodak")
    return 0


def _quieten() -> None:
    """Leave Lightning's advice and advertising away; its warnings and errors stay."""
    # It sets its level when it is imported.
    import lightning.pytorch  # noqa: F401

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", module="lightning")


def _series(args: argparse.Namespace) -> int:
    from bench.training.run import settings
    from bench.training.series import Outcome, read_series, train_series

    series = read_series(args.series)
    if args.jobs < 1:
        raise UsageError(f"--jobs: 1 or more was expected, got {args.jobs}")
    if args.show:
        for name in series.members:
            print(name, *series.settings_of(name))
        return 0

    def report(outcome: Outcome) -> None:
        took = f"{outcome.seconds:.0f} s" if outcome.seconds else "was done"
        what = f"{took}; {outcome.card}" if outcome.card else f"failed: {outcome.reason}"
        print(f"{outcome.name}: {what}", flush=True)

    only = [name for name in (args.only or "").split(",") if name]
    out = Path(settings(args.settings)["out"])
    outcomes = train_series(
        series, args.settings, out, only=only, jobs=args.jobs, report=report
    )  # fmt: skip
    failed = sum(outcome.card is None for outcome in outcomes)
    print(f"{len(outcomes) - failed} trained, {failed} failed; measure them:  "
          f"bench ablate {out / series.base / series.base}.yaml")  # fmt: skip
    return 3 if failed else 0

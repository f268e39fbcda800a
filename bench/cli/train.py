"""``bench train``: train the hybrid codec on a folder of photos."""

from __future__ import annotations

import argparse

EPILOG = """\
Settings are Hydra's: bench train data.folders=photos quantizer=vq data.crop=128
All of them: bench train --show    The guide: docs/train.md
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE", help="what differs")
    parser.add_argument("--card", action="store_true", help="write weights and card at the end")
    parser.add_argument("--show", action="store_true", help="print the settings and stop")


def main(args: argparse.Namespace) -> int:
    """Train; exit code 0."""
    from bench.training.run import settings, train

    if args.show:
        import yaml

        given = [*args.settings]
        if not any(one.startswith("data.folders=") for one in given):
            given.append("data.folders=PHOTOS")
        print(yaml.safe_dump(settings(given), sort_keys=False), end="")
        return 0
    trained = train(settings(args.settings), card=args.card)
    print(f"{trained.steps} steps; checkpoint {trained.folder / 'last.ckpt'}")
    if trained.card:
        print(f"weights {trained.weights}\ncard {trained.card}")
        print(f"measure it:  bench run --codecs {trained.card},jpeg --dataset kodak")
    return 0

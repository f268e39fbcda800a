"""BD-rate over training time, from the curve.csv of trainings.

    python tests/benchmarks/training_bd.py [--chart OUT.svg] NAME=CURVE.csv [NAME=CURVE.csv …]

Against the last validation of the first training, on the photos kept out and real bitstreams: how
much more rate the weights needed earlier, from which one sees what more time would bring.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from bench.analysis.axis import axis_of
from bench.analysis.bd import bd
from bench.analysis.curves import Curve

mpl.use("svg")
from matplotlib import pyplot as plt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chart", type=Path, help="draw it, too")
    parser.add_argument("curves", nargs="+", metavar="NAME=CURVE.csv")
    args = parser.parse_args()
    named = [one.partition("=")[::2] for one in args.curves]
    *_, (_, _, anchor) = _validations(pd.read_csv(named[0][1]))
    # Text as text, and no date: the same curves give the same file.
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "curves", "font.size": 9}
    figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
    print("| training | steps | seconds | BD-rate | PSNR from … to, dB |\n|---|---|---|---|---|")
    for name, path in named:
        times, rates = [], []
        for step, seconds, curve in _validations(pd.read_csv(path)):
            result = bd(anchor, curve)
            times.append(seconds / 60)
            rates.append(result.bd_rate)
            low, high = curve.quality.min(), curve.quality.max()
            print(f"| {name} | {step} | {seconds:.0f} | {rates[-1]:+.1f} % "
                  f"| {low:.2f} … {high:.2f} |")  # fmt: skip
        axes.plot(times, rates, "o-", markersize=3, label=name)
    axes.set(xlabel="minutes", ylabel="BD-rate against the last of the first, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False)
    if args.chart:
        figure.savefig(args.chart, metadata={"Date": None})
    return 0


def _validations(table: pd.DataFrame) -> Iterator[tuple[int, float, Curve]]:
    for step, points in table.groupby("step"):
        points = points.sort_values("bpp")
        rate, quality, setting = (
            points[name].to_numpy(float) for name in ("bpp", "psnr", "quality")
        )
        curve = Curve(f"{step} steps", axis_of("psnr"), "kept out", rate, quality, setting, 0)
        yield int(step), float(points["seconds"].iloc[0]), curve


if __name__ == "__main__":
    sys.exit(main())

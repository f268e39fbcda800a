"""Draw learning curves, the curve.csv of trainings, as a small SVG.

    python tests/benchmarks/learning_curves.py OUT.svg NAME=CURVE.csv [NAME=CURVE.csv …]

Each training is a row of rate-distortion curves over time, from pale to full colour, all measured
with real bitstreams on the photos kept out. Prints a table: for every validation that is drawn,
rate and PSNR at a middle quality.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("svg")
from matplotlib import pyplot as plt

COLOURS = ("#1f5fa8", "#c8541b", "#3a8a3a", "#7a4fa3")
PER_TRAINING = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("curves", nargs="+", metavar="NAME=CURVE.csv")
    args = parser.parse_args()
    # Text as text, and no date: the same curves give the same file.
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "curves", "font.size": 9}
    figure, axes = plt.subplots(figsize=(7.0, 3.4), layout="constrained")
    print("| training | steps | quality | bpp | PSNR (dB) |\n|---|---:|---:|---:|---:|")
    for colour, one in zip(COLOURS, args.curves, strict=False):
        name, _, path = one.partition("=")
        curve = pd.read_csv(path)
        steps = sorted(curve["step"].unique())
        last = len(steps) - 1
        shown = sorted({round(last * i / (PER_TRAINING - 1)) for i in range(PER_TRAINING)})
        for place, number in enumerate(shown):
            points = curve[curve["step"] == steps[number]].sort_values("bpp")
            axes.plot(points["bpp"], points["psnr"], "o-", color=colour, markersize=3,
                      alpha=0.25 + 0.75 * place / max(1, len(shown) - 1),
                      label=f"{name}, {steps[number]} steps")  # fmt: skip
            middle = points.sort_values("quality").iloc[len(points) // 2]
            print(f"| {name} | {steps[number]} | {middle.quality:g} | {middle.bpp:.3f} "
                  f"| {middle.psnr:.2f} |")  # fmt: skip
    axes.set(xlabel="bits per pixel", ylabel="PSNR, dB")
    axes.grid(alpha=0.3)
    figure.legend(fontsize=7, frameon=False, loc="outside right upper")
    figure.savefig(args.out, metadata={"Date": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What each tool of a codec is worth: variants against their bases, with what they cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.ablation_verdict import Verdict, verdict
from bench.analysis.bootstrap import Bootstrap
from bench.analysis.compare import Comparer, Comparison
from bench.analysis.complexity import dearest
from bench.analysis.curves import CellIndex, the_dataset
from bench.analysis.results import Results
from bench.analysis.seeds import SeedSpread, is_seed, seed_spread
from bench.analysis.tables import COLUMNS as BD_COLUMNS
from bench.analysis.tables import known_metrics
from bench.analysis.tables import row as bd_row
from bench.codec import Complexity
from bench.metrics.metric import column

_BD_KEY = ("dataset", "metric", "codec", "anchor")
COLUMNS = (
    *("dataset", "base", "change", "codec", "differs", "metric", "verdict"),
    *("seeds_low", "seeds_high", "n_seeds"),
    *(name for name in BD_COLUMNS if name not in _BD_KEY),
    *("parameters", "encode_kmac", "decode_kmac", "encode_s_per_mp", "decode_s_per_mp"),
)
#: Columns of whole numbers, which rows without a value must not turn into fractions.
_WHOLE = ("n_seeds", "image_n", "n_points", "anchor_points", "n_images", "parameters")


@dataclass(frozen=True)
class Cost:
    """What a codec costs.

    Parameters
    ----------
    encode_s, decode_s : mean seconds per megapixel over the cells that worked; NaN for none.
    complexity : None where it is not told.
    """

    encode_s: float = math.nan
    decode_s: float = math.nan
    complexity: Complexity | None = None


@dataclass(frozen=True)
class Variant:
    """A codec as its card describes it: `differs` is "added" to, "removed" from or "replaced" in
    `base`.
    """

    codec: str
    base: str
    change: str
    differs: str


@dataclass(frozen=True)
class Finding:
    """A variant against its base.

    Parameters
    ----------
    comparisons : by metric, in the order of the run; empty for a variant without a cell.
    identical : whether every cell that both have is equal, bitstream and values.
    seeds : by metric, how far the base's own trainings from other seeds lie apart, where they do.
    reason : why there is nothing to compare; empty where there is.
    """

    variant: Variant
    cost: Cost
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    identical: bool = False
    seeds: dict[str, SeedSpread] = field(default_factory=dict)
    reason: str = ""

    def verdict(self, metric: str) -> Verdict:
        """Return what is shown of the variant on one metric."""
        if metric not in self.comparisons:
            return "NA"
        comparison = self.comparisons[metric]
        if self.identical and not math.isnan(comparison.bd.bd_rate):
            return "identical"
        return verdict(comparison, self.seeds.get(metric))


@dataclass(frozen=True)
class Ablation:
    """The variants of a run over one data set, base by base.

    Parameters
    ----------
    bases : by name, in the order in which the run has them: what each costs.
    findings : by base; every base has one at least.
    timed : whether times are of the timing mode; otherwise they are indicative.
    """

    dataset: str
    metrics: tuple[str, ...]
    bases: dict[str, Cost]
    findings: dict[str, tuple[Finding, ...]]
    timed: bool

    def table(self) -> pd.DataFrame:
        """Return a row per variant and metric, each base's first; columns :data:`COLUMNS`.

        A base has one row, with the change "base" and costs alone. BD columns are those of
        :func:`~bench.analysis.tables.bd_table`; times are in seconds per megapixel; what is not
        known is NaN.
        """
        rows: list[dict[str, Any]] = []
        for base, cost in self.bases.items():
            own = {"dataset": self.dataset, "base": base, "codec": base, "change": "base"}
            rows.append(own | _cost(cost))
            for finding in self.findings[base]:
                rows += self._rows(finding)
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(_WHOLE, "Int64"))

    def _rows(self, finding: Finding) -> list[dict[str, Any]]:
        rows = []
        for metric in self.metrics:
            row = {
                "dataset": self.dataset,
                "metric": metric,
                **vars(finding.variant),
                "verdict": finding.verdict(metric),
                "reason": finding.reason,
            }
            if seeds := finding.seeds.get(metric):
                row |= {"seeds_low": seeds.low, "seeds_high": seeds.high, "n_seeds": seeds.n}
            if comparison := finding.comparisons.get(metric):
                row |= dict(zip(BD_COLUMNS, bd_row(comparison), strict=True))
            rows.append(row | _cost(finding.cost))
        return rows


def ablation(
    results: Results,
    dataset: str | None = None,
    metrics: Sequence[str] | None = None,
    *,
    left_out: Mapping[Variant, str] | None = None,
    bootstrap: Bootstrap | None = None,
) -> Ablation:
    """Compare every codec of a run that is a variant of another one of it.

    Which are, and how complex codecs are, run.json tells; a run without variants has an ablation
    without bases.

    Parameters
    ----------
    dataset : name of a data set of the run; may be left out where there is only one.
    metrics : names of metrics that were measured; all that are known here if None.
    left_out : variants that were not measured, and why.
    bootstrap : where intervals come from; seed 0 if None.

    Raises
    ------
    UsageError : a metric that was not measured; several data sets and none named.
    """
    dataset = dataset or the_dataset(results)
    results = results.only(dataset)
    metrics = tuple(known_metrics(results) if metrics is None else metrics)
    missing = left_out or {}
    named = variants(results.info)
    measured = [v for v in named if v.base in results.codecs and v.codec in results.codecs]
    bases = [v.base for v in (*measured, *missing) if v.base in results.codecs]
    costs = _costs(results)
    found = {base: list[Finding]() for base in dict.fromkeys(bases)}
    if found:
        for finding in _compare(results, measured, metrics, costs, bootstrap or Bootstrap()):
            found[finding.variant.base].append(finding)
    for variant, reason in missing.items():
        # Without a base there is nothing to stand under; run.json lists it as left out.
        if variant.base in found:
            found[variant.base].append(Finding(variant, Cost(), reason=reason))
    return Ablation(
        dataset=dataset,
        metrics=metrics,
        bases={base: costs[base] for base in found},
        findings={base: tuple(findings) for base, findings in found.items()},
        timed=bool(results.info.get("timing")),
    )


def ablations(results: Results) -> list[Ablation]:
    """Return the ablation of every data set of a run that has variants in it."""
    found = [ablation(results, dataset) for dataset in results.datasets]
    return [one for one in found if one.bases]


def variants(info: Mapping[str, Any]) -> list[Variant]:
    """Return the codecs of a run.json whose cards name a base."""
    cards = {name: codec.get("card", {}) for name, codec in info.get("codecs", {}).items()}
    return [
        Variant(name, str(card["base"]), str(card.get("change")), str(card.get("differs")))
        for name, card in cards.items()
        if card.get("base")
    ]


def _compare(
    results: Results,
    measured: Sequence[Variant],
    metrics: Sequence[str],
    costs: Mapping[str, Cost],
    draws: Bootstrap,
) -> list[Finding]:
    cells = CellIndex.of(results)
    comparisons: dict[str, dict[str, Comparison]] = {variant.codec: {} for variant in measured}
    for metric in metrics:
        curves = cells.curves(metric)
        bases = {variant.base for variant in measured}
        comparers = {base: Comparer(curves[base], bootstrap=draws) for base in bases}
        for variant in measured:
            compared = comparers[variant.base].compare(curves[variant.codec])
            comparisons[variant.codec][metric] = compared
    seeds = _seeds(measured, comparisons, metrics)
    return [
        Finding(
            variant,
            costs[variant.codec],
            comparisons[variant.codec],
            _identical(results, variant, metrics),
            seeds[variant.base],
        )
        for variant in measured
    ]


def _seeds(
    measured: Sequence[Variant],
    comparisons: Mapping[str, Mapping[str, Comparison]],
    metrics: Sequence[str],
) -> dict[str, dict[str, SeedSpread]]:
    """Return by base and metric how far its trainings from other seeds lie apart."""
    found: dict[str, dict[str, SeedSpread]] = {variant.base: {} for variant in measured}
    for base, spreads in found.items():
        again = [v.codec for v in measured if v.base == base and is_seed(v.differs)]
        for metric in metrics:
            spread = seed_spread([comparisons[codec][metric].bd.bd_rate for codec in again])
            if spread is not None:
                spreads[metric] = spread
    return found


def _identical(results: Results, variant: Variant, metrics: Sequence[str]) -> bool:
    """Whether the cells that a variant shares with its base are equal in every byte and value."""
    frame = results.frame[results.frame["status"] == "ok"]
    mine = frame[frame["codec"] == variant.codec]
    both = mine.merge(
        frame[frame["codec"] == variant.base],
        on=["image_sha256", "quality"],
        suffixes=("", "_base"),
    )
    if len(both) < len(mine) or both.empty:
        return False
    if not (both["bitstream_sha256"] == both["bitstream_sha256_base"]).all():
        return False
    names = [column(metric) for metric in metrics]
    values = both[names].to_numpy(np.float64)
    bases = both[[f"{name}_base" for name in names]].to_numpy(np.float64)
    return np.array_equal(values, bases, equal_nan=True)


def _costs(results: Results) -> dict[str, Cost]:
    frame = results.frame[results.frame["status"] == "ok"]
    megapixels = frame["width"] * frame["height"] / 1e6
    encode, decode = (
        (frame[name] / megapixels).groupby(frame["codec"]).mean().reindex(results.codecs)
        for name in ("encode_s", "decode_s")
    )
    return {
        codec: Cost(encode_s, decode_s, dearest(results.info, codec))
        for codec, encode_s, decode_s in zip(results.codecs, encode, decode, strict=True)
    }


def _cost(cost: Cost) -> dict[str, Any]:
    known = cost.complexity
    return {
        "parameters": known.parameters if known else math.nan,
        "encode_kmac": known.encode_kmac if known else math.nan,
        "decode_kmac": known.decode_kmac if known else math.nan,
        "encode_s_per_mp": cost.encode_s,
        "decode_s_per_mp": cost.decode_s,
    }

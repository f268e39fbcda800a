"""The rules on rate and quality, which are exact: curves, settings, bytes, failures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.axis import axis_of
from bench.analysis.bootstrap import Bootstrap
from bench.analysis.compare import Comparer
from bench.analysis.curves import ImageCurves
from bench.gate.align import Aligned, Pair, changes
from bench.gate.rules import Limits
from bench.gate.verdict import Finding, Outcome

#: Below this a difference is the rounding of the last digit: a baseline keeps nine.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class CodecGate:
    """The rules of one codec, each a method that yields findings."""

    aligned: Aligned
    codec: str
    limits: Limits
    #: Metrics that can't be compared, and that have been reported as such.
    faulty: frozenset[str] = frozenset()

    @property
    def pairs(self) -> Sequence[Pair]:
        """The baseline's cells of the codec."""
        return self.aligned.pairs[self.codec]

    def failures(self) -> Iterator[Finding]:
        """Check that no more cells failed than may."""
        limit = self.limits.failures
        if limit is None:
            return
        failed = [(p.was, p.now.error) for p in self.pairs if p.now and p.now.error]
        bad = len(failed) > limit
        message = f"{self.codec}: {len(failed)} of {len(self.pairs)} cells failed"
        if failed:
            cell, error = failed[0]
            message += f", the first at {cell.quality:g} on {cell.image}: {error}"
        first = failed[0][0] if failed else None
        yield Finding(
            "failures", Outcome.REGRESSION if bad else Outcome.PASS, message, self.codec,
            setting=float(first.quality) if first else math.nan, image=first.image if first else "",
            change=len(failed), limit=limit, unit="cells",
        )  # fmt: skip

    def values(self) -> Iterator[Finding]:
        """Check that a metric that was defined still is: a NaN is never within a limit."""
        for metric in self._metrics(self.limits.metrics):
            index = self.aligned.index(metric)
            lost = [
                p.was
                for p in self.pairs
                if (now := p.sound) and p.was.values[index] is not None
                and math.isnan(now.values[metric])
            ]  # fmt: skip
            if lost:
                yield Finding(
                    "value", Outcome.UNDECIDABLE,
                    f"{self.codec}: {metric} is no number any more in {len(lost)} cells, the first "
                    f"at {lost[0].quality:g} on {lost[0].image}, where it was "
                    f"{lost[0].values[index]:.6g}",
                    self.codec, metric, float(lost[0].quality), lost[0].image,
                )  # fmt: skip

    def bd_rate(self) -> Iterator[Finding]:
        """Check the BD-rate of the curve of means, and of the worst image."""
        for metric in self._metrics([*self.limits.bd_rate, *self.limits.worst_image]):
            was, now = (curves[self.codec] for curves in self.aligned.curves(metric))
            comparer = Comparer(was, bootstrap=Bootstrap())
            if (limit := self.limits.bd_rate.get(metric)) is not None:
                yield self._curve(comparer, now, metric, limit)
            if (limit := self.limits.worst_image.get(metric)) is not None:
                yield self._worst_image(comparer, now, metric, limit)

    def _curve(self, comparer: Comparer, now: ImageCurves, metric: str, limit: float) -> Finding:
        compared = comparer.compare(now)
        change = _settled(compared.bd.bd_rate)
        if math.isnan(change):
            return self._undefined("bd_rate", metric, limit, compared.bd.reason)
        message = (
            f"{self.codec}: BD-rate {change:+.3g} % over {metric} on the mean of "
            f"{compared.n_images} images (allowed {limit:g} %)"
        )
        return Finding(
            "bd_rate", _outcome(change, limit), message, self.codec, metric,
            change=change, limit=limit, unit="%", interval=compared.interval,
        )  # fmt: skip

    def _worst_image(
        self, comparer: Comparer, now: ImageCurves, metric: str, limit: float
    ) -> Finding:
        images = comparer.per_image(now)
        itself = comparer.per_image(comparer.anchor) if isinstance(
            comparer.anchor, ImageCurves
        ) else images  # fmt: skip
        sound = set(itself.images[~np.isnan(itself.bd_rate)])
        broken = [n for n, v in zip(images.images, images.bd_rate, strict=True) if np.isnan(v)]
        broken = [name for name in broken if name in sound]
        if broken or not sound or np.isnan(images.bd_rate).all():
            where = f" on {', '.join(broken[:3])}" if broken else " on any image"
            return self._undefined("worst_image", metric, limit, f"it is undefined{where}")
        worst = int(np.nanargmax(images.bd_rate))
        change, image = _settled(float(images.bd_rate[worst])), str(images.images[worst])
        unsound = len(images.images) - len(sound)
        left = f"; {unsound} images without a BD-rate in the baseline are left out"
        message = (
            f"{self.codec}: BD-rate {change:+.3g} % over {metric} on its worst image {image} "
            f"(allowed {limit:g} %){left if unsound else ''}"
        )
        return Finding(
            "worst_image", _outcome(change, limit), message, self.codec, metric,
            image=image, change=change, limit=limit, unit="%",
        )  # fmt: skip

    def _undefined(self, rule: str, metric: str, limit: float, reason: str) -> Finding:
        return Finding(
            rule, Outcome.UNDECIDABLE,
            f"{self.codec}: no BD-rate over {metric}: {reason}; if that is meant, turn the rule "
            f"off: --rule '{self.codec}:{rule}.{metric}=off'",
            self.codec, metric, limit=limit, unit="%",
        )  # fmt: skip

    def drop(self) -> Iterator[Finding]:
        """Check the mean quality at each setting."""
        for metric in self._metrics(self.limits.drop):
            limit = self.limits.drop[metric]
            if limit is None:
                continue
            axis = axis_of(metric)
            found = [
                self._drop_at(setting, pairs, metric, limit, -1 if axis.lower_is_better else 1)
                for setting, pairs in self._settings()
            ]
            yield from _worth_telling([finding for finding in found if finding])
            if not any(found):
                message = f"{self.codec}: there is no cell in which {metric} can be compared"
                yield Finding("drop", Outcome.UNDECIDABLE, message, self.codec, metric)

    def _drop_at(
        self, setting: float, pairs: Sequence[Pair], metric: str, limit: float, sign: int
    ) -> Finding | None:
        index = self.aligned.index(metric)
        was, now, names = [], [], []
        for pair in pairs:
            before, after = pair.was.values[index], pair.sound
            if before is not None and after and not math.isnan(after.values[metric]):
                was.append(before)
                now.append(after.values[metric])
                names.append(pair.was.image)
        if not names:
            return None
        before_, after_ = np.array(was), np.array(now)
        with np.errstate(invalid="ignore"):
            losses = np.where(before_ == after_, 0.0, sign * (before_ - after_))
        loss, worst = _settled(float(losses.mean())), int(losses.argmax())
        moved = f"{before_.mean():.6g} → {after_.mean():.6g}"
        message = (
            f"{self.codec} at {setting:g}: {metric} worse by {loss:.4g} ({moved}, allowed "
            f"{limit:g}), most on {names[worst]} ({losses[worst]:+.4g})"
        )
        return Finding(
            "drop", _outcome(loss, limit), message, self.codec, metric, setting, names[worst],
            loss, limit, axis_of(metric).unit,
        )  # fmt: skip

    def bytes(self) -> Iterator[Finding]:
        """Check the bytes at each setting, of all images and of each one."""
        for rule, limit in (("bytes", self.limits.bytes), ("image_bytes", self.limits.image_bytes)):
            if limit is not None:
                found = [
                    self._bytes_at(rule, setting, pairs, limit)
                    for setting, pairs in self._settings()
                ]
                yield from _worth_telling([finding for finding in found if finding])

    def _bytes_at(
        self, rule: str, setting: float, pairs: Sequence[Pair], limit: float
    ) -> Finding | None:
        sizes = [(p.was.bytes, now.bytes, p.was.image) for p in pairs if (now := p.sound)]
        if not sizes:
            return None
        was, now_, image = max(sizes, key=lambda size: size[1] / size[0])
        if rule == "bytes":
            was, now_ = sum(size[0] for size in sizes), sum(size[1] for size in sizes)
        change = 100 * (now_ / was - 1)
        whose = f"on {image}" if rule == "image_bytes" else f"over {len(sizes)} images"
        message = (
            f"{self.codec} at {setting:g}: bytes {change:+.3g} % {whose} ({was} → {now_}, allowed "
            f"{limit:g} %)"
        )
        return Finding(
            rule, _outcome(change, limit), message, self.codec, "", setting, image, change, limit,
            "%",
        )  # fmt: skip

    def exact(self, layers_named: bool) -> Iterator[Finding]:
        """Check that every bitstream is the one it was.

        Parameters
        ----------
        layers_named : whether a rule asks it of this very codec, so that passing it over would be
            a silent pass.
        """
        if not self.limits.exact:
            return
        now = self.aligned.run.info.get("codecs", {}).get(self.codec, {})
        was = self.aligned.baseline.codecs[self.codec]
        if was.bytes_depend_on_processor or now.get("bytes_depend_on_processor", True):
            if layers_named:
                yield Finding(
                    "exact", Outcome.UNDECIDABLE,
                    f"{self.codec}: bytes can't be gated: its card does not say that they are the "
                    "same on every processor (bytes_depend_on_processor: false)",
                    self.codec,
                )  # fmt: skip
            return
        sound = [(p.was, now_) for p in self.pairs if (now_ := p.sound)]
        changed = [
            (cell, here) for cell, here in sound if cell.bitstream_sha256 != here.bitstream_sha256
        ]
        message = f"{self.codec}: {len(changed)} of {len(sound)} bitstreams changed"
        if not changed:
            yield Finding(
                "exact", Outcome.PASS, message, self.codec, change=0, limit=0, unit="bitstreams"
            )
            return
        cell, here = changed[0]
        message += (
            f", the first at {cell.quality:g} on {cell.image} ({cell.bytes} → {here.bytes} bytes)"
        )
        if why := "; ".join(changes(was.identity, now.get("identity", {}))):
            message += f"; {why}"
        yield Finding(
            "exact", Outcome.REGRESSION, message, self.codec, "", float(cell.quality), cell.image,
            len(changed), 0, "bitstreams",
        )  # fmt: skip

    def _settings(self) -> list[tuple[float, list[Pair]]]:
        settings: dict[float, list[Pair]] = {}
        for pair in self.pairs:
            settings.setdefault(float(pair.was.quality), []).append(pair)
        return sorted(settings.items())

    def _metrics(self, names: Sequence[str] | dict[str, float | None]) -> list[str]:
        """Return the metrics of a rule that is on, without those that can't be compared."""
        return [name for name in dict.fromkeys(names) if name not in self.faulty]


def is_named(codec: str, patterns: Sequence[str]) -> bool:
    """Return whether some pattern names the codec itself rather than a crowd it is in."""
    return codec in patterns


def _settled(change: float) -> float:
    """Return a change without the rounding of the baseline's digits."""
    return 0.0 if abs(change) < _ROUNDING else change


def _outcome(change: float, limit: float) -> Outcome:
    if math.isnan(change):
        return Outcome.UNDECIDABLE
    if change > limit + _ROUNDING:
        return Outcome.REGRESSION
    return Outcome.BETTER if change < -max(limit, _ROUNDING) else Outcome.PASS


def _worth_telling(findings: list[Finding]) -> list[Finding]:
    """Return every offending finding of a rule, else the one nearest to its limit."""
    bad = [f for f in findings if f.outcome in (Outcome.REGRESSION, Outcome.UNDECIDABLE)]
    if bad or not findings:
        return bad
    better = [finding for finding in findings if finding.outcome is Outcome.BETTER]
    nearest = max(findings, key=lambda finding: finding.change)
    return [nearest] if not better else [min(better, key=lambda finding: finding.change)]

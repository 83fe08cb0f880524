"""Accuracy drop between two models, and whether the samples are enough to decide.

Two models that answered the same samples are compared on the samples in which they differ, or by
the paired test of their task; where neither is known, as two independent shares, which is wider.

A limit on the loss is judged in one place (`decide`): it is kept when the one-sided 95% bound of
the loss lies within it. The question has one side, so that a two-sided interval, which is printed
to show the spread, would ask for more samples than the question needs.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.results.output_quality import Accuracy
from edgecnn.statistics.proportions import (
    CONFIDENCE,
    MOST_SAMPLES,
    paired_difference,
    samples_to_decide,
    two_digits_up,
    unpaired_difference,
)

Decision = Literal["kept", "undecided", "broken"]

SURE = 0.95
"""The confidence of the one-sided bound that decides."""
TOLERANCE = 1e-9
"""0.98 − 0.97 is a little more than 0.01."""


def decide(floor: float, bound: float, limit: float) -> Decision:
    """Whether a loss lies within `limit`, all in points: `floor` and `bound` are its one-sided 95%
    bounds from below and above.
    """
    if bound <= limit + TOLERANCE:
        return "kept"
    return "broken" if floor > limit + TOLERANCE else "undecided"


@dataclass(frozen=True)
class AccuracyDrop:
    """Percentage points lost against a parent, with the 95% interval `low` … `high`.

    `lost` samples were right in the parent only, `gained` in the child only; None where the two
    could not be compared sample by sample.
    """

    points: float
    low: float
    high: float
    n: int
    lost: int | None = None
    gained: int | None = None

    @property
    def bound(self) -> float:
        """The most that is lost with 95% confidence. Where all that is known is a two-sided 95%
        interval, its upper end, which is a little more.
        """
        return self.high if self._counts is None else _one_sided(*self._counts, self.n)[1]

    @property
    def floor(self) -> float:
        """The least that is lost with 95% confidence."""
        return self.low if self._counts is None else _one_sided(*self._counts, self.n)[0]

    @property
    def _counts(self) -> tuple[int, int] | None:
        return None if self.lost is None or self.gained is None else (self.lost, self.gained)

    def decision(self, limit: float) -> Decision:
        """Whether at most `limit` points are lost, as far as `n` samples can show."""
        return decide(self.floor, self.bound, limit)

    def samples_needed(self, limit: float) -> int | None:
        """How many samples would decide the limit at the rates found; None where none would."""
        if self._counts is not None:
            return samples_to_decide(*self._counts, self.n, limit / 100, 2 * SURE - 1)
        margin = abs(limit - self.points)
        reach = self.bound - self.points if self.points <= limit else self.points - self.floor
        if margin <= 0:
            return None
        needed = ceil(self.n * (reach / margin) ** 2)
        return two_digits_up(needed) if needed <= MOST_SAMPLES else None


def pack_answers(right: npt.NDArray[np.bool_]) -> str:
    """Which samples were answered right, a bit a sample, as base64 for `Accuracy.right`."""
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii")


def answers(accuracy: Accuracy) -> npt.NDArray[np.bool_] | None:
    """Which of the `n` samples were answered right; None where that was not kept, or is damaged."""
    if not accuracy.right:
        return None
    try:
        packed = np.frombuffer(base64.b64decode(accuracy.right, validate=True), np.uint8)
    except (binascii.Error, ValueError, TypeError):
        return None
    if packed.size != (accuracy.n + 7) // 8:
        return None
    right: npt.NDArray[np.bool_] = np.unpackbits(packed, count=accuracy.n).astype(np.bool_)
    return right


def discordant(parent: Accuracy, child: Accuracy) -> tuple[int, int] | None:
    """(lost, gained) of two models' answers for the same samples; None where not kept."""
    before, after = answers(parent), answers(child)
    if before is None or after is None or before.size != after.size:
        return None
    return int((before & ~after).sum()), int((after & ~before).sum())


def drop_between(
    parent: Accuracy,
    child: Accuracy,
    *,
    same_samples: bool = True,
    confidence: float = CONFIDENCE,
) -> AccuracyDrop | None:
    """What `child` lost against `parent`.

    None for different metrics, and where neither answers nor intervals are known.
    `same_samples` says that both answered the same samples in the same order; only then is
    `confidence` heeded, since the intervals of either alone are 95% intervals.
    """
    if parent.metric != child.metric or child.n <= 0:
        return None
    counts = discordant(parent, child) if same_samples else None
    points = 100 * (parent.value - child.value)
    if counts is not None:
        low, high = paired_difference(*counts, child.n, confidence)
        return AccuracyDrop(points, 100 * low, 100 * high, child.n, *counts)
    if same_samples and child.drop_ci95 is not None and child.parent_value == parent.value:
        low, high = child.drop_ci95
        return AccuracyDrop(points, 100 * low, 100 * high, child.n)
    if parent.ci95 is None or child.ci95 is None:
        return None
    low, high = unpaired_difference(parent.value, parent.ci95, child.value, child.ci95)
    return AccuracyDrop(points, 100 * low, 100 * high, child.n)


def describe(drop: AccuracyDrop, limit: float) -> str:
    """What the samples say of a limit on the drop: "within the limit of 1", "exceeds the limit
    of 1", or that they cannot show either.
    """
    decision = drop.decision(limit)
    if decision == "kept":
        return f"within the limit of {limit:g}"
    if decision == "broken":
        return f"exceeds the limit of {limit:g}"
    return f"undecided: {too_few(drop.n, limit, drop.samples_needed(limit))}"


def too_few(n: int, limit: float, needed: int | None) -> str:
    """`360 samples cannot show whether the drop is within 1 point; about 390 would`."""
    unit = "sample" if n == 1 else "samples"
    sentence = f"{n:,} {unit} cannot show whether the drop is within {points_of(limit)}"
    return f"{sentence}; about {needed:,} would" if needed and needed > n else sentence


def points_of(count: float) -> str:
    """`1 point`, `0.5 points`."""
    return f"{count:g} {'point' if count == 1 else 'points'}"


def change(drop: AccuracyDrop) -> str:
    """The change of accuracy with its 95% interval and the bound that decides:
    `−0.28 points [−1.20, +0.64], at most 1.02 lost with 95% confidence`.
    """
    low, high = _signed(-drop.high), _signed(-drop.low)
    points = "no change" if not drop.points else f"{_signed(-drop.points)} points"
    return f"{points} [{low}, {high}], {at_most(drop.bound)}"


def at_most(bound: float) -> str:
    """`at most 1.02 lost with 95% confidence`; of a bound below zero, what is gained."""
    if bound < 0:
        return f"at least {-bound:.2f} gained with {SURE:.0%} confidence"
    return f"at most {bound:.2f} lost with {SURE:.0%} confidence"


def one_sided_bounds(
    lost: float, gained: float, n: float, confidence: float = SURE
) -> tuple[float, float]:
    """(from below, from above) of the points lost: the ends of a two-sided interval of 2c − 1."""
    low, high = paired_difference(lost, gained, n, 2 * confidence - 1)
    return 100 * low, 100 * high


@cache
def _one_sided(lost: int, gained: int, n: int) -> tuple[float, float]:
    return one_sided_bounds(lost, gained, n)


def _signed(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")

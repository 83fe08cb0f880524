"""How much accuracy a model lost against another, and whether its samples can show that.

Two models that answered the same samples are compared on the samples in which they differ, or by
the paired test of their task; where neither is known, as two independent shares, which is wider.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.output_quality import Accuracy
from edgecnn.proportions import (
    CONFIDENCE,
    MOST_SAMPLES,
    paired_difference,
    samples_to_decide,
    two_digits_up,
    unpaired_difference,
)

Decision = Literal["kept", "undecided", "broken"]


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

    def decision(self, limit: float) -> Decision:
        """Whether at most `limit` points are lost, as far as `n` samples can show."""
        if self.high <= limit + 1e-9:
            return "kept"
        return "broken" if self.low > limit else "undecided"

    def samples_needed(self, limit: float) -> int | None:
        """How many samples would decide the limit at the rates found; None where none would."""
        if self.lost is not None and self.gained is not None:
            return samples_to_decide(self.lost, self.gained, self.n, limit / 100)
        margin = abs(limit - self.points)
        reach = self.high - self.points if self.points <= limit else self.points - self.low
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
    """What the samples say of a limit on the drop.

    As in "360 samples cannot decide whether it is within the 1 allowed; about 390 would".
    """
    decision = drop.decision(limit)
    if decision == "kept":
        return f"within the {limit:g} allowed"
    if decision == "broken":
        return f"more than the {limit:g} allowed"
    needed = drop.samples_needed(limit)
    more = f"; about {needed:,} would" if needed else ""
    return f"{drop.n:,} samples cannot decide whether it is within the {limit:g} allowed{more}"


def change(drop: AccuracyDrop) -> str:
    """The change of accuracy with its 95% interval: `−0.28 points [−1.20, +0.64]`."""
    low, high = _signed(-drop.high), _signed(-drop.low)
    found = "no change" if not drop.points else f"{_signed(-drop.points)} points"
    return f"{found} [{low}, {high}]"


def _signed(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")

"""Accuracy loss of a file against its parent on the same samples, with the deciding bound.

Shares of right answers are compared sample by sample (Tango's score bound). A metric over all
samples together, such as average precision, is compared by resampling samples, the same ones for
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.evaluation.parity import chunks
from edgecnn.evaluation.tasks import Outputs, Scorer, open_scorer
from edgecnn.feeding.scoring import scoring_context
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import Preprocessing
from edgecnn.results.accuracy_drop import (
    Decision,
    answers,
    decide,
    discordant,
    one_sided_bounds,
    too_few,
)
from edgecnn.results.output_quality import Accuracy
from edgecnn.statistics.proportions import MOST_SAMPLES, two_digits_up

RESAMPLES = 200
"""For metrics over all samples together: the bound is the 95% quantile of 200 differences, or what
so few samples can show at best.
"""


@dataclass(frozen=True)
class BoundedDrop:
    """Points lost and their one-sided upper bound at `confidence`, on `n` samples.

    `lost` samples were right in the parent only, `gained` in the file only; None for a metric over
    all samples together.
    """

    points: float
    bound: float
    n: int
    confidence: float
    lost: int | None = None
    gained: int | None = None
    metric: str = "top1"
    before: float = 0.0
    after: float = 0.0
    floor: float | None = None
    """The bound from below; None where it is not known."""

    def decision(self, budget: float) -> Decision:
        """Whether the budget is kept, as far as the samples show."""
        return decide(self.points if self.floor is None else self.floor, self.bound, budget)

    def within(self, budget: float) -> bool:
        """Whether the samples show that the budget is kept."""
        return self.decision(budget) == "kept"

    def describe(self, budget: float) -> str:
        """Why the budget is not shown to be kept: too much is lost, or the samples are too few."""
        if self.decision(budget) == "broken":
            return f"more than the {budget:g} allowed"
        return too_few(self.n, budget, self.samples_needed(budget))

    def samples_needed(self, budget: float) -> int | None:
        """How many samples would show the budget, at the rates found; None where none would."""
        if self.points >= budget:
            return None
        few, many = 0.0, float(self.n)
        while self.expected(many) > budget:
            few, many = many, 2 * many
            if many > MOST_SAMPLES:
                return None
        while many - few > 0.5:
            middle = (few + many) / 2
            few, many = (few, middle) if self.expected(middle) <= budget else (middle, many)
        return two_digits_up(many)

    def expected(self, n: float) -> float:
        """The bound that `n` other samples would give at these rates. A gain is taken for chance:
        quantizing adds nothing, and what lost and gained a few answers is no safer than what
        changed none.
        """
        if self.lost is None or self.gained is None:
            points, reach = max(self.points, 0.0), self.bound - self.points
            if reach <= least_reach(self.n, self.confidence) * (1 + 1e-9):
                return points + least_reach(n, self.confidence)
            narrowed = reach * sqrt(self.n / max(n, 1))
            return points + max(narrowed, least_reach(n, self.confidence))
        scale = n / self.n
        gained = min(self.gained, (self.lost + self.gained) / 2)
        lost = self.lost + self.gained - gained
        return one_sided_bounds(lost * scale, gained * scale, n, self.confidence)[1]

    def may_show(self, budget: float, n: int) -> bool:
        """Whether `n` samples can show the budget of a file that changes an answer at all: here one
        that gains an answer for one that it loses. Always for a metric over all samples together.
        """
        return self.lost is None or one_sided_bounds(1, 1, n, self.confidence)[1] <= budget

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def least_reach(n: float, confidence: float) -> float:
    """Points by which the bound lies above what was measured at least, on `n` samples: a loss that
    none of them happens to show is possible (Tango's bound where no answer changes).
    """
    z = NormalDist().inv_cdf(confidence)
    return 100 * z * z / (n + z * z)


@runtime_checkable
class Resampling(Protocol):
    """A scorer that gives its metric for draws of the samples, the same draws for all outputs."""

    def resampled(self, outputs: Outputs, resamples: int) -> npt.NDArray[np.float64]:
        """(resamples,) values, NaN where a draw has none."""


def drop_of_shares(
    parent: Accuracy, accuracy: Accuracy, counts: tuple[int, int], confidence: float
) -> BoundedDrop:
    """What a share of right answers lost; `counts` are (lost, gained) against the parent's."""
    floor, bound = one_sided_bounds(*counts, accuracy.n, confidence)
    return BoundedDrop(
        100 * (parent.value - accuracy.value),
        bound,
        accuracy.n,
        confidence,
        *counts,
        metric=accuracy.metric,
        before=parent.value,
        after=accuracy.value,
        floor=floor,
    )


class DropEstimator:
    """Compares outputs for one data set's test split with the parent's outputs for it."""

    def __init__(
        self,
        data: Dataset,
        manifest: Manifest,
        preprocessing: Preprocessing,
        reference: Sequence[npt.NDArray[Any]],
    ) -> None:
        self._data = data
        self._context = scoring_context(data, "test", preprocessing, manifest)
        self._scorer = self._open(None)
        self._drawn: npt.NDArray[np.float64] | None = None
        self._accepts = self._scorer.accepts(reference)
        self._reference = self._scorer.ordered(reference) if self._accepts else reference
        self.parent: Accuracy | None = None
        self.refusal = "" if self._accepts else self._scorer.refusal(reference)
        """Why the parent's outputs are not answers to the data; empty where they are."""
        if self._accepts:
            self.parent = self._scorer.accuracy(self._reference)

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self._data["test"])

    def drop(self, outputs: Sequence[npt.NDArray[Any]], confidence: float) -> BoundedDrop | None:
        """What these outputs lose; None where they are not answers of the data's task."""
        if self.parent is None or not self._scorer.accepts(outputs):
            return None
        ordered = self._scorer.ordered(outputs)
        accuracy = self._scorer.accuracy(ordered)
        counts = discordant(self.parent, accuracy) if answers(accuracy) is not None else None
        if counts is not None:
            return drop_of_shares(self.parent, accuracy, counts, confidence)
        points = 100 * (self.parent.value - accuracy.value)
        floor, bound = self._resampled(ordered, confidence, points)
        reach = least_reach(accuracy.n, confidence)
        floor, bound = min(floor, points - reach), max(bound, points + reach)
        return BoundedDrop(
            points,
            bound,
            accuracy.n,
            confidence,
            metric=accuracy.metric,
            before=self.parent.value,
            after=accuracy.value,
            floor=floor,
        )

    def noise(self, outputs: Sequence[npt.NDArray[Any]]) -> float:
        """‖outputs − parent's‖² / ‖parent's‖², the largest of all outputs."""
        if self._accepts and self._scorer.accepts(outputs):
            outputs = self._scorer.ordered(outputs)
        ratios = [
            _noise(output, real)
            for output, real in zip(outputs, self._reference, strict=True)
            if output.shape == real.shape
        ]
        return max(ratios, default=float("inf"))

    def _resampled(self, outputs: Outputs, confidence: float, points: float) -> tuple[float, float]:
        if not isinstance(self._scorer, Resampling):
            return self._scored_again(outputs, confidence, points)
        if self._drawn is None:
            self._drawn = self._scorer.resampled(self._reference, RESAMPLES)
        lost = 100 * (self._drawn - self._scorer.resampled(outputs, RESAMPLES))
        return _ends(lost[np.isfinite(lost)], confidence, points)

    def _scored_again(
        self, outputs: Outputs, confidence: float, points: float
    ) -> tuple[float, float]:
        """As `_resampled`, for a task that can only be scored from the start."""
        generator = np.random.default_rng(0)
        lost = []
        for _ in range(RESAMPLES):
            places = generator.integers(0, self.n, self.n)
            try:
                scorer = self._open(places)
            except InputError:  # a draw without anything to find
                continue
            before = _value(scorer, [np.asarray(each)[places] for each in self._reference])
            after = _value(scorer, [np.asarray(each)[places] for each in outputs])
            if before is not None and after is not None:
                lost.append(100 * (before - after))
        return _ends(np.array(lost), confidence, points)

    def _open(self, places: npt.NDArray[np.int64] | None) -> Scorer:
        context = self._context
        if places is not None:
            context = replace(
                context, ground_truth=[context.ground_truth[int(place)] for place in places]
            )
        return open_scorer(self._data.task, context)


def _noise(output: npt.NDArray[Any], real: npt.NDArray[Any]) -> float:
    """‖output − real‖² / ‖real‖² of (n, …) arrays; memory holds a chunk of samples in float64."""
    error = power = 0.0
    for _, ours, theirs in chunks(real, output):
        error += float(((theirs - ours) ** 2).sum())
        power += float((ours**2).sum())
    return error / max(power, 1e-30)


def _value(scorer: Scorer, outputs: Outputs) -> float | None:
    """The metric alone: what a scorer puts next to another model's accuracy has no interval."""
    blank = Accuracy("", 0.0, 1)
    return scorer.with_parent(blank, outputs, outputs).parent_value


def _ends(lost: npt.NDArray[np.float64], confidence: float, points: float) -> tuple[float, float]:
    """The one-sided bounds of the points lost, from what was lost in each draw."""
    if not lost.size:
        return float("-inf"), float("inf")
    low, high = np.quantile(lost, [1 - confidence, confidence])
    return min(points, float(low)), max(points, float(high))

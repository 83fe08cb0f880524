"""Accuracy gate for converted files: by accuracy against the parent's where there are labels, by
outputs alone where there are none. An inconclusive comparison does not pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgecnn.evaluation.parity_findings import (
    PASS_DB,
    WORST_DB,
    constant_class,
    differing_answers,
    findings,
    inconclusive_reason,
    lost_parts,
    low_snr,
)
from edgecnn.results import Accuracy, Parity
from edgecnn.results.accuracy_drop import TOLERANCE, AccuracyDrop, change, describe, drop_between
from edgecnn.results.chance_level import uninformative_reason

DEFAULT_MAX_DROP = 1.0
"""Percentage points of accuracy."""


@dataclass(frozen=True)
class AccuracyGate:
    """The answer of a gate, the numbers it rests on, and what else to know about a pass."""

    passed: bool
    reason: str
    notes: tuple[str, ...] = ()
    undecided: bool = False
    """Nothing was proven: the parent or the samples are at fault, not the file."""


def gate(
    parent_accuracy: float,
    artifact_accuracy: float,
    max_drop: float = DEFAULT_MAX_DROP,
    *,
    drop: AccuracyDrop | None = None,
) -> AccuracyGate:
    """Whether an artifact lost at most `max_drop` percentage points of its parent's accuracy.

    Accuracies are fractions (0 … 1). A drop of exactly `max_drop` passes. `drop` holds what the
    samples can show of it; a gate fails by what was measured, and says where that is undecided:
    few samples are no fault of the file.
    """
    points = 100.0 * (parent_accuracy - artifact_accuracy)
    passed = points <= max_drop + TOLERANCE
    numbers = f"{100 * artifact_accuracy:.2f}%, parent {100 * parent_accuracy:.2f}%"
    measured = f"{'within' if passed else 'exceeds'} the limit of {max_drop:g}"
    if drop is None:
        changed = f"{-points:+.2f} points" if points else "no change"
        return AccuracyGate(passed, f"{numbers} ({changed}, {measured})")
    description = describe(drop, max_drop)
    if drop.decision(max_drop) == "undecided":
        description = f"measured {measured}, {description}"
    return AccuracyGate(passed, f"{numbers} ({change(drop)}; {description})")


def accuracy_gate(
    parity: Parity,
    before: Accuracy | None = None,
    after: Accuracy | None = None,
    *,
    max_drop: float = DEFAULT_MAX_DROP,
    synthetic: bool = False,
) -> AccuracyGate | None:
    """The gate for a file with this parity; `before` and `after` are the parent's and its own
    accuracy on the same samples, None without labels. `synthetic` samples show less than data.

    None where there is nothing to object to, and no accuracy to pass on.
    """
    if before is None or after is None:
        reasons = objections(parity, synthetic=synthetic)
        more = "; pass --data to decide" if synthetic else ""
        undecided = inconclusive_reason(parity) is not None
        return (
            AccuracyGate(False, "; ".join(reasons) + more, undecided=undecided) if reasons else None
        )
    nothing = uninformative_reason(before) or inconclusive_reason(parity)
    if nothing is not None:
        return AccuracyGate(False, nothing, undecided=True)
    drop = drop_between(before, after)
    answer = gate(before.value, after.value, max_drop, drop=drop)
    if not answer.passed:
        return replace(answer, notes=lost_parts(parity))
    if after.answered == 1 and before.answered != 1:
        return AccuracyGate(
            False, f"{answer.reason}, but the file answers one class for all {after.n} samples"
        )
    worst = low_snr(parity, WORST_DB) or differing_answers(parity)
    if worst is not None:
        return AccuracyGate(False, f"{answer.reason}, but {worst}")
    notes = (*lost_parts(parity), low_snr(parity, PASS_DB))
    return AccuracyGate(True, answer.reason, tuple(note for note in notes if note))


def objections(parity: Parity, *, synthetic: bool) -> tuple[str, ...]:
    """What speaks against a file by its outputs alone.

    Noise may well be of one class for a good parent: only data show that it knows no other.
    """
    single_class = constant_class(parity)
    return tuple(
        concern for concern in findings(parity) if not (synthetic and concern == single_class)
    )

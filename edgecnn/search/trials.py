"""Trials of a search: parameters and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, Literal

from edgecnn.errors import InputError
from edgecnn.records import FieldError, read_record
from edgecnn.registry import unknown_name
from edgecnn.selection import Constraints
from edgecnn.statistics.interval import UNKNOWN, Interval

State = Literal["complete", "pruned", "failed", "running", "waiting"]
OBJECTIVES: Mapping[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "latency": "minimize",
    "size": "minimize",
    "memory": "minimize",
}


@dataclass(frozen=True)
class TrialMeasurement:
    """What became of a trial's converted file.

    `accuracy` (0…1, with its 95% interval) is that of its own outputs on the validation split,
    `latency_ms` the median on the target, `size_bytes` the file's, `memory_bytes` the peak of a
    process that runs it.
    """

    accuracy: float
    latency_ms: float
    size_bytes: int
    memory_bytes: int | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    verdict: str = ""
    metric: str = ""
    samples: int = 0

    def value(self, objective: str) -> float:
        """The number of an objective; what is not known of memory is the worst."""
        value = {
            "accuracy": self.accuracy,
            "latency": self.latency_ms,
            "size": float(self.size_bytes),
            "memory": float(self.memory_bytes) if self.memory_bytes is not None else inf,
        }[objective]
        return value if value != inf else 1e18


@dataclass(frozen=True)
class Trial:
    """One trial. `parameters` are those that are searched; `first` marks the network as its paper
    has it, as far as the space lets it.

    `macs` are multiplications of an inference, `accuracies` the validation accuracy in float
    behind each epoch; `reason` says why it failed or was ended early; `retry_of` is the trial of
    the same parameters whose process was lost.
    """

    number: int
    state: State
    parameters: Mapping[str, Any] = field(default_factory=dict)
    measured: TrialMeasurement | None = None
    accuracies: tuple[float, ...] = ()
    macs: float | None = None
    weights: int | None = None
    reason: str = ""
    retry_of: int | None = None
    retried: bool = False
    first: bool = False
    seconds: float | None = None

    # What a selection asks of a candidate (see `selection.Candidate`).
    drop: float | None = None
    drop_bound: float | None = None
    paired_p50: float | None = None
    paired_throughput: float | None = None
    ties: tuple[int, ...] = ()
    batch: int = 1
    throughput: float | None = None
    energy: float | None = None

    @property
    def id(self) -> int:
        return self.number

    @property
    def p50(self) -> float | None:
        return self.measured.latency_ms if self.measured else None

    @property
    def accuracy(self) -> float | None:
        return self.measured.accuracy if self.measured else None

    @property
    def accuracy_interval(self) -> Interval:
        measured = self.measured
        if measured is None:
            return UNKNOWN
        return Interval(measured.accuracy, measured.accuracy_low, measured.accuracy_high)

    @property
    def peak_rss(self) -> float | None:
        return self.measured.memory_bytes if self.measured else None

    @property
    def size(self) -> float | None:
        return self.measured.size_bytes if self.measured else None

    @property
    def counts(self) -> bool:
        """Whether it is one of the trials that were asked for: a lost one that was tried again is
        not.
        """
        return not self.retried and self.state in ("complete", "pruned", "failed")

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "state": self.state,
            "parameters": dict(self.parameters),
            "measured": asdict(self.measured) if self.measured else None,
            "accuracies": list(self.accuracies),
            "macs": self.macs,
            "weights": self.weights,
            "reason": self.reason,
            "retry_of": self.retry_of,
            "first": self.first,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class SearchGoal:
    """What a search should keep and what it looks for.

    `objectives` steer it; `choice` is what the winner is best at among the trials within the
    limits: "latency" loses at most `max_drop` points against the first trial, "accuracy" is
    free.
    """

    objectives: tuple[str, ...] = ("accuracy", "latency")
    max_latency_ms: float | None = None
    max_size_bytes: float | None = None
    max_memory_bytes: float | None = None
    choice: str = ""
    max_drop: float | None = None

    def __post_init__(self) -> None:
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise unknown_name("objective", name, OBJECTIVES)
        if "accuracy" not in self.objectives or len(self.objectives) < 2:
            raise InputError(
                f"a search is for accuracy and something else, received: "
                f"{', '.join(self.objectives) or 'nothing'}",
                hint="as in --objectives accuracy,latency,size",
            )
        if self.choice and self.choice not in OBJECTIVES:
            raise unknown_name("objective", self.choice, OBJECTIVES)
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise InputError(f"--max-drop takes points from 0 to 100, received: {self.max_drop:g}")

    @property
    def limited(self) -> dict[str, float]:
        """Objective → its limit, of those that have one."""
        limits = {
            "latency": self.max_latency_ms,
            "size": self.max_size_bytes,
            "memory": self.max_memory_bytes,
        }
        return {name: value for name, value in limits.items() if value is not None}

    @property
    def chosen_by(self) -> str:
        """What the winner is best at: what was asked for, else accuracy within limits, else
        latency at no less accuracy than the first trial's.
        """
        return self.choice or ("accuracy" if self.limited else "latency")

    @property
    def limits(self) -> Constraints:
        """For choosing among trials."""
        drop = self.max_drop
        if drop is None and self.chosen_by != "accuracy":
            drop = 0.0
        objective: Any = self.chosen_by
        return Constraints(
            drop=drop,
            p50=self.max_latency_ms,
            peak_rss=self.max_memory_bytes,
            size=self.max_size_bytes,
            objective=objective,
        )

    def excess(self, measured: TrialMeasurement) -> dict[str, float]:
        """Limit → how far over it, as a share of it; 0 or less is kept."""
        return {name: measured.value(name) / most - 1 for name, most in self.limited.items()}


def with_drops(trials: Sequence[Trial]) -> list[Trial]:
    """The complete trials, each with its points lost against the first trial (or, where that
    failed, against the most accurate).
    """
    complete = [each for each in trials if each.state == "complete" and each.measured]
    if not complete:
        return []
    best = max(complete, key=lambda each: each.accuracy or 0.0)
    base = next((each for each in complete if each.first), best).accuracy or 0.0
    return [replace(each, drop=100 * (base - (each.accuracy or 0.0))) for each in complete]


def read_measured(values: Any) -> TrialMeasurement | None:
    """What a database holds; None for anything else than a measurement."""
    if not isinstance(values, Mapping):
        return None
    try:
        return read_record(TrialMeasurement, values, "measured")
    except FieldError:
        return None

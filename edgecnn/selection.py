"""Choose among measured configurations by limits and an objective.

A pure function over anything that has the numbers: the report's answer, the command line and the
search choose by it, so that no two of them answer one question differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from edgecnn.deprecation import old_names
from edgecnn.results.accuracy_drop import TOLERANCE, decide
from edgecnn.statistics.interval import Interval

Objective = Literal["latency", "throughput", "accuracy", "size", "memory", "energy"]


class Candidate(Protocol):
    """What is known of a configuration; None where nothing is.

    `drop` is percentage points of accuracy lost and `drop_bound` the most that is lost with 95%
    confidence, `p50` milliseconds, `throughput` samples a second, `accuracy` and its interval
    shares (0 … 1), `peak_rss` and `size` bytes, `energy` joules for an inference. `paired_p50` and
    `paired_throughput` come from rounds in which the candidates took turns; they rank those that
    have them. `ties` are the ids of slower ones that are statistically indistinguishable from it.
    """

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def batch(self) -> int: ...
    @property
    def drop(self) -> float | None: ...
    @property
    def drop_bound(self) -> float | None: ...
    @property
    def p50(self) -> float | None: ...
    @property
    def paired_p50(self) -> float | None: ...
    @property
    def throughput(self) -> float | None: ...
    @property
    def paired_throughput(self) -> float | None: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def accuracy_interval(self) -> Interval: ...
    @property
    def peak_rss(self) -> float | None: ...
    @property
    def size(self) -> float | None: ...
    @property
    def energy(self) -> float | None: ...
    @property
    def ties(self) -> tuple[int, ...]: ...


Taken = TypeVar("Taken", bound=Candidate)


@dataclass(frozen=True)
class Constraints:
    """What a configuration may cost at most; None is no limit.

    `drop` is percentage points of accuracy against the baseline, `p50` milliseconds,
    `peak_rss` and `size` bytes, `energy` joules for an inference.
    """

    drop: float | None = 1.0
    p50: float | None = None
    peak_rss: float | None = None
    size: float | None = None
    energy: float | None = None
    objective: Objective = "latency"


LIMITED = ("drop", "p50", "peak_rss", "size", "energy")
"""What a limit can be set for: fields of Constraints and of a candidate."""


@dataclass(frozen=True)
class Selection(Generic[Taken]):
    """The best candidate, None when none is within the limits, or none of those has the
    objective's number.

    `ties` are as good as far as was measured, `runner_up` is the first of the ranking that is
    not. `within` are all candidates that keep the limits.
    """

    best: Taken | None
    ties: tuple[Taken, ...]
    runner_up: Taken | None
    within: tuple[Taken, ...]


def choose(candidates: Sequence[Taken], limits: Constraints) -> Selection[Taken]:
    """The best candidate within the limits.

    Those whose samples show that they keep the limit on the drop come before those that only
    measured so; where none does (the parent itself shows nothing), all compete. Where time decides,
    noisy ones are taken only where there are no others, unless rounds that all took part in rank
    them: what disturbed a round disturbed all its rows. Those without the objective's number do
    not compete.
    """
    within = tuple(each for each in candidates if allowed(each, limits, candidates))
    known = [each for each in within if RANK[limits.objective](each) is not None]
    proven = [each for each in known if is_shown(each, limits)]
    if all(each.drop_bound == 0 for each in proven):
        proven = known
    sure = [each for each in proven if each.state != "NOISY" or _may_be_noisy(each, limits)]
    ranked = by_objective(sure or proven, limits.objective)
    if not ranked:
        return Selection(None, (), None, within)
    best, *behind = ranked
    ties = tuple(each for each in behind if tied(best, each, limits.objective))
    tied_ids = {each.id for each in ties}
    runner_up = next((each for each in behind if each.id not in tied_ids), None)
    return Selection(best, ties, runner_up, within)


def is_shown(candidate: Candidate, limits: Constraints) -> bool:
    """Whether samples show that the limit on the drop is kept (`results.accuracy_drop.decide`)."""
    if limits.drop is None:
        return True
    bound = candidate.drop_bound
    return bound is not None and decide(bound, bound, limits.drop) == "kept"


_TIMED = ("latency", "throughput", "energy")


def _may_be_noisy(candidate: Candidate, limits: Constraints) -> bool:
    """Whether it does not matter that what was measured of a candidate's time spreads."""
    untimed = limits.objective not in _TIMED and limits.p50 is None
    return untimed or is_paired(candidate, limits.objective)


def is_paired(candidate: Candidate, objective: Objective) -> bool:
    """Whether it is ranked by rounds that it shares with others."""
    paired = {"latency": candidate.paired_p50, "throughput": candidate.paired_throughput}
    return paired.get(objective) is not None


def allowed(candidate: Candidate, limits: Constraints, group: Sequence[Candidate]) -> bool:
    """Whether a candidate keeps every limit. A number that is missing keeps none.

    Where nothing in `group` has a number for a limit, that limit cannot be judged and is
    ignored; whoever reports the choice says so (`unjudged`).
    """
    for name in LIMITED:
        limit = getattr(limits, name)
        if limit is None:
            continue
        value = getattr(candidate, name)
        if value is None:
            if any(getattr(other, name) is not None for other in group):
                return False
        elif value > limit + TOLERANCE:
            return False
    return True


def unjudged(group: Sequence[Candidate], limits: Constraints) -> list[str]:
    """The limits for which nothing in the group has a number."""
    return [
        name
        for name in LIMITED
        if getattr(limits, name) is not None and all(getattr(each, name) is None for each in group)
    ]


def by_objective(candidates: Sequence[Taken], objective: Objective) -> list[Taken]:
    """The candidates that have the objective's number, best first."""
    value = RANK[objective]
    ranked = [each for each in candidates if value(each) is not None]
    latency = RANK["latency"]
    return sorted(ranked, key=lambda each: (value(each) or 0.0, latency(each) or 0.0, each.id))


def tied(best: Candidate, other: Candidate, objective: Objective) -> bool:
    """Whether `other`, which ranks behind, is indistinguishable from `best`."""
    if objective == "accuracy":
        low, high = best.accuracy_interval.low, other.accuracy_interval.high
        return low is not None and high is not None and low <= high
    if objective == "latency" or (objective == "throughput" and best.batch == other.batch):
        return other.id in best.ties
    return RANK[objective](best) == RANK[objective](other)


def front(candidates: Sequence[Taken]) -> list[Taken]:
    """The candidates that no other beats in latency without losing more accuracy, fastest first.

    Those without a latency or a drop are left out.
    """
    comparable = [each for each in candidates if each.p50 is not None and each.drop is not None]
    kept: list[Taken] = []
    for each in sorted(comparable, key=lambda one: (one.p50 or 0.0, one.drop or 0.0)):
        if not kept or (each.drop or 0.0) < (kept[-1].drop or 0.0) - 1e-9:
            kept.append(each)
    return kept


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


RANK: Mapping[str, Callable[[Candidate], float | None]] = {
    "latency": lambda each: each.p50 if each.paired_p50 is None else each.paired_p50,
    "throughput": lambda each: _negative(
        each.throughput if each.paired_throughput is None else each.paired_throughput
    ),
    "accuracy": lambda each: _negative(each.accuracy),
    "size": lambda each: each.size,
    "memory": lambda each: each.peak_rss,
    "energy": lambda each: each.energy,
}
"""What is least in the best."""


__getattr__ = old_names(__name__, {"Limits": "Constraints"})

"""Regression gate: rows that are slower, less accurate or broken against stored results.

A row that was measured together with its baseline in the same rounds is compared round by round
(`statistics.ratios.paired`), which is sharpest. Any other row is compared with the distribution of
its baseline: the stored sessions of the same configuration on the same machine since the last
change point. What differs between sessions is estimated from them together with what is known of
other rows (`SESSION_SPREAD`, worth `KNOWN` sessions), so that two sessions that agree by chance do
not make a third look like a regression.

A gate that looks at many rows would fail by chance more often than one that looks at few:
the rows' one-sided p-values are adjusted together (Holm 1979), so that of 100 gates over unchanged
code one fails at most. Each row says how large a slowdown it would find in 95 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log, log1p, sqrt
from statistics import fmean, median, variance
from typing import Literal

from edgecnn import numbers
from edgecnn.analysis import matching
from edgecnn.analysis.compare import accuracy_change
from edgecnn.analysis.pairing import Times, times_of
from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.results import Measurement
from edgecnn.statistics.ratios import FEWEST, paired
from edgecnn.statistics.samples import SESSION_SPREAD, student_t, student_tail

GateOutcome = Literal["slower", "faster", "less accurate", "broken", "same", "undecided", "new"]
FAILING: tuple[GateOutcome, ...] = ("slower", "less accurate", "broken")

THRESHOLD = 0.01
"""The least slowdown that fails: smaller ones may be sure and still not matter."""
ALARMS = 0.01
"""How often a gate over unchanged code fails, at most."""
FOUND = 0.95
KNOWN = 8
MOST_SESSIONS = 20


@dataclass(frozen=True)
class Effect:
    """How much slower a row is: the logarithm of the ratio, its standard error, and from what."""

    log_ratio: float
    error: float
    degrees: int
    before_ms: float
    after_ms: float
    how: str

    @property
    def p_slower(self) -> float:
        """How likely a ratio so large is when nothing changed."""
        return student_tail(self.log_ratio / self.error, self.degrees)

    @property
    def ratio(self) -> float:
        """after / before."""
        return exp(self.log_ratio)

    def interval(self) -> tuple[float, float]:
        """The 95% interval of the ratio."""
        reach = student_t(0.95, self.degrees) * self.error
        return exp(self.log_ratio - reach), exp(self.log_ratio + reach)

    def detectable(self, alarms: float, threshold: float = 0.0) -> float:
        """The slowdown (as a ratio) that is found in 95 of 100 cases at that rate of alarms, where
        only what is measured beyond `threshold` counts.
        """
        least = max(student_t(1 - 2 * alarms, self.degrees) * self.error, log1p(threshold))
        return exp(least + student_t(2 * FOUND - 1, self.degrees) * self.error)


@dataclass(frozen=True)
class GatedRow:
    """A row of the gate. `effect` is None where no times could be compared, `why` says why."""

    name: str
    row: Measurement
    outcome: GateOutcome
    effect: Effect | None = None
    why: str = ""
    points: float | None = None
    """Change of accuracy in percentage points, after minus before."""
    detectable: float | None = None
    """The smallest slowdown that this row would show in 95 of 100 cases, as a ratio."""


@dataclass(frozen=True)
class RegressionGate:
    """The answer: every row, and what it was held against."""

    against: str
    rows: tuple[GatedRow, ...]
    threshold: float = THRESHOLD

    def having(self, *outcomes: GateOutcome) -> list[GatedRow]:
        """The rows of those outcomes."""
        return [row for row in self.rows if row.outcome in outcomes]

    @property
    def failed(self) -> bool:
        """Whether anything got worse."""
        return bool(self.having(*FAILING))


@dataclass(frozen=True)
class GateBaseline:
    """What a row is held against: the stored rows of its configuration, the newest last.

    `remeasured` is the row of the baseline that was measured in the same rounds as the new one.
    """

    rows: tuple[Measurement, ...] = ()
    remeasured: Measurement | None = None
    why: str = ""
    """Why there are none."""


def regression_gate(
    pairs: Sequence[tuple[Measurement, GateBaseline]],
    against: str,
    *,
    threshold: float = THRESHOLD,
    same_samples: bool = True,
) -> RegressionGate:
    """Hold each new row against its baseline. `against` names the baseline for people.

    Raises InputError for a threshold that is not a share of 1.
    """
    if not 0 <= threshold < 1:
        raise InputError(f"the threshold must lie between 0 and 1, received: {threshold:g}")
    judged = [_first_look(row, base, same_samples) for row, base in pairs]
    effects = [row.effect for row in judged if row.effect is not None]
    alarms = ALARMS / max(1, len(effects))
    slower = _holm([effect.p_slower for effect in effects])
    faster = _holm([1 - effect.p_slower for effect in effects])
    chances = iter(zip(slower, faster, strict=True))
    decided = []
    for row in judged:
        if row.effect is None:
            decided.append(row)
            continue
        outcome = _outcome(row.effect, *next(chances), threshold)
        if row.outcome == "less accurate":
            outcome = row.outcome
        detectable = row.effect.detectable(alarms, threshold)
        decided.append(replace(row, outcome=outcome, detectable=detectable))
    return RegressionGate(against, tuple(decided), threshold)


def _first_look(row: Measurement, base: GateBaseline, same_samples: bool) -> GatedRow:
    """A row with its effect, and whatever can be said without looking at the other rows."""
    name = matching.name(row)
    before = base.rows[-1] if base.rows else base.remeasured
    if before is None:
        return GatedRow(name, row, "new", why=base.why or "no stored row to compare with")
    trouble = row.unusable_reason
    if trouble:
        return GatedRow(name, row, "broken", why=trouble)
    accuracy = None
    if row.accuracy is not None and before.accuracy is not None:
        accuracy = accuracy_change(before.accuracy, row.accuracy, same_samples=same_samples)
    effect, why = effect_of(row, base)
    outcome: GateOutcome = "undecided"
    points = accuracy[0] if accuracy else None
    if accuracy and accuracy[2] == "worse":
        outcome = "less accurate"
    return GatedRow(name, row, outcome, effect, why, points)


def effect_of(row: Measurement, base: GateBaseline) -> tuple[Effect | None, str]:
    """How much slower `row` is than its baseline; or None, and why nothing can be said."""
    new = times_of(row)
    if base.remeasured is not None:
        effect = _together(times_of(base.remeasured), new)
        if effect is not None:
            return effect, ""
    if new.watched and not new.quiet:
        return None, "a neighbor shared the core all the time"
    sessions = [_logs(times) for times in map(times_of, base.rows) if times.watched == new.watched]
    sessions = [logs for logs in sessions if len(logs) >= FEWEST][-MOST_SESSIONS:]
    own = _logs(new)
    if len(own) < FEWEST:
        return None, f"{len(own)} processes, {FEWEST} are needed: measure with --processes 5"
    if not sessions:
        return None, "no stored session of it has three undisturbed processes"
    return _against(sessions, own), ""


def _together(before: Times, after: Times) -> Effect | None:
    sides = [dict(before.quiet), dict(after.quiet)]
    if len(sides[0].keys() & sides[1].keys()) < FEWEST:
        sides = [dict(before.every), dict(after.every)]
    ratio = paired(*sides)
    if ratio is None:
        return None
    shared = sides[0].keys() & sides[1].keys()
    first, second = (median(side[number] for number in shared) for side in sides)
    error = max(ratio.error, _LEAST_ERROR)
    how = f"measured together with it in {numbers.plural(ratio.rounds, 'round')}"
    return Effect(log(ratio.value), error, ratio.degrees, first, second, how)


_LEAST_ERROR = 1e-6


def _against(sessions: Sequence[Sequence[float]], own: Sequence[float]) -> Effect:
    """A new session against stored ones: the sessions scatter, and so do their processes."""
    count = len(sessions)
    means = [fmean(logs) for logs in sessions]
    within = fmean([variance(logs) / len(logs) for logs in sessions])
    scatter = max((variance(means) if count > 1 else 0.0) - within, 0.0)
    between = (KNOWN * SESSION_SPREAD**2 + (count - 1) * scatter) / (KNOWN + count - 1)
    parts = (
        (between * (1 + 1 / count), KNOWN + count - 1),
        (variance(own) / len(own), len(own) - 1),
        (within / count, sum(len(logs) - 1 for logs in sessions)),
    )
    total = sum(part for part, _ in parts)
    degrees = total**2 / sum(part**2 / free for part, free in parts)
    before, after = fmean(means), fmean(own)
    how = f"against {numbers.plural(count, 'stored session')}"
    return Effect(
        after - before, max(sqrt(total), _LEAST_ERROR), max(1, int(degrees + 1e-9)),
        exp(before), exp(after), how,
    )  # fmt: skip


def _logs(times: Times) -> list[float]:
    """Logarithms of the undisturbed process times; of all where nobody looked at the machine."""
    return [log(time) for _, time in (times.quiet if times.watched else times.every)]


def _holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979), in the order they came in."""
    adjusted = [1.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def _outcome(effect: Effect, slower: float, faster: float, threshold: float) -> GateOutcome:
    if slower <= ALARMS and effect.ratio >= 1 + threshold:
        return "slower"
    if faster <= ALARMS and effect.ratio <= 1 / (1 + threshold):
        return "faster"
    low, high = effect.interval()
    margin = 1 + max(threshold, _SAME)
    return "same" if 1 / margin <= low and high <= margin else "undecided"


_SAME = 0.03


__getattr__ = old_names(
    __name__,
    {
        "Outcome": "GateOutcome",
        "Gate": "RegressionGate",
        "Baseline": "GateBaseline",
        "headline": "edgecnn.reporting.gate:headline",
        "markdown": "edgecnn.reporting.gate:markdown",
        "sentence": "edgecnn.reporting.gate:sentence",
    },
)

"""The answer: for each device the best configuration within the reader's limits, in a sentence.

`assets/answer.js` gives the same answer on the page, where the limits can be changed; a
browser test holds both together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgecnn.reporting import formats
from edgecnn.reporting.row import Row

Objective = Literal["latency", "throughput", "accuracy", "size", "memory", "energy"]


@dataclass(frozen=True)
class Limits:
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


@dataclass(frozen=True)
class Choice:
    """The best row on one device of one machine, or None when nothing is within the limits."""

    machine_label: str
    device: str
    scenario: str
    row: Row | None
    runner_up: Row | None
    tied: bool
    """The runner-up's interval overlaps: the two cannot be told apart."""
    within: int
    measured: int
    sentence: str


_RANK: Mapping[str, Callable[[Row], float | None]] = {
    "latency": lambda row: row.p50,
    "throughput": lambda row: None if row.throughput is None else -row.throughput,
    "accuracy": lambda row: None if row.accuracy is None else -row.accuracy,
    "size": lambda row: row.size,
    "memory": lambda row: row.peak_rss,
    "energy": lambda row: row.energy,
}
_SUPERLATIVE = {
    "latency": "fastest",
    "throughput": "highest throughput",
    "accuracy": "most accurate",
    "size": "smallest file",
    "memory": "least memory",
    "energy": "least energy",
}


def choose(rows: Sequence[Row], limits: Limits | None = None) -> list[Choice]:
    """The best configuration for each (machine, device, scenario) that has a usable number.

    In scenarios other than "single_stream" the fastest is the one with most throughput: there
    a latency is that of a query of several samples, or counts waiting.
    """
    limits = limits or Limits()
    groups: dict[tuple[int, str, str], list[Row]] = {}
    for row in rows:
        if row.measured:
            groups.setdefault(group_of(row), []).append(row)
    return [_choice(group, limits) for group in groups.values()]


def group_of(row: Row) -> tuple[int, str, str]:
    """Rows of one group compete for an answer."""
    return row.machine, row.device, row.scenario


def _choice(group: Sequence[Row], limits: Limits) -> Choice:
    first = group[0]
    if first.scenario != "single_stream" and limits.objective == "latency":
        limits = replace(limits, objective="throughput")
    within = [row for row in group if allowed(row, limits, group)]
    sure = [row for row in within if row.state != "NOISY"]
    ranked = _ranked(sure or within, limits.objective)
    best = ranked[0] if ranked else None
    runner_up = ranked[1] if len(ranked) > 1 else None
    tied = best is not None and runner_up is not None and _overlap(best, runner_up, limits)
    place = f"{first.machine_label}, {first.device}{_scenario(first)}"
    counts = (len(within), len(group))
    if best is None:
        sentence = (
            f"{place}: none of {formats.plural(len(group), 'measured configuration')} is within "
            f"{describe(limits)}."
        )
    else:
        sentence = _sentence(place, best, runner_up, tied=tied, counts=counts, limits=limits)
    group_name = (first.machine_label, first.device, first.scenario)
    return Choice(*group_name, best, runner_up, tied, *counts, sentence)


def allowed(row: Row, limits: Limits, group: Sequence[Row]) -> bool:
    """Whether `row` keeps every limit. A number that is missing keeps none.

    Where no row of `group` has a number for a limit, that limit cannot be judged and is
    passed by; the sentence then says that it was not measured.
    """
    for name in ("drop", "p50", "peak_rss", "size", "energy"):
        limit = getattr(limits, name)
        if limit is None:
            continue
        value = getattr(row, name)
        if value is None:
            if any(getattr(other, name) is not None for other in group):
                return False
        elif value > limit + 1e-9:
            return False
    return True


def describe(limits: Limits) -> str:
    """The limits in words."""
    words = []
    if limits.drop is not None:
        words.append(f"accuracy drop ≤ {limits.drop:g} points")
    if limits.p50 is not None:
        words.append(f"latency ≤ {limits.p50:g} ms")
    if limits.peak_rss is not None:
        words.append(f"memory ≤ {limits.peak_rss / 1e6:g} MB")
    if limits.size is not None:
        words.append(f"file ≤ {limits.size / 1e6:g} MB")
    if limits.energy is not None:
        words.append(f"energy ≤ {limits.energy * 1e3:g} mJ")
    return ", ".join(words) or "no limits"


def name(row: Row) -> str:
    """`lenet5.static_int8.tflite on litert:cpu, 1 thread`."""
    batch = f", batch {row.batch}" if row.batch != 1 else ""
    streams = f", {row.streams} streams" if row.streams != 1 else ""
    strict = ", strict float32" if row.precision_asked == "strict_float32" else ""
    cores = f", cores {row.affinity}" if row.affinity else ""
    threads = formats.plural(row.threads, "thread")
    return f"{row.artifact} on {row.configuration}, {threads}{batch}{streams}{strict}{cores}"


def _ranked(rows: Sequence[Row], objective: Objective) -> list[Row]:
    value = _RANK[objective]
    ranked = [row for row in rows if value(row) is not None]
    return sorted(ranked, key=lambda row: (value(row) or 0.0, row.p50 or 0.0, row.id))


def _overlap(best: Row, other: Row, limits: Limits) -> bool:
    if limits.objective == "latency":
        low, high = other.p50_low, best.p50_high
    elif limits.objective == "accuracy":
        low, high = best.accuracy_low, other.accuracy_high
    else:
        return _RANK[limits.objective](best) == _RANK[limits.objective](other)
    return low is not None and high is not None and low <= high


def _scenario(row: Row) -> str:
    return "" if row.scenario == "single_stream" else f", {row.scenario.replace('_', ' ')}"


def _speed(row: Row) -> str:
    if row.scenario != "single_stream" or row.p50 is None:
        return f"{formats.number(row.throughput)} samples a second"
    interval = formats.interval(row.p50_low, row.p50_high, row.p50)
    return f"{formats.number(row.p50)} ms{' ' + interval if interval else ''} an inference"


def _sentence(
    place: str,
    best: Row,
    runner_up: Row | None,
    *,
    tied: bool,
    counts: tuple[int, int],
    limits: Limits,
) -> str:
    facts = [_speed(best)]
    if best.accuracy is None:
        facts.append("accuracy not measured")
    else:
        drop = f", {formats.points(-best.drop)} points" if best.drop is not None else ""
        facts.append(
            f"{best.metric} {formats.percent(best.accuracy)} (n = {best.accuracy_n:,}{drop})"
        )
    if best.size is not None:
        facts.append(f"{formats.size(best.size)} file")
    if best.peak_rss is not None:
        facts.append(f"{formats.size(best.peak_rss)} peak memory")
    if best.energy is not None:
        facts.append(f"{formats.number(best.energy * 1e3)} mJ")
    within, measured = counts
    text = (
        f"{place}: {name(best)}: {', '.join(facts)}; "
        f"{_SUPERLATIVE[limits.objective]} of {within} within {describe(limits)} "
        f"({measured} measured)."
    )
    if runner_up is not None:
        text += f" {_against_runner_up(best, runner_up, tied=tied)}"
    if best.state == "NOISY":
        text += " The measurement is noisy; measure again before you rely on it."
    if best.software:
        text += " The device is emulated in software."
    return text


def _against_runner_up(best: Row, other: Row, *, tied: bool) -> str:
    if tied:
        return f"Cannot be told apart from {name(other)}."
    if best.timed and best.p50 and other.p50 and other.p50 > best.p50:
        times = f"{other.p50 / best.p50:.2f}"
        if times == "1.00":
            return f"Practically as fast: {name(other)}."
        return f"Next: {name(other)}, {times}× the latency."
    return f"Next: {name(other)}."

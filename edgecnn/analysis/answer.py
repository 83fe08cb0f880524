"""Find the best configuration within limits for each network and device.

`assets/answer.js` gives the same answer on the page, where the limits can be changed; a
browser test holds both together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecnn import numbers, selection
from edgecnn.analysis.baselines import group_of
from edgecnn.analysis.row import Row
from edgecnn.deprecation import old_names
from edgecnn.results.accuracy_drop import at_most, points_of, too_few
from edgecnn.selection import Constraints, allowed

__all__ = ["BestRow", "Constraints", "allowed", "choose", "contention", "describe", "name"]


@dataclass(frozen=True)
class BestRow:
    """The best row of one network on one device of one machine, None when none is within limits."""

    machine_label: str
    device: str
    scenario: str
    model: str
    row: Row | None
    ties: tuple[Row, ...]
    """Rows within the limits that are statistically indistinguishable from the best."""
    runner_up: Row | None
    """The first of the ranking that is not."""
    within: int
    measured: int
    sentence: str

    @property
    def tied(self) -> bool:
        """Whether another row is as good as the best, as far as was measured."""
        return bool(self.ties)


WORTH_SAYING = 0.05
"""Share of the time with a neighbor on the core from which on it is mentioned."""
_UNJUDGED = {
    "drop": "the accuracy drop, for which no parent was measured",
    "p50": "latency",
    "peak_rss": "memory",
    "size": "file size",
    "energy": "energy",
}
_SUPERLATIVE = {
    "latency": "fastest",
    "throughput": "highest throughput",
    "accuracy": "most accurate",
    "size": "smallest file",
    "memory": "least memory",
    "energy": "least energy",
}


def choose(rows: Sequence[Row], limits: Constraints | None = None) -> list[BestRow]:
    """The best configuration for each group of rows (`baselines.group_of`) with a usable number.

    Files of different networks never compete. In scenarios other than "single_stream" the
    fastest is the one with most throughput: there a latency is that of a query of several
    samples, or counts waiting.
    """
    limits = limits or Constraints()
    several = len({row.model for row in rows if row.measured}) > 1
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row.measured:
            groups.setdefault(group_of(row), []).append(row)
    return [_choice(group, limits, several=several) for group in groups.values()]


def _choice(group: Sequence[Row], limits: Constraints, *, several: bool) -> BestRow:
    first = group[0]
    if first.scenario != "single_stream" and limits.objective == "latency":
        limits = replace(limits, objective="throughput")
    choice = selection.choose(group, limits)
    best, ties, runner_up = choice.best, choice.ties, choice.runner_up
    work = f", {first.work}" if first.work else ""
    place = f"{first.machine_label}, {first.device}{_scenario(first)}{work}"
    if several:
        place += f", {first.model}"
    counts = (len(choice.within), len(group))
    if best is None:
        measured = numbers.plural(len(group), "measured configuration")
        sentence = (
            f"{place}: {limits.objective} was not measured ({measured})."
            if choice.within
            else f"{place}: none of {measured} is within {describe(limits)}."
        )
    else:
        unjudged = selection.unjudged(group, limits)
        sentence = _sentence(place, best, counts=counts, limits=limits, unjudged=unjudged)
        sentence += _against_others(best, ties, runner_up, limits)
        sentence += _reservations(best)
    names = (first.machine_label, first.device, first.scenario, first.model)
    return BestRow(*names, best, ties, runner_up, *counts, sentence)


def describe(limits: Constraints, leave_out: Sequence[str] = ()) -> str:
    """The limits in words, empty without any; `leave_out` names those not to speak of."""
    words = {
        "drop": lambda value: f"accuracy drop ≤ {points_of(value)}",
        "p50": lambda value: f"latency ≤ {value:g} ms",
        "peak_rss": lambda value: f"memory ≤ {value / 1e6:g} MB",
        "size": lambda value: f"file ≤ {value / 1e6:g} MB",
        "energy": lambda value: f"energy ≤ {value * 1e3:g} mJ",
    }
    clauses = [
        words[name](getattr(limits, name))
        for name in selection.LIMITED
        if getattr(limits, name) is not None and name not in leave_out
    ]
    return ", ".join(clauses)


def name(row: Row) -> str:
    """`lenet5.static_int8.tflite on litert:cpu, 1 thread`."""
    batch = f", batch {row.batch}" if row.batch != 1 else ""
    streams = f", {row.streams} streams" if row.streams != 1 else ""
    work = f", {row.work}" if row.work else ""
    beam = f", beam {row.beam}" if row.beam else ""
    strict = ", strict float32" if row.precision_asked == "strict_float32" else ""
    cores = f", cores {row.affinity}" if row.affinity else ""
    threads = numbers.plural(row.threads, "thread")
    asked = f"{threads}{batch}{streams}{work}{beam}{strict}{cores}"
    return f"{row.artifact} on {row.configuration}, {asked}"


def _scenario(row: Row) -> str:
    return "" if row.scenario == "single_stream" else f", {row.scenario.replace('_', ' ')}"


def _speed(row: Row) -> str:
    if row.scenario != "single_stream" or row.p50 is None:
        return f"{numbers.number(row.throughput)} samples a second"
    interval = numbers.interval(row.speed.p50)
    return f"{numbers.number(row.p50)} ms{' ' + interval if interval else ''} an inference"


def _accuracy(row: Row) -> str:
    """`top1 98.6% (n = 360, −0.28 points [−1.20, +0.64], at most 1.02 lost with 95% …)`."""
    if row.accuracy is None:
        return "accuracy not measured"
    correctness, drop = row.correctness, ""
    if row.drop is not None:
        drop = f", {numbers.points(-row.drop)} points"
        low, high = correctness.drop.bounds or (0.0, 0.0)
        if low < high:
            drop += f" [{numbers.points(-high)}, {numbers.points(-low)}]"
            if row.drop_bound is not None:
                drop += f", {at_most(row.drop_bound)}"
    return (
        f"{correctness.metric} {numbers.percent(row.accuracy)} "
        f"(n = {correctness.accuracy_n:,}{drop})"
    )


def _sentence(
    place: str,
    best: Row,
    *,
    counts: tuple[int, int],
    limits: Constraints,
    unjudged: Sequence[str],
) -> str:
    facts = [_speed(best), _accuracy(best)]
    if best.size is not None:
        facts.append(f"{numbers.size(best.size)} file")
    if best.peak_rss is not None:
        facts.append(f"{numbers.size(best.peak_rss)} peak memory")
    if best.energy is not None:
        facts.append(f"{numbers.number(best.energy * 1e3)} mJ")
    within, measured = counts
    judged = describe(limits, unjudged)
    doubt = _doubt(best, limits)
    claim = f" {'measured ' if doubt else ''}within {judged}" if judged else ""
    text = (
        f"{place}: {name(best)}: {', '.join(facts)}; {_SUPERLATIVE[limits.objective]} of {within}"
        f"{claim} ({measured} measured)."
    )
    if unjudged:
        text += f" Not judged: {', '.join(_UNJUDGED[name] for name in unjudged)}."
    return text + doubt


def _doubt(best: Row, limits: Constraints) -> str:
    """What the samples cannot show of the accuracy, and of the limit on the drop."""
    if unproven := best.correctness.unproven:
        return f" {unproven[0].upper()}{unproven[1:]}."
    if limits.drop is None or best.drop is None:
        return ""
    drop = best.accuracy_drop
    if drop is None:
        limit = points_of(limits.drop)
        return (
            f" Undecided: the drop has no interval, so whether it is within {limit} is not known."
        )
    if drop.decision(limits.drop) != "undecided":
        return ""
    return f" Undecided: {too_few(drop.n, limits.drop, drop.samples_needed(limits.drop))}."


def _against_others(
    best: Row, ties: Sequence[Row], runner_up: Row | None, limits: Constraints
) -> str:
    text = ""
    if ties:
        more = f" and {len(ties) - 1:,} more" if len(ties) > 1 else ""
        text += f" Statistically indistinguishable from {name(ties[0])}{more}."
    if runner_up is None:
        return text
    if not (best.timed and best.p50 and runner_up.p50):
        return f"{text} Next: {name(runner_up)}."
    ratio, how = runner_up.p50 / best.p50, ""
    if best.paired_p50 and runner_up.paired_p50:
        ratio, how = runner_up.paired_p50 / best.paired_p50, " round by round"
    elif limits.objective == "latency" and (best.alone or runner_up.alone):
        return (
            f"{text} Undecided against {name(runner_up)}: fewer than three processes on one side."
        )
    times = f"{ratio:,.2f}"
    if ratio < 1 and times != "1.00":
        return f"{text} Next: {name(runner_up)}."
    if times == "1.00":
        return f"{text} Practically as fast: {name(runner_up)}."
    return f"{text} Next: {name(runner_up)}, {times}× the latency{how}."


def _reservations(best: Row) -> str:
    text = ""
    if sentence := contention(best):
        text += f" {sentence}."
    if best.state == "NOISY":
        text += " The measurement is noisy; measure again before you rely on it."
    if best.execution.software:
        text += " The device is emulated in software."
    return text


def contention(row: Row) -> str:
    """`A neighbor shared the core in 38% of the time: 0.042 ms then`; empty for a few percent."""
    share, then = row.contention.contended, row.contention.contended_p50
    if share is None or share < WORTH_SAYING:
        return ""
    if share >= 1:
        return "A neighbor shared the core all the time: the undisturbed latency is not known"
    latency = f": {numbers.number(then)} ms then" if then else ""
    return f"A neighbor shared the core in {100 * share:.0f}% of the time{latency}"


__getattr__ = old_names(__name__, {"Choice": "BestRow", "Limits": "Constraints"})

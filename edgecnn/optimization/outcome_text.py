"""Sentences about an outcome: the answer, what blocks it, and what a looser limit would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

from edgecnn.conversion.layer_names import short_names
from edgecnn.optimization.candidates import SearchCandidate, snr_db
from edgecnn.optimization.drops import BoundedDrop
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.layers import LayerCost
from edgecnn.optimization.outcome import TimedCandidate
from edgecnn.results.accuracy_drop import too_few

LAYERS_NAMED = 3
UNJUDGED_NAMED = 2
CLEARLY = 1.1
"""A gain in speed or size that is worth a sentence, and that a brief measurement shows."""
MAY_BE_FASTEST = 0.05
"""The chance to be the fastest above which a row is not clearly slower."""


FRESH = "none of them seen by the search"
MEASURED = "none of them trained or calibrated on"
"""What samples a claim is made on."""


def shipped(choice: TimedCandidate, claim: BoundedDrop, goal: Goal, which: str = FRESH) -> str:
    """The answer, as in "ship …: 0.021 ms, 0.28 points lost, at most 0.83 (95%, n = 359) …"."""
    facts = [f"{choice.p50_ms:.3g} ms an inference"] if choice.p50_ms else []
    facts.append(lost(claim, which))
    facts.append(f"{choice.tried.artifact.size_bytes / 1e3:,.0f} kB file")
    peak = choice.measurement.memory["peak_rss_bytes"]
    if peak:
        facts.append(f"{peak / 1e6:.0f} MB peak memory")
    words = choice.tried.recipe.words
    how = f" ({words})" if words else ""
    return f"ship {choice.name}{how}: {', '.join(facts)}; asked: {goal.words}"


def points_lost(drop: BoundedDrop) -> str:
    """`0.28 points lost`, `0.28 points gained`."""
    return f"{abs(drop.points):.2f} points {'gained' if drop.points < -0.005 else 'lost'}"


def decibels(noise: float | None) -> str:
    """`34.1 dB`, `no error`: how far outputs are from the parent's."""
    ratio = snr_db(noise)
    return "no error" if ratio is None else f"{ratio:.1f} dB"


def found_of(tried: SearchCandidate) -> str:
    """`about 0.37 ms, 0.39 points lost (≤ 1.47, n = 516), 32.2 dB`."""
    if tried.problem:
        return tried.problem
    words = [f"about {tried.rough_ms:.3g} ms"] if tried.rough_ms else []
    if tried.drop is not None:
        drop = tried.drop
        words.append(f"{points_lost(drop)} (≤ {drop.bound:.2f}, n = {drop.n:,})")
    words.append(decibels(tried.noise))
    return ", ".join(words)


def lost(drop: BoundedDrop, which: str = FRESH) -> str:
    """`top1 98.3%, parent 98.6%: 0.28 points lost, at most 0.83 with 95% confidence (n = 359)`."""
    return (
        f"{drop.metric} {drop.after:.1%}, parent {drop.before:.1%}: {points_lost(drop)}, "
        f"at most {drop.bound:.2f} with {drop.confidence:.0%} confidence (n = {drop.n:,}, {which})"
    )


def refused(choice: TimedCandidate, claim: BoundedDrop, goal: Goal, which: str = FRESH) -> str:
    """Why a file was not taken after the claim's samples had judged it."""
    why = claim.describe(goal.max_drop)
    return (
        f"rejected: {choice.name}: loss not proven within the budget: {lost(claim, which)}; {why}"
    )


def undecided(
    choice: TimedCandidate | None, tried: Sequence[SearchCandidate], claimed: int, goal: Goal
) -> Iterator[str]:
    """What would be faster and lost no more than allowed, where the claim has too few samples to
    show that: it is not refused for being bad.
    """
    limit_ms = choice.tried.rough_ms if choice else None
    open_ones = [
        each
        for each in tried
        if each.drop is not None
        and each.rough_ms
        and not each.problem
        and each.drop.points <= goal.max_drop < each.drop.expected(claimed)
        and max(_excess(each, goal).values()) <= 1
        and (limit_ms is None or each.rough_ms * CLEARLY < limit_ms)
    ]
    best = min(open_ones, key=lambda each: each.rough_ms or 0.0, default=None)
    if best is None or best.drop is None or best.rough_ms is None:
        return
    gain = f", about {limit_ms / best.rough_ms:.1f}× as fast" if limit_ms else ""
    yield (
        f"undecided: {best.name}{gain}: {points_lost(best.drop)} on {best.drop.n:,} "
        f"samples of the search; "
        f"{too_few(claimed, goal.max_drop, best.drop.samples_needed(goal.max_drop))}"
    )


def unjudged(steps: Sequence[TimedCandidate], broken: TimedCandidate) -> Iterator[str]:
    """What was not judged any more: one that was expected to lose less has not been shown."""
    if steps:
        names = ", ".join(each.name for each in steps[::-1][:UNJUDGED_NAMED])
        more = len(steps) - UNJUDGED_NAMED
        rest = f" and {more} more" if more > 0 else ""
        yield f"not judged: {names}{rest}; {broken.name} was expected to be safer"


def multiple_comparison_note(count: int) -> Iterator[str]:
    """What the confidence of a bound does not cover."""
    if count:
        yield (
            f"{count + 1} rows were tested at 95% each, without correction for multiple tests; "
            "`edgecnn optimize` tests once, on separate samples"
        )


def confidence_sentences(
    choice: TimedCandidate, others: Sequence[TimedCandidate], goal: Goal, *, faster: bool = False
) -> Iterator[str]:
    """How sure the choice is of being the fastest, where it was chosen for that. `faster` says
    that others were, and were rejected.
    """
    if goal.objective != "latency":
        return
    if faster and not others:
        yield "faster files were rejected: loss not proven within the budget"
    elif not others:
        yield "nothing else that meets the goal was nearly as fast in brief measurements"
    elif choice.chance_best is None:
        yield "fewer than three rounds: confidence in the order is unknown"
    else:
        yield (
            f"{choice.chance_best:.0%} likely to be the fastest of {len(others) + 1} "
            "(bootstrap over rounds)"
        )


def smaller(choice: TimedCandidate, others: Sequence[TimedCandidate]) -> Iterator[str]:
    """The smallest file that may as well be the fastest, where it is clearly smaller."""
    own = choice.tried.artifact.size_bytes
    close = [
        each
        for each in others
        if (each.chance_best or 0.0) >= MAY_BE_FASTEST
        and each.tried.artifact.size_bytes * CLEARLY < own
    ]
    least = min(close, key=lambda each: each.tried.artifact.size_bytes, default=None)
    if least is not None:
        size = f"{least.tried.artifact.size_bytes / 1e3:,.0f} kB"
        draws = f"{least.chance_best or 0.0:.0%} likely to be the fastest"
        yield f"about as fast and smaller: {least.name}, {size}, {draws}"


def relaxed_limits(
    choice: TimedCandidate | None, tried: Sequence[SearchCandidate], goal: Goal, claimed: int
) -> Iterator[str]:
    """What a looser limit would bring: for each limit the fastest that breaks it alone. A budget is
    the one that `claimed` samples would show.
    """
    limit_ms = choice.tried.rough_ms if choice else None
    for what, broken in _breaking(tried, goal).items():
        faster = [
            each
            for each in broken
            if each.rough_ms and (limit_ms is None or each.rough_ms * CLEARLY < limit_ms)
        ]
        best = min(faster, key=lambda each: each.rough_ms or 0.0, default=None)
        if best is None or best.rough_ms is None:
            continue
        gain = f", {limit_ms / best.rough_ms:.1f}× as fast" if limit_ms else ""
        yield f"with {_allowing(what, best, claimed)} allowed: {best.name}{gain}"


def _breaking(tried: Sequence[SearchCandidate], goal: Goal) -> Mapping[str, list[SearchCandidate]]:
    by_kind: dict[str, list[SearchCandidate]] = {
        "drop": [],
        "size": [],
        "memory": [],
        "latency": [],
    }
    for each in tried:
        if each.problem or each.drop is None:
            continue
        kinds = [name for name, over in _excess(each, goal).items() if over > 1]
        if len(kinds) == 1:
            by_kind[kinds[0]].append(each)
    return by_kind


def _excess(tried: SearchCandidate, goal: Goal) -> dict[str, float]:
    """How many times each limit a configuration takes; 0 where there is none."""
    return {
        "drop": tried.drop.points / goal.max_drop if tried.drop else float("inf"),
        "latency": _over(tried.rough_ms, goal.max_latency_ms),
        "memory": _over(tried.peak_bytes, goal.max_memory_bytes),
        "size": _over(tried.artifact.size_bytes, goal.max_size_bytes),
    }


def _over(value: float | None, limit: float | None) -> float:
    return value / limit if value is not None and limit is not None else 0.0


def _allowing(what: str, tried: SearchCandidate, claimed: int) -> str:
    if what == "drop" and tried.drop is not None:
        return f"{ceil(10 * tried.drop.expected(claimed)) / 10:.1f} points lost"
    if what == "size":
        return f"a file of {tried.artifact.size_bytes / 1e6:.2g} MB"
    if what == "memory" and tried.peak_bytes:
        return f"{tried.peak_bytes / 1e6:.0f} MB of memory"
    return f"{tried.rough_ms or 0:.3g} ms"


def nearest(tried: Sequence[SearchCandidate], goal: Goal) -> SearchCandidate | None:
    """What breaks the limits least."""
    usable = [each for each in tried if not each.problem and each.drop is not None]
    return min(usable, key=lambda each: max(_excess(each, goal).values()), default=None)


def missed_limits(timed: Sequence[TimedCandidate], goal: Goal) -> Iterator[str]:
    """Why none of the fully measured rows can be chosen."""
    for each in timed[:UNJUDGED_NAMED]:
        row = each.measurement
        peak = row.memory["peak_rss_bytes"]
        why = [row.error or row.status] if row.status != "ok" else list(row.reasons[:1])
        if each.p50_ms and _over(each.p50_ms, goal.max_latency_ms) > 1:
            why.append(f"{each.p50_ms:.3g} ms in the full measurement")
        if peak is not None and _over(peak, goal.max_memory_bytes) > 1:
            why.append(f"{peak / 1e6:.0f} MB of memory in the full measurement")
        yield f"{each.name}: {'; '.join(why) or row.verdict}"
    if len(timed) > UNJUDGED_NAMED:
        yield f"and {len(timed) - UNJUDGED_NAMED} more"


def blocking_reasons(
    near: SearchCandidate | None, goal: Goal, costs: Mapping[str, Sequence[LayerCost]]
) -> Iterator[str]:
    """Why no file meets the goal, and the layers that cost most."""
    if near is None:
        yield "no converted file could be run and evaluated"
        return
    broken = [name for name, over in _excess(near, goal).items() if over > 1]
    sentence = f"closest: {near.name}"
    if near.rough_ms:
        sentence += f", about {near.rough_ms:.3g} ms"
    if near.drop is not None:
        sentence += f", {points_lost(near.drop)} (at most {near.drop.bound:.2f})"
    sentence += f", {near.artifact.size_bytes / 1e3:,.0f} kB"
    yield f"{sentence}; it misses the {' and the '.join(broken)}" if broken else sentence
    for name, layer_costs in costs.items():
        named = [
            f"{' + '.join(short_names(cost.tensors))} ({cost.share:.0%})"
            for cost in layer_costs[:LAYERS_NAMED]
            if cost.share is not None
        ]
        if named:
            yield f"layers that cost int8 most of its error, {name}: {', '.join(named)}"


_KEPT: Mapping[str, str] = {
    "kept": "within the budget",
    "undecided": "too few samples to decide",
    "broken": "exceeds the budget",
}


def alternatives(tried: Sequence[SearchCandidate], goal: Goal) -> Iterator[str]:
    """What each other recipe and runtime brings, as measured; then what was not tried."""
    best: dict[str, SearchCandidate] = {}
    for each in tried:
        if each.problem or each.drop is None or each.rough_ms is None:
            continue
        key = f"{each.artifact.format}:{each.recipe.arithmetic}"
        if key not in best or (each.rough_ms < (best[key].rough_ms or 0.0)):
            best[key] = each
    for key, each in sorted(best.items(), key=lambda pair: pair[1].rough_ms or 0.0):
        assert each.drop is not None
        kept = _KEPT[each.drop.decision(goal.max_drop)]
        yield (
            f"{key} on {each.configuration}: about {each.rough_ms:.3g} ms, "
            f"{points_lost(each.drop)}, {each.artifact.size_bytes / 1e3:,.0f} kB, {kept}"
        )
    yield (
        "quantization-aware training (fine-tune with fake quantization) may help; edgecnn does not "
        "provide it"
    )

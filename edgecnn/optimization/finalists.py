"""Measure the finalists: a short race among the candidates, then the best in full.

A rough latency comes from one process, and a machine that switches speed meanwhile can turn the
order around. Rows of the same rounds are compared with each other, so that it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import selection
from edgecnn.analysis.pairing import times_of
from edgecnn.analysis.row import Row
from edgecnn.analysis.rows import collect
from edgecnn.benchmarking.benchmark import JUDGING_PASSES, benchmark
from edgecnn.benchmarking.plan import Configuration
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.data.base import Dataset
from edgecnn.manifest import Artifact
from edgecnn.optimization.candidates import SearchCandidate
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.outcome import TimedCandidate
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.results import Measurement, Results

MOST_RACED = 10
"""Files on runtimes that race."""
DOMINATED = 2.0
"""So many times the roughly fastest: it does not race."""
RACE_ROUNDS = 2
MOST_TIMED = 5
"""Rows that are measured in full."""
CLOSE = 1.25
"""So many times the fastest of the race: not measured in full."""
FEWEST_ROUNDS = 3
DRAWS = 2_000

Place = tuple[str, str, int]
"""Digest of a file, `runtime:device`, threads."""


@dataclass(frozen=True)
class RaceSetup:
    """Where and how finalists are measured: `data` gives the samples, `out` is the results file."""

    data: Dataset
    out: Path
    protocol: Protocol
    threads: tuple[int, ...]
    preprocessing: Preprocessing | str | None = None
    progress: Progress = silent


def undominated(good: Sequence[SearchCandidate], goal: Goal) -> list[SearchCandidate]:
    """What may race: nothing that is roughly half as fast as another, but always what is left when
    the claim refuses all others (`_fallbacks`).
    """
    costs: Mapping[str, Callable[[SearchCandidate], float | None]] = {
        "latency": lambda each: each.rough_ms,
        "size": lambda each: each.artifact.size_bytes,
        "memory": lambda each: each.peak_bytes,
    }
    cost = costs[goal.objective]
    limit = goal.max_latency_ms or float("inf")

    def rank(each: SearchCandidate) -> tuple[bool, float]:
        return (each.rough_ms or 0.0) > limit, cost(each) or float("inf")

    ranked = sorted(good, key=rank)
    latency = goal.objective == "latency"
    least = (cost(ranked[0]) or float("inf")) * (DOMINATED if latency else 99)
    most = MOST_RACED if latency else MOST_TIMED
    kept = [each for each in ranked if (cost(each) or float("inf")) <= least][:most]
    return [*kept, *(each for each in _fallbacks(ranked) if each not in kept)]


def _fallbacks(ranked: Sequence[SearchCandidate]) -> list[SearchCandidate]:
    """Of files, best first: the best one that computes in float32, and the safest of all. They
    differ where a runtime computes float files in bfloat16.
    """
    plain = [each for each in ranked if each.recipe.activations == "float32"][:1]
    judged = [each for each in ranked if each.drop is not None]
    safest = min(judged, key=lambda each: each.risk(each.drop.n if each.drop else 1), default=None)
    return plain if safest is None or safest in plain else [*plain, safest]


def measured(good: Sequence[SearchCandidate], goal: Goal, track: RaceSetup) -> list[TimedCandidate]:
    """The finalists with their latency, measured in the same rounds."""
    entered = undominated(good, goal)
    places = {_place(each, threads) for each in entered for threads in track.threads}
    short = _short(track.protocol)
    if goal.objective == "latency" and len(places) > 2 and short is not None:
        raced = _rows(entered, places, replace(track, protocol=short))
        places = _fastest(raced, places, goal)
    rows = _rows(entered, places, track)
    sure = chances([row for _, row in rows])
    return [
        TimedCandidate(tried, row, chance) for (tried, row), chance in zip(rows, sure, strict=True)
    ]


def _short(protocol: Protocol) -> Protocol | None:
    """The first rounds of a protocol; None where it has no more than those."""
    if protocol.processes <= RACE_ROUNDS:
        return None
    share = RACE_ROUNDS / protocol.processes
    return replace(
        protocol,
        processes=RACE_ROUNDS,
        most_processes=RACE_ROUNDS,
        min_runs=max(1, round(share * protocol.min_runs)),
        max_secs=max(share * protocol.max_secs, protocol.min_secs),
    )


def _fastest(
    raced: Sequence[tuple[SearchCandidate, Measurement]], places: set[Place], goal: Goal
) -> set[Place]:
    """The rows near the fastest of the race that fit into memory, and the best ones of the
    fallbacks.
    """
    raced = [(tried, row) for tried, row in raced if times_of(row).every]
    raced = [(tried, row) for tried, row in raced if _fits(row, goal)] or raced
    scores = _scores([row for _, row in raced], fewest=1)
    if scores is None:
        return places  # no round that all have: no order is known
    order = np.argsort(scores, kind="stable")
    limit = float(scores.min()) + float(np.log(CLOSE))
    kept = [raced[index] for index in order if scores[index] <= limit][:MOST_TIMED]
    ranked = [raced[index] for index in order]
    for fallback in _fallbacks([tried for tried, _ in ranked]):
        kept.append(next(one for one in ranked if one[0] is fallback))
    return {_place(tried, row.options.threads) for tried, row in kept}


def _fits(row: Measurement, goal: Goal) -> bool:
    peak = row.memory["peak_rss_bytes"]
    return goal.max_memory_bytes is None or peak is None or peak <= goal.max_memory_bytes


def _rows(
    finalists: Sequence[SearchCandidate], places: set[Place], track: RaceSetup
) -> list[tuple[SearchCandidate, Measurement]]:
    """Interleaved rounds of the places, going on from those in the results file."""
    of = {(each.artifact.sha256, each.configuration): each for each in finalists}

    def is_wanted(row: Configuration) -> bool:
        place = (row.artifact.sha256, f"{row.runtime}:{row.device}", row.options.threads)
        return place in places

    results = benchmark(
        _distinct([each.artifact for each in finalists]),
        tuple(dict.fromkeys(each.configuration for each in finalists)),
        threads=track.threads,
        protocol=track.protocol,
        data=track.data,
        preprocessing=track.preprocessing,
        passes=JUDGING_PASSES,
        out=track.out,
        previous=together(Results.load(track.out), places) if track.out.exists() else None,
        wanted=is_wanted,
        progress=track.progress,
    )
    return [
        (of[row.artifact.sha256, row.configuration], row)
        for row in results.measurements
        if _place_of(row) in places
    ]


def together(previous: Results, places: Collection[Place]) -> Results:
    """`previous` without the rows of `places` where these took no turns with each other: an
    earlier search with other limits has measured some of them, and rows of other rounds cannot be
    compared round by round. Fewer of the same rounds (an interruption, a row that spent its time)
    are no reason.
    """
    rounds: dict[Place, set[int]] = {place: set() for place in places}
    for row in previous.measurements:
        if (place := _place_of(row)) in rounds:
            rounds[place] = {run.round for run in row.runs}
    longest = max(rounds.values(), key=len, default=set())
    if len(longest) <= 1 or all(each and each <= longest for each in rounds.values()):
        return previous
    kept = tuple(row for row in previous.measurements if _place_of(row) not in rounds)
    return replace(previous, measurements=kept)


def _place_of(row: Measurement) -> Place:
    return row.artifact.sha256, row.configuration, row.options.threads


def _place(tried: SearchCandidate, threads: int) -> Place:
    return tried.artifact.sha256, tried.configuration, threads


def _distinct(artifacts: Sequence[Artifact]) -> list[Artifact]:
    return list({each.sha256: each for each in artifacts}.values())


def in_order(
    timed: Sequence[TimedCandidate], goal: Goal, rows: Sequence[Row] | None = None
) -> Iterator[TimedCandidate]:
    """What keeps the limits, best first, by the function that the report chooses by. What the
    search let pass has kept the budget on its samples, so that the drop is not judged here once
    more. `rows` are those of the report, one for each, where they were collected already.
    """
    if rows is None:
        rows = collect([Results(measurements=tuple(each.measurement for each in timed))])
    of = {row.id: each for row, each in zip(rows, timed, strict=True)}
    limits = replace(goal.limits, drop=None)
    usable = [row for row in rows if row.measured]
    usable = [row for row in usable if selection.allowed(row, limits, usable)]
    while (best := selection.choose(usable, limits).best) is not None:
        yield of[best.id]
        usable = [row for row in usable if row.id != best.id]


def chances(rows: Sequence[Measurement]) -> list[float | None]:
    """How likely each row is the fastest, by the rounds that all have.

    Rows with fewer than three rounds are left out. The mean logarithms of the others are drawn
    from Student's t with the rounds' covariance, as for one mean: a few rounds that agree by chance
    do not make an order sure, as drawing from these few rounds themselves would.
    """
    probabilities: list[float | None] = [None] * len(rows)
    timed = [index for index, row in enumerate(rows) if len(times_of(row).every) >= FEWEST_ROUNDS]
    logs = _by_round([rows[index] for index in timed], FEWEST_ROUNDS)
    if logs is None or len(timed) < min(2, len(rows)):
        return probabilities
    count = logs.shape[1]
    mean = logs.mean(axis=1, keepdims=True)
    draws = np.random.default_rng(0)
    normal = draws.standard_normal((count, DRAWS))
    scale = np.sqrt(count * draws.chisquare(count - 1, DRAWS))
    fastest = (mean + (logs - mean) @ normal / scale).argmin(axis=0)
    for place, index in enumerate(timed):
        probabilities[index] = float((fastest == place).mean())
    return probabilities


def with_rivals(
    choice: TimedCandidate, others: Sequence[TimedCandidate]
) -> tuple[TimedCandidate, ...]:
    """The choice, then what competes with it, each with its chance to be the fastest of these."""
    rows = [choice, *others]
    probabilities = chances([each.measurement for each in rows])
    return tuple(
        replace(each, chance_best=chance) for each, chance in zip(rows, probabilities, strict=True)
    )


def _scores(
    rows: Sequence[Measurement], fewest: int = FEWEST_ROUNDS
) -> npt.NDArray[np.float64] | None:
    """(rows,): mean logarithm of milliseconds over the rounds that all rows have."""
    logs = _by_round(rows, fewest)
    return None if logs is None else np.asarray(logs.mean(axis=1))


def _by_round(rows: Sequence[Measurement], fewest: int) -> npt.NDArray[Any] | None:
    """(rows, rounds): logarithms of the median latency in each round that all rows have. Those of
    the undisturbed machine where all rows have enough of them, else those of all samples; None
    with too few rounds.
    """
    times = [times_of(row) for row in rows]
    for medians in ([dict(one.quiet) for one in times], [dict(one.every) for one in times]):
        shared = sorted(set.intersection(*(set(each) for each in medians))) if medians else []
        if len(shared) >= fewest:
            return np.log([[each[number] for number in shared] for each in medians])
    return None

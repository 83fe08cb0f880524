"""Baselines of rows: the Keras model on the same machine, for accuracy and speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from edgecnn.analysis.pairing import between, shared_times
from edgecnn.analysis.row import Row
from edgecnn.results.accuracy_drop import drop_between
from edgecnn.statistics.interval import Interval

MOST_BEHIND = 100
MOST_TIES = 60
"""How far down the ranking ties are looked for, and how many a row may have."""


def with_baselines(rows: list[Row]) -> list[Row]:
    """Add accuracy drop and speed-up against the Keras row of the same network and machine."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.machine, row.lineage), []).append(row)
    return [_against(row, groups[row.machine, row.lineage]) for row in rows]


def with_pairs(rows: list[Row]) -> list[Row]:
    """Add to each row its latency by the rounds that its group shares, and the slower rows of the
    group that are indistinguishable from it.
    """
    changed = dict(enumerate(rows))
    for group in _groups(rows).values():
        paired = shared_times([row.times for row in group], [_typical(row) for row in group])
        both = [_with_paired(row, time) for row, time in zip(group, paired, strict=True)]
        ranked = sorted(both, key=_rank)
        for place, row in enumerate(ranked):
            behind = ranked[place + 1 : place + 1 + MOST_BEHIND]
            ties = [other.id for other in behind if _indistinguishable(row, other)]
            changed[row.id] = replace(row, ties=tuple(ties[:MOST_TIES]))
    return [changed[row.id] for row in rows]


def _rank(row: Row) -> float:
    if row.scenario in ("offline", "server") and row.paired_throughput:
        return 1e3 / row.paired_throughput
    return row.paired_p50 or _typical(row)


def _groups(rows: Sequence[Row]) -> dict[tuple[object, ...], list[Row]]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row.measured:
            groups.setdefault(group_of(row), []).append(row)
    return groups


def _with_paired(row: Row, time: float | None) -> Row:
    """`time` is in milliseconds of what `Times` holds."""
    if not time:
        return row
    if row.scenario in ("offline", "server"):
        return _with_speed(row, paired_throughput=1e3 / time)
    samples = row.streams if row.scenario == "multi_stream" else row.batch
    return _with_speed(row, paired_p50=time, paired_throughput=samples * 1e3 / time)


def group_of(row: Row) -> tuple[object, ...]:
    """Rows of one group compete for an answer: one network, device and scenario of one machine,
    with inputs of one shape and, of servers, one rate and one bound.
    """
    place = (row.machine, row.lineage, row.device, row.scenario)
    return (*place, row.shape, row.target_qps, row.latency_bound_ms)


def _typical(row: Row) -> float:
    if row.scenario in ("offline", "server") and row.throughput:
        return 1e3 / row.throughput
    return row.p50 or 0.0


def _indistinguishable(row: Row, other: Row) -> bool:
    difference = between(row.times, other.times, one_session=True)
    return difference is not None and difference.ratio is not None and not difference.different


def _against(row: Row, group: Sequence[Row]) -> Row:
    quality = accuracy_baseline(row, group)
    if quality is not None:
        row = _with_drop(row, quality)
    speed = latency_baseline(row, group)
    if speed is None or not row.timed:
        return row
    if speed.id == row.id:
        return _with_speed(row, speedup=Interval.exactly(1.0))
    difference = between(row.times, speed.times, one_session=True)
    if difference is None:
        return row
    return _with_speed(row, speedup=Interval.around(difference.value, difference.interval))


def _with_speed(row: Row, **values: Any) -> Row:
    return replace(row, speed=replace(row.speed, **values))


def _with_correctness(row: Row, **values: Any) -> Row:
    return replace(row, correctness=replace(row.correctness, **values))


def _with_drop(row: Row, baseline: Row) -> Row:
    if row.accuracy is None or baseline.accuracy is None:
        return row
    if row.id == baseline.id:  # nothing is lost against oneself
        zero = Interval.exactly(0.0)
        return _with_correctness(row, drop=zero, drop_floor=0.0, drop_bound=0.0)
    drop = 100 * (baseline.accuracy - row.accuracy)
    before, after = baseline.correctness.record, row.correctness.record
    assert before is not None
    assert after is not None
    accuracy_drop = drop_between(before, after)
    if accuracy_drop is None or not (isfinite(accuracy_drop.low) and isfinite(accuracy_drop.high)):
        return _with_correctness(row, drop=Interval(drop))
    return _with_correctness(
        row,
        drop=Interval(drop, accuracy_drop.low, accuracy_drop.high),
        drop_floor=accuracy_drop.floor,
        drop_bound=accuracy_drop.bound,
        drop_lost=accuracy_drop.lost,
        drop_gained=accuracy_drop.gained,
    )


def accuracy_baseline(row: Row, group: Sequence[Row]) -> Row | None:
    """The row of `group` that accuracy is compared with: Keras, else the best float32 artifact."""
    judged = [other for other in group if other.accuracy is not None and other.state != "INVALID"]
    keras = [other for other in judged if other.format == "keras"]
    candidates = keras or [other for other in judged if other.recipe == "float32"]
    same = [
        other
        for other in candidates
        if _judged_by(other) == _judged_by(row) and _same_work(row, other)
    ]
    return max(same, key=lambda other: (_alike(row, other), other.accuracy or 0.0), default=None)


def _judged_by(row: Row) -> tuple[str, int]:
    return row.correctness.metric, row.correctness.accuracy_n


def latency_baseline(row: Row, group: Sequence[Row]) -> Row | None:
    """The Keras row with the same batch, on the CPU and with the same threads if there is one."""
    keras = [
        other
        for other in group
        if other.format == "keras"
        and other.timed
        and other.batch == row.batch
        and _same_work(row, other)
    ]
    return min(
        keras,
        key=lambda other: (
            -_alike(row, other),
            other.device != "cpu",
            other.threads != row.threads,
            other.threads,
        ),
        default=None,
    )


def _same_work(row: Row, other: Row) -> bool:
    """Whether no other shape and no other beam was asked for; a model may have a shape and a beam
    of its own, for which nobody asks.
    """
    asked = ((row.shape, other.shape), (row.beam, other.beam))
    return all(one == two or not (one and two) for one, two in asked)


def _alike(row: Row, other: Row) -> int:
    """How many of shape and beam were asked for in the same way."""
    return (row.shape == other.shape) + (row.beam == other.beam)

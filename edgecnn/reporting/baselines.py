"""What rows are compared with: the Keras model on the same machine, for accuracy and for speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn.reporting.row import Row


def with_baselines(rows: list[Row]) -> list[Row]:
    """Add accuracy drop and speed-up against the Keras row of the same model and machine."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.machine, row.model), []).append(row)
    return [_against(row, groups[row.machine, row.model]) for row in rows]


def _against(row: Row, group: Sequence[Row]) -> Row:
    quality = accuracy_baseline(row, group)
    if row.accuracy is not None and quality is not None and quality.accuracy is not None:
        row = replace(row, drop=100 * (quality.accuracy - row.accuracy))
    speed = latency_baseline(row, group)
    if speed is None or row.p50 is None or speed.p50 is None or not row.timed:
        return row
    if row.p50 <= 0 or speed.p50 <= 0:
        return row
    row = replace(row, speedup=speed.p50 / row.p50)
    if speed.id == row.id:
        return replace(row, speedup_low=1.0, speedup_high=1.0)
    if row.p50_low and row.p50_high and speed.p50_low and speed.p50_high:
        return replace(
            row,
            speedup_low=speed.p50_low / row.p50_high,
            speedup_high=speed.p50_high / row.p50_low,
        )
    return row


def accuracy_baseline(row: Row, group: Sequence[Row]) -> Row | None:
    """The row of `group` that accuracy is compared with: Keras, else the best float32 artifact."""
    judged = [other for other in group if other.accuracy is not None and other.state != "INVALID"]
    keras = [other for other in judged if other.format == "keras"]
    candidates = keras or [other for other in judged if other.recipe == "float32"]
    same = [
        other
        for other in candidates
        if (other.metric, other.accuracy_n) == (row.metric, row.accuracy_n)
    ]
    return max(same, key=lambda other: other.accuracy or 0.0, default=None)


def latency_baseline(row: Row, group: Sequence[Row]) -> Row | None:
    """The Keras row with the same batch, on the CPU and with the same threads if there is one."""
    keras = [
        other
        for other in group
        if other.format == "keras" and other.timed and other.batch == row.batch
    ]
    return min(
        keras,
        key=lambda other: (other.device != "cpu", other.threads != row.threads, other.threads),
        default=None,
    )

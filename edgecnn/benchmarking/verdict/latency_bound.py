"""A server's rate under a latency bound: exceeded, marginal, or unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.verdict.budget import advice
from edgecnn.results import Measurement, Run


def overrun(measurement: Measurement) -> Iterator[str]:
    """A server that does not keep its bound has no rate: the headline would be none."""
    broken, bound_ms = _broken_bounds(measurement.runs), measurement.load.latency_bound_ms
    if not broken or 2 * len(broken) < len(measurement.runs):
        return
    last = broken[-1]
    rate = last.get("target_qps")
    way = "lower --target-qps" if rate else "use a faster model or runtime"
    yield (
        f"the latency bound of {bound_ms:g} ms does not hold: {last['reason']}"
        f"{f' at {rate:.3g} queries a second' if rate else ''}; {way} or raise --latency-bound"
    )


def seldom_overrun(measurement: Measurement, protocol: Protocol) -> Iterator[str]:
    """The bound held in most processes, or there were too few queries to decide."""
    runs = measurement.runs
    broken = _broken_bounds(runs)
    if broken and 2 * len(broken) < len(runs):
        yield (
            f"the latency bound held in {len(runs) - len(broken)} of {len(runs)} processes only: "
            "the rate is at the limit of this machine; lower --target-qps"
        )
    undecided = [run.queries for run in runs if _undecided(run.queries)]
    if undecided:
        yield (
            f"whether the latency bound holds is not known: {undecided[-1]['reason']}; "
            f"{advice(measurement, protocol)}"
        )


def _broken_bounds(runs: tuple[Run, ...]) -> list[Mapping[str, Any]]:
    failed = [run.queries for run in runs if run.queries.get("valid") is False]
    return [queries for queries in failed if not _undecided(queries)]


def _undecided(queries: Mapping[str, Any]) -> bool:
    """Queries were offered, too few for the percentile that the bound speaks of."""
    offered = queries.get("valid") is False and bool(queries.get("target_qps"))
    return offered and queries.get("p99_ns") is None

"""A row that follows the advice of its reasons has them no more.

Processes run the real loops on a clock that stands still while nobody infers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.benchmarking.loop import scenarios, timed_loop
from edgecnn.benchmarking.protocol import PROFILES, Protocol, resolve
from edgecnn.benchmarking.rounds import wants_another
from edgecnn.benchmarking.verdict import judge
from edgecnn.results import ArtifactRecord, Load, Measurement, Run
from edgecnn.statistics.samples import SESSION_SPREAD, median_of_processes_interval

ARTIFACT = ArtifactRecord("m.tflite", "tflite", "float32", "ab", 1)
MS = 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter_ns", lambda: clock.now)
    return clock


class Clock:
    """Nanoseconds that pass by inferring alone."""

    def __init__(self) -> None:
        self.now = 0

    def infer(self, median_ns: float, rng: np.random.Generator) -> None:
        self.now += int(median_ns * rng.lognormal(0.0, 0.01))


def measured(
    protocol: Protocol, clock: Clock, median_ns: float, first_ns: int = 0, start_ns: int = 0
) -> Measurement:
    """A row whose inferences take about `median_ns`, its verdict included."""
    rng = np.random.default_rng(0)
    row = Measurement(ARTIFACT, "litert", "cpu")
    while wants_another(row, protocol):
        spent = [(run.first_inference_ns, *run.warmup_ns, *run.samples_ns) for run in row.runs]
        share = protocol.of_one_process(sum(map(sum, spent)) / 1e9, len(row.runs))
        own_ns = median_ns * rng.lognormal(0.0, 0.005)
        invocations = [lambda own_ns=own_ns: clock.infer(own_ns, rng)]
        first = first_ns or int(own_ns)
        warmup = np.zeros(0, np.int64)
        if first / 1e9 < share.warmup_max_secs:
            warmup = timed_loop.warm_up(invocations, share)
        samples = timed_loop.measure(invocations, share, pace_ns=own_ns).samples
        run = Run(
            start_ns, first, tuple(warmup.tolist()), tuple(samples.tolist()), round=len(row.runs)
        )
        row = replace(row, runs=(*row.runs, run))
    return judge(row, protocol)


def advised(row: Measurement, option: str) -> int:
    """The largest number that the reasons give for an option."""
    found = re.findall(rf"{option}(?: to)? (\d+)", " ".join(row.reasons))
    assert found, row.reasons
    return max(map(int, found))


@pytest.mark.parametrize("profile", ["quick", "default"])
@pytest.mark.parametrize("median_ms", [100, 400, 1_000, 3_000])
@pytest.mark.parametrize("first_ms", [0, 8_000])
def test_the_budget_that_is_advised_is_enough(
    clock: Clock, profile: str, median_ms: int, first_ms: int
):
    row = measured(resolve(profile), clock, median_ms * MS, first_ms * MS)
    assert "fit into the budget" in " ".join(row.reasons)
    protocol = resolve(profile, max_secs=advised(row, "--max-secs"))
    again = measured(protocol, clock, median_ms * MS, first_ms * MS)
    assert "--max-secs" not in " ".join(again.reasons)
    assert len(again.runs) >= protocol.processes
    assert sum(len(run.samples_ns) for run in again.runs) >= protocol.min_runs


def test_the_budget_lets_a_runtime_that_starts_slowly_start_as_often_as_needed(clock: Clock):
    row = measured(resolve("quick"), clock, 400 * MS, start_ns=3_000 * MS)
    protocol = resolve("quick", max_secs=advised(row, "--max-secs"))
    again = measured(protocol, clock, 400 * MS, start_ns=3_000 * MS)
    assert "--max-secs" not in " ".join(again.reasons)


def test_the_budget_for_an_interval_is_named_with_the_processes_that_give_one(clock: Clock):
    row = measured(resolve("quick", processes=1), clock, 1_000 * MS)
    protocol = resolve(
        "quick",
        processes=advised(row, "--processes"),
        max_secs=advised(row, "--max-secs"),
    )
    again = measured(protocol, clock, 1_000 * MS)
    assert again.latency is not None
    assert again.latency.ci95 is not None
    assert not [reason for reason in again.reasons if "--processes" in reason]


def from_medians(medians: np.ndarray) -> Measurement:
    runs = tuple(Run(1, 1, (), (int(median),) * 200) for median in medians)
    return Measurement(ARTIFACT, "litert", "cpu", runs=runs)


@pytest.mark.parametrize(
    ("profile", "deviation"),
    [("quick", 0.035), ("quick", 0.05), ("default", 0.025), ("default", 0.035)],
)
def test_the_processes_that_are_advised_narrow_the_interval(profile: str, deviation: float):
    """In nine of ten rows: another draw of processes may differ more."""
    protocol = PROFILES[profile]
    rng = np.random.default_rng(1)
    narrow = []
    for _ in range(300):
        row = judge(from_medians(MS * rng.lognormal(0, deviation, protocol.most)), protocol)
        if "would do" not in " ".join(row.reasons):
            continue
        count = advised(row, "--processes")
        again = from_medians(MS * rng.lognormal(0, deviation, count))
        assert again.relative_spread is not None
        narrow.append(again.relative_spread <= protocol.target_interval)
    assert len(narrow) >= 50
    assert np.mean(narrow) >= 0.9


def test_an_interval_narrower_than_sessions_differ_is_promised_by_no_number_of_processes():
    protocol = replace(PROFILES["default"], target_interval=0.01)
    row = judge(from_medians(MS * np.linspace(0.98, 1.02, 16)), protocol)
    assert "no number of processes narrows it below ±1.6%" in " ".join(row.reasons)
    assert "would do" not in " ".join(row.reasons)
    bounds = median_of_processes_interval([1.0] * 1_000)  # not one that differs
    assert bounds is not None
    assert (bounds[1] - bounds[0]) / 2 > 1.9 * SESSION_SPREAD


def served(protocol: Protocol, rates: tuple[float, ...], holds: float) -> Measurement:
    """A server that looks for its rate: each process tries `rates` until one `holds`."""
    load = Load("server")
    row = Measurement(ARTIFACT, "litert", "cpu", load=load)
    while wants_another(row, protocol):
        spent = 0.0
        for run in row.runs:
            tried = sum(each["elapsed_ns"] for each in run.queries["attempts"])
            spent += (sum(run.warmup_ns) + tried + run.queries["prediction_elapsed_ns"]) / 1e9
        share = protocol.of_one_process(spent, len(row.runs))
        attempts = []
        for rate in rates:
            count = min(max(share.min_runs, 662), int(rate * share.max_secs))
            decided = count >= 662
            attempts.append(
                {
                    "target_qps": rate,
                    "samples": count,
                    "elapsed_ns": int(count / rate * 1e9),
                    "p99_ns": (1 if rate <= holds else 20) * MS if decided else None,
                    "valid": decided and rate <= holds,
                    "reason": "p99 is above" if decided else "too few for a 99th percentile",
                }
            )
            if attempts[-1]["valid"]:
                break
        warmup = (int(share.warmup_max_secs * 1e9),)
        queries = {**attempts[-1], "attempts": attempts, "prediction_elapsed_ns": 200 * MS}
        samples = (2 * MS,) * attempts[-1]["samples"]
        row = replace(row, runs=(*row.runs, Run(1, 1, warmup, samples, queries=queries)))
    return judge(row, protocol)


@pytest.mark.parametrize(("profile", "rate"), [("quick", 300.0), ("default", 100.0)])
@pytest.mark.parametrize("holds", [0.9, 0.6])
def test_the_budget_that_is_advised_decides_whether_a_server_keeps_its_bound(
    profile: str, rate: float, holds: float
):
    rates = (rate, 0.9 * rate, 0.75 * rate, 0.6 * rate)
    row = served(resolve(profile), rates, holds * rate)
    assert "whether the latency bound holds is not known" in " ".join(row.reasons)
    protocol = resolve(profile, max_secs=advised(row, "--max-secs"))
    again = served(protocol, rates, holds * rate)
    assert "--max-secs" not in " ".join(again.reasons)
    assert all(run.queries["valid"] for run in again.runs)


def test_the_scenarios_write_what_the_advice_reads():
    """The keys that `served` stands in for."""
    protocol = replace(PROFILES["quick"], min_secs=0.0, max_secs=1.0, min_runs=8, max_runs=800)
    load = Load("server", latency_bound_ms=1_000.0)
    queries = scenarios.run([[lambda: None]], load, protocol).queries
    assert queries["prediction_elapsed_ns"] > 0
    assert queries["attempts"][0].keys() >= {"target_qps", "elapsed_ns", "p99_ns", "valid"}

"""Whether a number can be defended, with the reasons in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.benchmarking.protocol import PROFILES
from edgecnn.benchmarking.verdict import OutputHealth, judge
from edgecnn.results import (
    Accuracy,
    ArtifactRecord,
    Block,
    Effective,
    Load,
    Measurement,
    Parity,
    PartParity,
    Run,
)

PROTOCOL = replace(PROFILES["quick"], processes=3)
QUIET = {"steal_fraction": 0.0, "other_cpus": 0.02, "frequency_mhz": [2000.0, 2001.0]}
HEALTHY = OutputHealth(finite=True, constant=False)
ARTIFACT = ArtifactRecord("m.tflite", "tflite", "float32", "ab", 1)

MS = 1_000_000


def samples(spread: float = 0.01, count: int = 1_000) -> tuple[int, ...]:
    rng = np.random.default_rng(0)
    return tuple((1e6 * (1 + spread * rng.standard_normal(count))).astype(int).tolist())


def row(device: str = "cpu", *, machine: dict | None = None, taken=samples(), **effective):  # noqa: B008
    told = Effective(**{"provider": "P", "precision": "float32", "device_name": "D", **effective})
    run = Run(1, 1, (), taken, {}, told, machine=QUIET | (machine or {}))
    runs = tuple(replace(run, round=number) for number in range(3))
    return Measurement(ARTIFACT, "litert", device, runs=runs)


def judged(measurement: Measurement, health: OutputHealth | None = HEALTHY) -> tuple[str, str]:
    result = judge(measurement, PROTOCOL, health)
    return result.verdict, " ".join(result.reasons)


def test_a_quiet_run_of_a_healthy_model_is_valid():
    assert judged(row()) == ("VALID", "")


@pytest.mark.parametrize(
    ("machine", "word"),
    [
        ({"steal_fraction": 0.10}, "hypervisor took 10.0%"),
        ({"other_cpus": 1.0}, "other processes kept 1.0 processors busy"),
        ({"frequency_mhz": [3000.0, 1500.0]}, "frequency moved by 100%"),
        (
            {"governor": ["performance", "powersave"]},
            "changed while measuring (performance, powers",
        ),
    ],
)
def test_a_disturbed_run_is_noisy_and_names_the_disturbance(machine: dict, word: str):
    verdict, reasons = judged(row(machine=machine))
    assert verdict == "NOISY"
    assert word in reasons


def test_a_machine_that_tells_nothing_is_not_accused():
    silent = {"steal_fraction": None, "other_cpus": None, "frequency_mhz": [None, None]}
    silent["governor"] = [None, None]
    assert judged(row(machine=silent)) == ("VALID", "")


def test_a_wide_interval_over_processes_says_how_many_more_would_do():
    medians = (1_000_000, 1_020_000, 1_040_000, 1_060_000, 1_080_000)
    runs = tuple(row(taken=(median,) * 100).runs[0] for median in medians)
    reasons = " ".join(judge(replace(row(), runs=runs), replace(PROTOCOL, processes=5)).reasons)
    assert "known to ±4.1% only, ±3% was asked; --processes 12 would do" in reasons


def test_a_spread_beyond_reason_asks_for_its_cause_instead_of_ever_more_runs():
    medians = (1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000)
    runs = tuple(row(taken=(median,) * 100).runs[0] for median in medians)
    reasons = " ".join(judge(replace(row(), runs=runs), replace(PROTOCOL, processes=5)).reasons)
    assert "would be needed: find the cause of the noise first" in reasons


def test_a_disturbance_says_how_many_processes_it_affected():
    quiet, beside = row().runs[0], row(machine={"other_cpus": 1.5}).runs[0]
    five = replace(row(), runs=(quiet, beside, quiet, beside, quiet))
    (reason,) = judge(five, replace(PROTOCOL, processes=5)).reasons
    assert reason == (
        "other processes kept 1.5 processors busy in 2 of 5 processes: stop them and measure again"
    )


def test_too_few_samples_are_noisy_and_say_which_budget_would_do():
    verdict, reasons = judged(row(taken=(10**9, 10**9, 10**9)))
    assert verdict == "NOISY"
    assert "only 9 of 64 samples" in reasons
    # 3 × 22 samples, each a tenth slower, are three quarters of three quarters of 130 s; each
    # process may take one more, and leaves less to those after it.
    assert "--max-secs to 136" in reasons


HELD = {"valid": True, "target_qps": 100.0, "p99_ns": 9e6, "samples": 700, "elapsed_ns": 7 * 10**9}
BROKEN = HELD | {"valid": False, "p99_ns": 2e7, "reason": "p99 20 ms is above 15 ms"}
UNTOLD = HELD | {"valid": False, "p99_ns": None, "reason": "300 queries are too few"}
HOPELESS = {"valid": False, "samples": 0, "elapsed_ns": 0, "attempts": [], "reason": "too slow"}


@pytest.mark.parametrize(
    ("queries", "verdict", "word"),
    [
        ([HELD] * 3, "VALID", ""),
        ([BROKEN] * 3, "INVALID", "bound of 15 ms does not hold: p99 20 ms is above 15 ms at 100"),
        ([HELD, BROKEN], "INVALID", "does not hold"),
        ([HOPELESS] * 3, "INVALID", "does not hold: too slow; use a faster model"),
        ([HELD, BROKEN, HELD], "NOISY", "bound held in 2 of 3 processes only"),
        ([UNTOLD] * 3, "NOISY", "is not known: 300 queries are too few; raise --max-secs to 39"),
    ],
)
def test_a_server_is_worth_what_its_latency_bound_is(queries: list[dict], verdict: str, word: str):
    runs = tuple(replace(row().runs[0], queries=each) for each in queries)
    load = Load("server", target_qps=100.0)
    judged_row = judge(replace(row(), load=load, runs=runs), PROTOCOL, HEALTHY)
    assert judged_row.verdict == verdict
    assert word in " ".join(judged_row.reasons)


def test_missing_processes_are_told():
    five = replace(PROTOCOL, processes=5)
    assert "interrupted: 3 of 5" in judge(row(), five, HEALTHY).reasons[0]


def test_one_process_has_no_interval_and_says_why():
    alone = replace(row(), runs=row().runs[:1])
    found = judge(alone, replace(PROTOCOL, processes=1), HEALTHY)
    verdict, reasons = found.verdict, " ".join(found.reasons)
    assert verdict == "NOISY"
    assert "one process cannot represent the machine" in reasons
    assert alone.latency.ci95 is None


def test_a_model_too_slow_for_its_budget_says_which_would_do():
    slow = replace(row(taken=(2 * 10**9,) * 2), runs=row(taken=(2 * 10**9,) * 2).runs[:2])
    reasons = " ".join(judge(slow, replace(PROTOCOL, processes=5), HEALTHY).reasons)
    assert "only 2 of 5 processes fit into the budget of 6 s: raise --max-secs to" in reasons


def in_blocks(states: str, run: Run, quiet_ns: int = 100_000) -> Run:
    """`run` in blocks of 20 samples: q undisturbed, c shared with a neighbor."""
    blocks = tuple(
        Block(20 * i, 20, (quiet_ns if state == "q" else 2 * quiet_ns,), (), 0.0, state == "q")
        for i, state in enumerate(states)
    )
    return replace(run, samples_ns=(MS,) * 20 * len(states), blocks=blocks)


def test_a_neighbor_is_mentioned_and_does_not_make_a_row_noisy():
    runs = tuple(in_blocks("qqqcc", run) for run in row().runs)
    verdict, reasons = judged(replace(row(), runs=runs))
    assert verdict == "VALID"
    assert "a neighbor shared the core in 40% of the time: 1 ms then" in reasons


def test_a_neighbor_all_the_time_leaves_the_undisturbed_latency_unknown():
    runs = tuple(in_blocks("ccccc", run) for run in row().runs)
    verdict, reasons = judged(replace(row(), runs=runs))
    assert verdict == "NOISY"
    assert "all the time" in reasons
    assert "in 100% of the time" not in reasons


def test_too_few_undisturbed_processes_are_noisy():
    states = ("qqqq", "cccc", "cccc")
    runs = tuple(in_blocks(each, run) for each, run in zip(states, row().runs, strict=True))
    verdict, reasons = judged(replace(row(), runs=runs))
    assert verdict == "NOISY"
    assert "only 1 of 3 processes found the machine undisturbed" in reasons


def test_a_clock_that_sinks_is_told_apart_from_a_neighbor():
    runs = tuple(
        in_blocks("qqqq", run, quiet_ns)
        for run, quiet_ns in zip(row().runs, (100_000, 106_000, 114_000), strict=True)
    )
    verdict, reasons = judged(replace(row(), runs=runs))
    assert verdict == "NOISY"
    assert "the processor became 14% slower" in reasons


@pytest.mark.parametrize(
    ("health", "word"),
    [(OutputHealth(False, False), "NaN"), (OutputHealth(True, True), "answers a constant")],
)
def test_sick_outputs_are_invalid(health: OutputHealth, word: str):
    verdict, reasons = judged(row(), health)
    assert verdict == "INVALID"
    assert word in reasons


SYNTHETIC = {"real": False, "fed": "noise 0…1", "inputs_differ": True, "varies_with": None}
REAL = {"real": True, "fed": "data", "inputs_differ": True, "varies_with": None}


@pytest.mark.parametrize(
    ("response", "verdict", "word"),
    [
        (REAL, "INVALID", "the same for every sample of the data"),
        (REAL | {"inputs_differ": False}, "VALID", "all samples of the data set are identical"),
        (SYNTHETIC | {"tried": ["noise -1…1"]}, "INVALID", "(noise 0…1, noise -1…1)"),
        (SYNTHETIC | {"varies_with": "noise 0…255"}, "VALID", "not on noise 0…255"),
    ],
)
def test_a_constant_is_judged_by_what_was_fed(response: dict, verdict: str, word: str):
    measured = row()
    first = replace(measured.runs[0], passes={"response": response})
    runs = (first, *measured.runs[1:])
    found, reasons = judged(replace(measured, runs=runs), OutputHealth(True, True))
    assert found == verdict
    assert word in reasons
    if not response["real"]:
        assert "--data" in reasons
        assert "runtime" not in reasons  # nothing shows that it is to blame


def test_a_gpu_in_software_is_invalid():
    verdict, reasons = judged(row("gpu", software=True, device_name="SwiftShader"))
    assert verdict == "INVALID"
    assert "SwiftShader" in reasons


def test_partial_delegation_is_invalid_on_a_gpu_and_told_in_percent():
    verdict, reasons = judged(row("gpu", delegated_fraction=0.75))
    assert verdict == "INVALID"
    assert "25% of the nodes" in reasons


@pytest.mark.parametrize(
    ("nodes", "where"),
    [
        ({"CUDAExecutionProvider": 2}, "Trt, in CUDAExecutionProvider; change"),
        ({"CPUExecutionProvider": 2}, "Trt, on the CPU; change"),
        (
            {"CUDAExecutionProvider": 3, "CPUExecutionProvider": 1},
            "Trt, in CPUExecutionProvider (1) and CUDAExecutionProvider (3); change",
        ),
    ],
)
def test_nodes_that_tensorrt_leaves_are_told_with_their_provider(nodes: dict, where: str):
    details = {"nodes_elsewhere": nodes}
    _, reasons = judged(row("tensorrt", provider="Trt", delegated_fraction=0.5, details=details))
    assert where in reasons


@pytest.mark.parametrize(
    ("load", "own", "verdict", "words"),
    [
        (Load("offline", streams=4), 8.2, "VALID", ""),
        (Load("server", streams=4), 8.2, "VALID", ""),
        (Load("offline", streams=4), 9.0, "INVALID", "2 × 4 threads (--threads × --streams) were"),
        (Load("multi_stream", streams=4), 8.2, "INVALID", "busy where 2 threads were asked for"),
        (Load(), 8.2, "INVALID", "busy where 2 threads were asked for"),
    ],
)
def test_streams_that_run_at_once_have_threads_of_their_own(
    load: Load, own: float, verdict: str, words: str
):
    measured = row(machine={"own_cpus": own, "usable_cpus": 16})
    if load.scenario in ("offline", "server"):
        queries = {"samples": 1_000, "elapsed_ns": 10**9}
        runs = tuple(replace(run, queries=queries) for run in measured.runs)
        measured = replace(measured, runs=runs)
    options = replace(measured.options, threads=2)
    found, reasons = judged(replace(measured, options=options, load=load))
    assert found == verdict
    assert words in reasons
    assert ("ignores the limit" in reasons) is (verdict == "INVALID")


def test_a_row_that_was_not_measured_has_no_verdict():
    assert judge(replace(row(), status="crashed"), PROTOCOL, None).verdict is None


def test_output_health_sees_nan_and_constants():
    varied = np.array([[0.1, 0.9], [0.8, 0.2]])
    assert OutputHealth.of([varied]) == OutputHealth(finite=True, constant=False)
    assert OutputHealth.of([np.full((5, 2), 0.5)]).constant
    assert not OutputHealth.of([np.array([[np.nan, 1.0]])]).finite
    assert not OutputHealth.of([varied[:1]]).constant  # one sample tells nothing


def test_an_accuracy_that_guessing_reaches_says_so():
    guessing = Accuracy("top1", 0.35, 60, (0.24, 0.48), chance=0.33, chance_p=0.4, answered=3)
    _, reasons = judged(replace(row(), accuracy=guessing))
    assert "this row is not better than chance: 35.0% of 60 samples" in reasons


def test_a_parity_over_outputs_that_do_not_vary_says_so():
    nothing = Parity(0.0, None, 1.0, 1.0, 20, variation=0.0, parent_classes=1, classes=1)
    _, reasons = judged(replace(row(), parity=nothing))
    assert "parity is inconclusive" in reasons


def test_a_lost_part_is_named_beside_the_number():
    part = PartParity("head", "channels 4–5", 0.01, 0.99, 0.0, step=2.5, lost=True, left=0.0)
    lossy = Parity(1.2, 51.0, 1.0, None, 20, variation=0.3, follows_db=40.0, parts=(part,))
    _, reasons = judged(replace(row(), parity=lossy))
    assert "head channels 4–5: range 0.01…0.99, the output's step is 2.5" in reasons


def test_sums_that_may_overflow_are_told_and_cost_no_verdict():
    verdict, reasons = judged(row(precision="int8", details={"int8_sums": "int16"}))
    assert verdict == "VALID"
    assert "this processor has no VNNI" in reasons

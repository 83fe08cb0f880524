"""Whether a number can be defended, with the reasons in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.benchmarking.protocol import PROFILES
from edgecnn.benchmarking.verdict import OutputHealth, judge
from edgecnn.results import ArtifactRecord, Effective, Measurement, Run

PROTOCOL = PROFILES["quick"]
QUIET = {"steal_fraction": 0.0, "other_cpus": 0.02, "frequency_mhz": [2000.0, 2001.0]}
HEALTHY = OutputHealth(finite=True, constant=False)
ARTIFACT = ArtifactRecord("m.tflite", "tflite", "float32", "ab", 1)


def samples(spread: float = 0.01, count: int = 1_000) -> tuple[int, ...]:
    rng = np.random.default_rng(0)
    return tuple((1e6 * (1 + spread * rng.standard_normal(count))).astype(int).tolist())


def row(device: str = "cpu", *, machine: dict | None = None, taken=samples(), **effective):  # noqa: B008
    told = Effective(**{"provider": "P", "precision": "float32", "device_name": "D", **effective})
    run = Run(1, 1, (), taken, {}, told, machine=QUIET | (machine or {}))
    return Measurement(ARTIFACT, "litert", device, runs=(run,))


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
    ],
)
def test_a_disturbed_run_is_noisy_and_names_the_disturbance(machine: dict, word: str):
    verdict, reasons = judged(row(machine=machine))
    assert verdict == "NOISY"
    assert word in reasons


def test_a_machine_that_tells_nothing_is_not_accused():
    silent = {"steal_fraction": None, "other_cpus": None, "frequency_mhz": [None, None]}
    assert judged(row(machine=silent)) == ("VALID", "")


def test_a_wide_interval_is_noisy():
    verdict, reasons = judged(row(taken=samples(0.5, 100)))
    assert verdict == "NOISY"
    assert "a larger --max-secs would do" in reasons


def test_too_few_samples_are_noisy_and_say_which_budget_would_do():
    verdict, reasons = judged(row(taken=(10**9, 10**9, 10**9)))
    assert verdict == "NOISY"
    assert "only 3 of 64 samples" in reasons
    assert "--max-secs to 65" in reasons


def test_missing_processes_are_told():
    five = replace(PROTOCOL, processes=5)
    assert "interrupted: 1 of 5" in judge(row(), five, HEALTHY).reasons[0]


@pytest.mark.parametrize(
    ("health", "word"),
    [(OutputHealth(False, False), "NaN"), (OutputHealth(True, True), "answers a constant")],
)
def test_sick_outputs_are_invalid(health: OutputHealth, word: str):
    verdict, reasons = judged(row(), health)
    assert verdict == "INVALID"
    assert word in reasons


def test_a_gpu_in_software_is_invalid():
    verdict, reasons = judged(row("gpu", software=True, device_name="SwiftShader"))
    assert verdict == "INVALID"
    assert "SwiftShader" in reasons


def test_partial_delegation_is_invalid_on_a_gpu_and_told_in_percent():
    verdict, reasons = judged(row("gpu", delegated_fraction=0.75))
    assert verdict == "INVALID"
    assert "25% of the nodes" in reasons


def test_a_row_that_was_not_measured_has_no_verdict():
    assert judge(replace(row(), status="crashed"), PROTOCOL, None).verdict is None


def test_output_health_sees_nan_and_constants():
    varied = np.array([[0.1, 0.9], [0.8, 0.2]])
    assert OutputHealth.of(varied) == OutputHealth(finite=True, constant=False)
    assert OutputHealth.of(np.full((5, 2), 0.5)).constant
    assert not OutputHealth.of(np.array([[np.nan, 1.0]])).finite
    assert not OutputHealth.of(varied[:1]).constant  # one sample tells nothing

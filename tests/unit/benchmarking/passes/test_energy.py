"""Joules of an inference, against a counter that the inference itself drives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecnn.benchmarking.machine import observation
from edgecnn.benchmarking.passes import energy, make, memory
from edgecnn.results.runs import Effective
from tests.unit.benchmarking.passes.clock import Clock

COUNTER = "sys/class/powercap/intel-rapl:0"
JOULES = 0.25


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(energy, "time", clock)
    return clock


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A RAPL package; calling it adds joules."""
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    folder = tmp_path / COUNTER
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n")
    (folder / "max_energy_range_uj").write_text("65532610987\n")
    value = folder / "energy_uj"
    value.write_text("0\n")

    def add(joules: float) -> None:
        value.write_text(f"{int(value.read_text()) + round(joules * 1e6)}\n")

    return add


def context(
    invoke: Callable[[], object], device: str = "cpu", device_name: str = ""
) -> SimpleNamespace:
    effective = Effective("x", "float32", device_name, 1.0, None, runtime_version="x 1")
    return SimpleNamespace(
        invocations=[invoke],
        device=device,
        seconds=lambda most: most,
        session=SimpleNamespace(effective=effective),
    )


def test_an_inference_takes_what_the_counter_says(counter: Callable[[float], None], clock: Clock):
    def invoke() -> None:
        counter(JOULES)
        clock.sleep(0.01)

    found = energy.find(context(invoke))
    assert found["joules_per_inference"] == pytest.approx(JOULES)
    assert found["inferences"] == pytest.approx(energy.ACTIVE_SECS / 0.01, abs=6)
    assert found["active_watts"] == pytest.approx(JOULES / 0.01)
    assert (found["method"], found["domain"], found["reason"]) == ("RAPL", "package-0", None)
    assert found["idle_watts"] == 0


@pytest.mark.parametrize(("idle_watts", "joules"), [(0.0, 0.02), (40.0, 0.25), (200.0, 0.01)])
def test_what_flows_when_idle_is_subtracted(
    idle_watts: float, joules: float, counter: Callable[[float], None], clock: Clock
):
    clock.on_time_passing = lambda secs: counter(idle_watts * secs)

    def invoke() -> None:
        counter(joules)
        clock.sleep(0.01)

    found = energy.find(context(invoke))
    assert found["idle_watts"] == pytest.approx(idle_watts, abs=1e-3)
    assert found["joules_per_inference"] == pytest.approx(joules, abs=1e-4)


def test_an_inference_that_takes_no_more_than_nothing_has_no_energy(
    counter: Callable[[float], None], clock: Clock
):
    clock.on_time_passing = lambda secs: counter(40 * secs)
    found = energy.find(context(lambda: clock.sleep(0.01)))
    assert found["joules_per_inference"] is None
    assert "no more power than the idle machine" in found["reason"]


def test_without_a_sensor_there_is_a_reason_and_no_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    found = energy.find(context(lambda: None))
    assert found == {"joules_per_inference": None, "reason": found["reason"]}
    assert "no RAPL" in found["reason"]


def test_a_sensor_that_falls_silent_leaves_a_reason(
    counter: Callable[[float], None], clock: Clock, tmp_path: Path
):
    value = tmp_path / COUNTER / "energy_uj"

    def invoke() -> None:
        value.unlink(missing_ok=True)
        clock.sleep(0.01)

    found = make("energy", context(invoke))
    assert found["joules_per_inference"] is None
    assert "fell silent" in found["reason"]


ABSENT = "NVML is not to be had"


@pytest.mark.parametrize(
    ("device", "name", "reason"),
    [
        ("cpu", "Intel(R) Xeon(R)", None),
        ("cuda", "NVIDIA H200", ABSENT),
        ("gpu", "NVIDIA H200", ABSENT),
        ("gpu", "Intel(R) UHD Graphics 770 (iGPU)", None),
        ("gpu", "AMD Radeon", "no interface reports the memory of AMD Radeon"),
    ],
)
def test_memory_on_the_gpu_is_none_where_nothing_tells(
    device: str, name: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memory, "gpu_memory_bytes", lambda _: ABSENT)
    found = memory.find(context(lambda: None, device, name))
    assert found["gpu_bytes"] is None
    assert found.get("gpu_reason") == reason


def test_a_gpu_that_nothing_meters_is_not_given_the_processors_joules(
    counter: Callable[[float], None], clock: Clock
):
    def invoke() -> None:
        counter(JOULES)
        clock.sleep(0.01)

    found = energy.find(context(invoke, "gpu", "AMD Radeon"))
    assert found["joules_per_inference"] is None
    assert "no interface reports the energy of AMD Radeon" in found["reason"]

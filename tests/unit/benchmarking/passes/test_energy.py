"""Joules of an inference, against a counter that the inference itself drives."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecnn.benchmarking import observation
from edgecnn.benchmarking.passes import energy, make, memory

COUNTER = "sys/class/powercap/intel-rapl:0"
JOULES = 0.25


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(energy, "SETTLE_SECS", 0.0)
    monkeypatch.setattr(energy, "IDLE_SECS", 0.1)
    monkeypatch.setattr(energy, "ACTIVE_SECS", 0.2)


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


def context(invoke: Callable[[], object], device: str = "cpu") -> SimpleNamespace:
    return SimpleNamespace(invocations=[invoke], device=device)


def test_an_inference_takes_what_the_counter_says(counter: Callable[[float], None]):
    def invoke() -> None:
        counter(JOULES)
        time.sleep(0.001)

    found = energy.find(context(invoke))
    assert found["joules_per_inference"] == pytest.approx(JOULES, rel=1e-6)
    assert found["method"] == "RAPL"
    assert found["domain"] == "package-0"
    assert found["idle_watts"] == 0
    assert found["reason"] is None


def test_what_flows_when_idle_is_subtracted(
    counter: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
):
    # 40 W all the time, told on each reading; an inference takes a quarter joule beside.
    start = last = time.monotonic()

    def background() -> None:
        nonlocal last
        now = time.monotonic()
        counter(40 * (now - last))
        last = now

    advance = energy.power.CounterMeter.advance

    def advance_after_background(meter: energy.power.CounterMeter) -> float:
        background()
        return advance(meter)

    monkeypatch.setattr(energy.power.CounterMeter, "advance", advance_after_background)

    def invoke() -> None:
        counter(JOULES)
        time.sleep(0.02)

    found = energy.find(context(invoke))
    assert start < last
    # The counter was behind by the time before its first reading, 40 W for some milliseconds.
    assert found["idle_watts"] == pytest.approx(40, rel=0.2)
    assert found["joules_per_inference"] == pytest.approx(JOULES, rel=0.5)


def test_an_inference_that_takes_no_more_than_nothing_has_no_energy(
    counter: Callable[[float], None],
):
    found = energy.find(context(lambda: time.sleep(0.001)))
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
    counter: Callable[[float], None], tmp_path: Path
):
    value = tmp_path / COUNTER / "energy_uj"
    found = make_with(lambda: value.unlink(missing_ok=True))
    assert found["joules_per_inference"] is None
    assert "fell silent" in found["reason"]


def make_with(invoke: Callable[[], object]) -> dict:
    return make("energy", context(invoke))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_memory_on_the_gpu_is_none_where_nothing_tells(
    device: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memory, "gpu_memory_bytes", lambda: "NVML is not to be had")
    found = memory.find(context(lambda: None, device))
    assert found["gpu_bytes"] is None
    assert found.get("gpu_reason") == (None if device == "cpu" else "NVML is not to be had")

"""Speed under sustained load, minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecnn.benchmarking.loop import timed_loop
from edgecnn.benchmarking.machine import observation
from edgecnn.benchmarking.passes import make, sustained
from edgecnn.benchmarking.protocol import PROFILES, parse_duration, resolve
from edgecnn.errors import InputError
from tests.unit.benchmarking.passes.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sustained, "time", clock)
    monkeypatch.setattr(timed_loop, "time", clock)
    return clock


def context(invoke: Callable[[], object], secs: float) -> SimpleNamespace:
    protocol = replace(PROFILES["quick"], sustained_secs=secs)
    return SimpleNamespace(invocations=[invoke], protocol=protocol)


def test_ten_minutes_are_told_minute_by_minute(clock: Clock):
    found = sustained.find(context(lambda: clock.sleep(0.02), 600))
    assert [bucket["minute"] for bucket in found["buckets"]] == pytest.approx(
        range(1, 11), abs=0.01
    )
    assert found["bucket_secs"] == 60
    assert sum(bucket["count"] for bucket in found["buckets"]) == pytest.approx(30_000, abs=10)
    assert all(bucket["p50_ms"] == pytest.approx(20, rel=1e-3) for bucket in found["buckets"])
    assert found["steady_over_initial"] == pytest.approx(1, rel=1e-3)


def test_a_shorter_time_is_told_in_tenths(clock: Clock):
    found = sustained.find(context(lambda: clock.sleep(0.001), 5))
    assert (len(found["buckets"]), found["bucket_secs"]) == (10, 0.5)
    assert found["secs"] == pytest.approx(5, abs=0.01)


def test_half_an_hour_is_told_minute_by_minute(clock: Clock):
    assert len(sustained.find(context(lambda: clock.sleep(0.5), 1_800))["buckets"]) == 30


def test_a_tail_is_told_only_from_enough_samples(clock: Clock):
    found = sustained.find(context(lambda: clock.sleep(1.0), 600))
    assert all(bucket["count"] < 64 and bucket["p90_ms"] is None for bucket in found["buckets"])


def test_an_inference_longer_than_the_whole_time_is_one_bucket(clock: Clock):
    (bucket,) = sustained.find(context(lambda: clock.sleep(30), 10))["buckets"]
    assert (bucket["count"], bucket["p50_ms"]) == (1, 30_000)


def test_a_device_that_slows_down_shows_in_the_ratio(clock: Clock):
    begun = clock.now
    found = sustained.find(
        context(lambda: clock.sleep(0.01 if clock.now - begun < 300 else 0.013), 600)
    )
    assert found["steady_over_initial"] == pytest.approx(1.3)


def test_throttling_meanwhile_is_told(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    count = tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    count.parent.mkdir(parents=True)
    count.write_text("1\n")
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("71500\n")

    def invoke() -> None:
        count.write_text("2\n")
        clock.sleep(0.1)

    found = sustained.find(context(invoke, 1.0))
    assert (found["throttled"], found["throttled_by"]) == (True, ["core_throttle_count"])
    assert found["buckets"][-1]["temperature_c"] == 71.5


def test_without_a_time_the_answer_says_how_to_give_one():
    assert make("sustained", context(lambda: None, 0.0))["hint"] == "--sustained 10m"


@pytest.mark.parametrize(
    ("text", "secs"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5m", 90), ("45", 45), (" 2h ", 7200)],
)
def test_a_duration_is_read_as_it_is_written(text: str, secs: float):
    assert parse_duration(text) == secs
    assert resolve("quick", sustained_secs=parse_duration(text)).sustained_secs == secs


@pytest.mark.parametrize("text", ["", "s", "10 minutes", "-5s", "5s10m", "m", "1e3"])
def test_anything_else_is_refused(text: str):
    with pytest.raises(InputError, match="expected a duration"):
        parse_duration(text)


def test_a_time_below_zero_is_refused():
    with pytest.raises(InputError, match="--sustained"):
        replace(PROFILES["quick"], sustained_secs=-1.0)

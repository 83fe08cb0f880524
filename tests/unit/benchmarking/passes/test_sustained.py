"""Speed under sustained load, minute by minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecnn.benchmarking import observation
from edgecnn.benchmarking.passes import make, sustained
from edgecnn.benchmarking.protocol import PROFILES, parse_duration, resolve
from edgecnn.errors import InputError


def context(invoke: Callable[[], object], secs: float) -> SimpleNamespace:
    protocol = replace(PROFILES["quick"], sustained_secs=secs)
    return SimpleNamespace(invocations=[invoke], protocol=protocol)


def test_a_short_time_is_told_in_tenths():
    found = sustained.find(context(lambda: time.sleep(0.0005), 0.5))
    assert 8 <= len(found["buckets"]) <= 10  # a busy machine may make a bucket longer
    assert found["bucket_secs"] == pytest.approx(0.05)
    minutes = [bucket["minute"] for bucket in found["buckets"]]
    assert minutes == sorted(minutes)
    assert all(bucket["count"] >= 1 and bucket["p50_ms"] > 0.4 for bucket in found["buckets"])
    assert found["secs"] == pytest.approx(0.5, abs=0.3)


def test_a_tail_is_told_only_from_enough_samples():
    found = sustained.find(context(lambda: time.sleep(0.01), 0.3))
    assert all(bucket["p90_ms"] is None for bucket in found["buckets"])


def test_a_device_that_slows_down_shows_in_the_ratio():
    begun = time.monotonic()

    def invoke() -> None:
        time.sleep(0.001 if time.monotonic() - begun < 0.4 else 0.004)

    found = sustained.find(context(invoke, 1.0))
    assert found["steady_over_initial"] > 2


def test_throttling_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    count = tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    count.parent.mkdir(parents=True)
    count.write_text("1\n")
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("71500\n")

    def invoke() -> None:
        count.write_text("2\n")
        time.sleep(0.001)

    found = sustained.find(context(invoke, 0.1))
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

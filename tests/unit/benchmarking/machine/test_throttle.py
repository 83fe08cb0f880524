"""A machine that holds itself back says so in files; they are planted under another root."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.benchmarking.machine import observation, throttle
from edgecnn.benchmarking.machine.throttle import Flags, read, throttled


def plant(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n", encoding="utf-8")


def changed(root: Path, before: dict[str, object], after: dict[str, object]) -> tuple:
    plant(root, before)
    first = read(root)
    plant(root, after)
    return throttled(first, read(root))


CORE = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
PI = "sys/devices/platform/soc/soc:firmware/get_throttled"


def test_a_machine_without_any_of_the_files_is_not_known_to_throttle(tmp_path: Path):
    assert throttled(read(tmp_path), read(tmp_path)) == (None, [])


def test_counts_of_earlier_throttling_are_not_this_measurement(tmp_path: Path):
    counts = {CORE.format(0): 812, CORE.format(1): 3}
    assert changed(tmp_path, counts, counts) == (False, [])


def test_a_core_that_throttled_meanwhile_is_told(tmp_path: Path):
    before, after = {CORE.format(0): 5, CORE.format(1): 3}, {CORE.format(1): 4}
    assert changed(tmp_path, before, after) == (True, ["core_throttle_count"])


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        ("0", []),
        ("20000", []),  # capped at some time since boot, before this measurement
        ("1", ["Raspberry Pi: under-voltage"]),
        ("e0008", ["Raspberry Pi: soft temperature limit"]),
        ("50005", ["Raspberry Pi: throttled", "Raspberry Pi: under-voltage"]),
    ],
)
def test_a_raspberry_pi_tells_its_flags(bits: str, reasons: list[str], tmp_path: Path):
    assert changed(tmp_path, {PI: bits}, {}) == (bool(reasons), reasons)


def test_a_pi_that_throttled_between_two_readings_is_caught_by_the_sticky_bit(tmp_path: Path):
    assert changed(tmp_path, {PI: "0"}, {PI: "40000"}) == (True, ["Raspberry Pi: throttled"])


def test_an_older_pi_is_asked_through_vcgencmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = tmp_path / "bin/vcgencmd"
    plant(tmp_path, {"bin/vcgencmd": "#!/bin/sh\necho throttled=0x50005"})
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    root = tmp_path / "root"
    plant(root, {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"})
    assert "Raspberry Pi: throttled" in read(root).active
    (root / "proc/device-tree/model").write_text("Some other board")
    assert not read(root).known


@pytest.mark.parametrize("kind", ["cpu-throttle-alert", "thermal-cpufreq-0", "Processor"])
def test_a_thermal_governor_at_work_is_told(kind: str, tmp_path: Path):
    device = "sys/class/thermal/cooling_device0"
    quiet = {f"{device}/type": kind, f"{device}/cur_state": 0}
    assert changed(tmp_path, quiet, {}) == (False, [])
    assert changed(tmp_path, {}, {f"{device}/cur_state": 2}) == (
        True,
        [f"thermal governor: {kind}"],
    )


def test_a_fan_is_not_a_throttle(tmp_path: Path):
    device = "sys/class/thermal/cooling_device0"
    plant(tmp_path, {f"{device}/type": "pwm-fan", f"{device}/cur_state": 3})
    assert not read(tmp_path).known


def test_a_jetsons_over_current_event_is_told(tmp_path: Path):
    name = "sys/class/hwmon/hwmon4/oc3_event_cnt"
    assert changed(tmp_path, {name: 0}, {name: 1}) == (True, ["Jetson: oc3 over-current"])


def test_what_happened_between_two_snapshots_holds_the_throttling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    plant(tmp_path, {CORE.format(0): 1})
    before = observation.snapshot()
    plant(tmp_path, {CORE.format(0): 2})
    observed = observation.difference(before, observation.snapshot())
    assert observed["throttled"] is True
    assert observed["throttled_by"] == ["core_throttle_count"]
    silent = replace(before, throttle=Flags())
    assert observation.difference(silent, silent)["throttled"] is None


def test_garbage_in_the_files_is_no_throttling(tmp_path: Path):
    plant(tmp_path, {CORE.format(0): "n/a", PI: "zz", "sys/class/hwmon/hwmon0/oc1_event_cnt": ""})
    assert throttle.read(tmp_path) == Flags()

"""Detect throttling: temperature, under-voltage, over-current.

Read from files under a given root, and on a Raspberry Pi without those from `vcgencmd`. Some
sources are counters (Intel's core_throttle_count, a Jetson's over-current events), others report
only that it happens now; both are read before and after a measurement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.benchmarking.machine.kernel_files import number_in, text_in

PI_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of `vcgencmd get_throttled`; the same 16 places higher say "since boot"."""
_SINCE_BOOT = 16
_COOLING = ("cpufreq", "thermal-cpufreq", "thermal-devfreq", "Processor", "intel_powerclamp")


@dataclass(frozen=True)
class Flags:
    """`counters` only ever grow, `active` holds now; `known` when the machine reports it at all."""

    counters: Mapping[str, int] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    known: bool = False


def read(root: Path) -> Flags:
    """All that the machine reports now."""
    counters = {**dict(_x86(root)), **dict(_over_current(root))}
    active: set[str] = set()
    states = dict(_cooling(root))
    active |= {name for name, state in states.items() if state > 0}
    alarms = dict(_voltage_alarms(root))
    active |= {name for name, state in alarms.items() if state > 0}
    bits = _pi_bits(root)
    if bits is not None:
        active |= {f"Raspberry Pi: {name}" for bit, name in PI_NOW.items() if bits >> bit & 1}
        for bit, name in PI_NOW.items():
            counters[f"Raspberry Pi: {name}"] = bits >> (bit + _SINCE_BOOT) & 1
    return Flags(
        counters, frozenset(active), bool(counters or states or alarms or bits is not None)
    )


def throttled(before: Flags, after: Flags) -> tuple[bool | None, list[str]]:
    """(whether it happened, by what), between two readings; None where nothing reports it."""
    if not after.known:
        return None, []
    grown = {
        name
        for name, count in after.counters.items()
        if name in before.counters and count > before.counters[name]
    }
    reasons = sorted(grown | before.active | after.active)
    return bool(reasons), reasons


def _x86(root: Path) -> Iterator[tuple[str, int]]:
    """Intel: how often a core, or its package, was slowed down for its temperature."""
    for what in ("core", "package"):
        counts = [
            count
            for path in root.glob(
                f"sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/{what}_throttle_count"
            )
            if (count := number_in(path, int)) is not None
        ]
        if counts:
            yield f"{what}_throttle_count", sum(counts)


def _over_current(root: Path) -> Iterator[tuple[str, int]]:
    """Jetson: over-current events (OC1 is under-voltage, OC2 and OC3 average and peak power)."""
    for path in sorted(root.glob("sys/class/hwmon/hwmon*/oc*_event_cnt")):
        count = number_in(path, int)
        if count is not None:
            yield f"Jetson: {path.name.removesuffix('_event_cnt')} over-current", count


def _cooling(root: Path) -> Iterator[tuple[str, int]]:
    """What the kernel's thermal governor (and a Jetson's throttle alerts) hold down now."""
    for folder in sorted(root.glob("sys/class/thermal/cooling_device*")):
        kind = text_in(folder / "type")
        state = number_in(folder / "cur_state", int)
        if state is not None and (kind.startswith(_COOLING) or "throttle" in kind):
            yield f"thermal governor: {kind}", state


def _voltage_alarms(root: Path) -> Iterator[tuple[str, int]]:
    """Raspberry Pi's firmware alarm for a weak supply, as a hwmon device."""
    for folder in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if text_in(folder / "name") == "rpi_volt":
            state = number_in(folder / "in0_lcrit_alarm", int)
            if state is not None:
                yield "Raspberry Pi: under-voltage", state


def _pi_bits(root: Path) -> int | None:
    """The firmware's flags: from sysfs where the kernel has them, else through vcgencmd."""
    answer = text_in(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    if not answer and "Raspberry Pi" in text_in(root / "proc/device-tree/model"):
        answer = _vcgencmd()
    try:
        return int(answer.rpartition("=")[2], 16) if answer else None
    except ValueError:
        return None


def _vcgencmd() -> str:
    import shutil
    import subprocess

    tool = shutil.which("vcgencmd")
    if tool is None:
        return ""
    try:
        completed = subprocess.run(
            [tool, "get_throttled"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return completed.stdout.strip() if completed.returncode == 0 else ""

"""Observe the machine while a process measures: /proc, standard library only.

The worker calls this right before and right after the timed loop, never inside it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.machine import quota, throttle
from edgecnn.benchmarking.machine.kernel_files import number_in, text_in
from edgecnn.benchmarking.machine.throttle import Flags

ROOT = Path(os.environ.get("EDGECNN_SYSTEM_ROOT", "/"))
"""Where /proc and /sys are looked up, in worker processes too; tests plant files elsewhere."""


_STATUS = Path("/proc/self/status")


def resident_bytes() -> dict[str, int]:
    """Current and peak resident set of this process: {"now": …, "peak": …}.

    The peak is VmHWM: unlike getrusage's ru_maxrss it starts at zero at exec, so that a large
    parent does not count. What is not reported (macOS, gVisor) is ru_maxrss.
    """
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    values = {"now": most, "peak": most}
    with suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(("VmRSS:", "VmHWM:")):
                name, kib = line.split()[:2]
                values["now" if name == "VmRSS:" else "peak"] = int(kib) * 1024
    return values


def forget_peak() -> bool:
    """Let the peak of the resident set begin at its present size; False where that cannot be."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Snapshot:
    """Counters at one moment; the difference of two shows what happened in between."""

    at: float
    own_cpu_secs: float
    busy_secs: float | None
    steal_secs: float | None
    involuntary_switches: int
    frequency_mhz: float | None
    temperature_c: float | None
    governor: str | None = None
    throttle: Flags = field(default_factory=Flags)
    quota: Mapping[str, quota.Counters] = field(default_factory=dict)


def snapshot() -> Snapshot:
    """Read the counters now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    busy, steal = _processor_seconds()
    return Snapshot(
        at=time.monotonic(),
        own_cpu_secs=usage.ru_utime + usage.ru_stime,
        busy_secs=busy,
        steal_secs=steal,
        involuntary_switches=usage.ru_nivcsw,
        frequency_mhz=frequency_mhz(),
        temperature_c=temperature_c(),
        governor=governor(),
        throttle=throttle.read(ROOT),
        quota=quota.read(ROOT),
    )


def difference(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """What happened between two snapshots.

    `other_cpus` is how many processors others kept busy on average, `own_cpus` this process,
    `steal_fraction` the share of one processor's time that a hypervisor took away.
    `throttled` is None where the machine does not report it; `throttled_by` names what did it.
    `cpu_quota` and `quota` are the container's: how many processors, and how often it stopped.
    """
    elapsed = max(after.at - before.at, 1e-9)
    own = after.own_cpu_secs - before.own_cpu_secs
    throttled, by = throttle.throttled(before.throttle, after.throttle)
    observed: dict[str, Any] = {
        "elapsed_secs": round(elapsed, 3),
        "own_cpus": round(own / elapsed, 3),
        "other_cpus": None,
        "usable_cpus": usable_cpus(),
        "steal_fraction": None,
        "involuntary_switches": after.involuntary_switches - before.involuntary_switches,
        "frequency_mhz": [before.frequency_mhz, after.frequency_mhz],
        "temperature_c": [before.temperature_c, after.temperature_c],
        "governor": [before.governor, after.governor],
        "throttled": throttled,
        "throttled_by": by,
        "cpu_quota": quota.processors(ROOT),
        "quota": quota.difference(before.quota, after.quota),
    }
    if before.busy_secs is not None and after.busy_secs is not None:
        others = after.busy_secs - before.busy_secs - own
        observed["other_cpus"] = round(max(others, 0.0) / elapsed, 3)
    if before.steal_secs is not None and after.steal_secs is not None:
        observed["steal_fraction"] = round((after.steal_secs - before.steal_secs) / elapsed, 4)
    return observed


def usable_cpus() -> int:
    """How many whole processors this process may use: those that it may run on, and no more than
    its container's quota allows; 1 where that is less than one.
    """
    allowed = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    limit = quota.processors(ROOT)
    return allowed if limit is None else max(1, min(allowed, int(limit)))


def _processor_seconds() -> tuple[float | None, float | None]:
    """(busy, stolen) seconds of all processors since boot, from /proc/stat."""
    try:
        fields = (ROOT / "proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        tick = os.sysconf("SC_CLK_TCK")
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
    except (OSError, ValueError):
        return None, None
    return (user + nice + system + irq + softirq) / tick, steal / tick


def frequency_mhz() -> float | None:
    """Mean current frequency of the processors, None where the kernel does not report it."""
    readings = []
    for path in sorted(ROOT.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")):
        value = number_in(path, float)
        if value is not None:
            readings.append(value / 1e3)
    return round(sum(readings) / len(readings), 1) if readings else None


def highest_frequency_mhz() -> float | None:
    """What the processors reach at most, None where the kernel does not report it."""
    readings = [
        value / 1e3
        for path in ROOT.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq")
        if (value := number_in(path, float)) is not None
    ]
    return max(readings, default=None)


def heat_limit_c() -> tuple[float, float] | None:
    """(temperature, limit) of the thermal zone that is nearest to its limit; None where none has
    one. What a fan starts at ("active") is no such limit.
    """
    zones = []
    for path in ROOT.glob("sys/class/thermal/thermal_zone*/trip_point_*_type"):
        kind = text_in(path)
        limit = number_in(path.with_name(path.name.replace("_type", "_temp")), float)
        now = number_in(path.with_name("temp"), float)
        if kind in ("passive", "hot", "critical") and limit and limit > 0 and now is not None:
            zones.append((now / 1e3, limit / 1e3))
    return min(zones, key=lambda zone: zone[1] - zone[0], default=None)


def governor() -> str | None:
    """What sets the first processor's frequency ("performance", "ondemand" …), where known."""
    return text_in(ROOT / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None


def temperature_c() -> float | None:
    """The hottest thermal zone, None where there is none."""
    readings = [
        value / 1e3
        for path in ROOT.glob("sys/class/thermal/thermal_zone*/temp")
        if (value := number_in(path, float)) is not None
    ]
    return max(readings, default=None)

"""The share of the processors that a container allows: its quota, and how often it stopped us.

Linux's CFS bandwidth control lets a group run for `quota` of each `period` (usually 100 ms) and
then stops all of its processes until the next one begins. A latency measured across such stops
is the quota's, not the model's. Read from control groups of version 1 and 2, standard library
alone; every level counts, since a group is held back by those above it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_USUAL_PLACES = (
    "sys/fs/cgroup",
    "sys/fs/cgroup/unified",
    "sys/fs/cgroup/cpu",
    "sys/fs/cgroup/cpu,cpuacct",
)


@dataclass(frozen=True)
class Counters:
    """Of one group since it was made: periods with work, those in which it was stopped, and for
    how long (summed over processors).
    """

    periods: int
    throttled: int
    throttled_secs: float


def processors(root: Path) -> float | None:
    """How many processors' time this process may use; None where nothing limits it."""
    quotas = [quota for group in _groups(root) if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def read(root: Path) -> dict[str, Counters]:
    """The counters of this process's group and of those above it, by folder."""
    readings = {str(group): _counters(group) for group in _groups(root)}
    return {name: counters for name, counters in readings.items() if counters is not None}


def difference(
    before: Mapping[str, Counters], after: Mapping[str, Counters]
) -> dict[str, Any] | None:
    """What the most restrictive group did between two readings; None where there is none.

    `periods`, `throttled_periods` and `throttled_secs` are those of one group.
    """
    grown = [
        {
            "periods": now.periods - before[name].periods,
            "throttled_periods": now.throttled - before[name].throttled,
            "throttled_secs": round(now.throttled_secs - before[name].throttled_secs, 4),
        }
        for name, now in after.items()
        if name in before
    ]
    return max(grown, key=lambda group: group["throttled_periods"], default=None)


@cache
def _groups(root: Path) -> tuple[Path, ...]:
    """The folders of this process's groups, and of all groups above them."""
    return tuple(dict.fromkeys(_levels(root)))


def _levels(root: Path) -> Iterator[Path]:
    mounts = list(_mounts(root))
    for version, path in _memberships(root) or [(1, "/"), (2, "/")]:
        for mounted_version, mounted_path, place in mounts:
            if mounted_version != version:
                continue
            group = place / _within(path, mounted_path)
            while True:
                if group.is_dir():
                    yield group
                if group in (place, group.parent):
                    break
                group = group.parent


def _within(path: str, mounted: str) -> str:
    """The group's place below what is mounted: all of it where a container sees itself as /."""
    if mounted != "/" and (path == mounted or path.startswith(f"{mounted}/")):
        path = path[len(mounted) :]
    return "" if ".." in path.split("/") else path.strip("/")


def _memberships(root: Path) -> list[tuple[int, str]]:
    """(version, path) of the groups that may limit processors."""
    groups = []
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            groups.append((2, path))
        elif "cpu" in controllers.split(","):
            groups.append((1, path))
    return groups


def _mounts(root: Path) -> Iterator[tuple[int, str, Path]]:
    """(version, path of the group that is mounted, folder where)."""
    mounted = False
    for line in _lines(root / "proc/self/mountinfo"):
        fields, _, rest = line.partition(" - ")
        words, kind = fields.split(), rest.split()
        if len(words) < 5 or len(kind) < 3:
            continue
        place = root / words[4].lstrip("/")
        if kind[0] == "cgroup2":
            mounted = True
            yield 2, words[3], place
        elif kind[0] == "cgroup" and "cpu" in kind[2].split(","):
            mounted = True
            yield 1, words[3], place
    if not mounted:
        for name in _USUAL_PLACES:
            place = root / name
            if (place / "cpu.max").is_file() or (place / "cgroup.controllers").is_file():
                yield 2, "/", place
            elif (place / "cpu.cfs_quota_us").is_file():
                yield 1, "/", place


def _quota(group: Path) -> float | None:
    words = " ".join(_lines(group / "cpu.max")).split()
    if not words:
        words = [
            *_lines(group / "cpu.cfs_quota_us"),
            *_lines(group / "cpu.cfs_period_us"),
        ]
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # "max": without limit
        return None
    return quota / period if quota > 0 and period > 0 else None


def _counters(group: Path) -> Counters | None:
    fields = {}
    for line in _lines(group / "cpu.stat"):
        name, _, value = line.partition(" ")
        if value.strip().isdecimal():
            fields[name] = int(value)
    if "nr_periods" not in fields or "nr_throttled" not in fields:
        return None
    secs = fields.get("throttled_usec", 0) / 1e6 + fields.get("throttled_time", 0) / 1e9
    return Counters(fields["nr_periods"], fields["nr_throttled"], secs)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []

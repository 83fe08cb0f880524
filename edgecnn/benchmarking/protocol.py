"""Measurement protocol: how long, in how many processes, and when to stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

from edgecnn.errors import InputError
from edgecnn.registry import unknown_name

CHECKS_SHARE = 0.25


@dataclass(frozen=True)
class Protocol:
    """The measurement protocol of a row: how many fresh processes ("runs"), and how long.

    Every process samples until it has `min_secs` of undisturbed samples and its part of the
    row's `min_runs`. After `processes` rounds, rows whose 95% interval is wider than
    ±`target_interval` get further rounds, up to `most_processes`. `max_secs` bounds all
    inferences of the row: warm-up and samples of all its processes, and the checks after them.
    `min_runs` are LoadGen's early-stopping counts: 64 samples allow a p90, 662 a p99.
    """

    name: str
    processes: int
    min_secs: float
    min_runs: int
    max_secs: float
    max_runs: int = 20_000
    most_processes: int = 0
    """0: no more than `processes`."""
    target_interval: float = 0.03
    warmup_min_runs: int = 10
    warmup_min_secs: float = 0.5
    warmup_max_secs: float = 10.0
    seed: int = 0
    sustained_secs: float = 0.0
    """How long the pass `sustained` runs without a pause; 0 when nobody asked for it."""

    def __post_init__(self) -> None:
        if self.processes < 1 or self.min_runs < 1 or self.max_runs < 1:
            raise InputError(
                f"a protocol needs at least one process and one run, received: "
                f"{self.processes} processes, {self.min_runs} to {self.max_runs} runs"
            )
        if self.sustained_secs < 0:
            raise InputError(f"--sustained takes a time, received: {self.sustained_secs:g} s")
        if not 0 <= self.min_secs <= self.max_secs:
            raise InputError(
                f"--min-secs must lie between 0 and --max-secs, received: "
                f"{self.min_secs:g} and {self.max_secs:g}"
            )

    @property
    def most(self) -> int:
        """The largest number of processes of a row."""
        return max(self.processes, self.most_processes)

    @property
    def checking_secs(self) -> float:
        """The part of a row's budget that is left to the checks after the samples."""
        return CHECKS_SHARE * self.max_secs

    @property
    def sampling_secs(self) -> float:
        """The part of a row's budget that goes to warm-up and samples of all processes."""
        return self.max_secs - self.checking_secs

    def of_one_process(self, spent_secs: float = 0.0, made: int = 0) -> Protocol:
        """What one process may take, when `made` of the row's have taken `spent_secs` already.

        `max_secs` is then its seconds of samples, and `warmup_max_secs` comes on top.
        """
        remaining = max(self.processes - made, 1)
        fair = self.sampling_secs / self.processes
        secs = min(max(self.sampling_secs - spent_secs, 0.0) / remaining, fair)
        warm = min(self.warmup_max_secs, secs / 4)
        return replace(
            self,
            min_runs=ceil(self.min_runs / self.processes),
            min_secs=min(self.min_secs, secs - warm),
            max_secs=secs - warm,
            warmup_max_secs=warm,
            warmup_min_secs=min(self.warmup_min_secs, warm),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PROFILES: Mapping[str, Protocol] = {
    "quick": Protocol(
        "quick",
        processes=4,
        most_processes=10,
        min_secs=0.15,
        min_runs=64,
        max_secs=6.0,
        warmup_min_secs=0.05,
    ),
    "default": Protocol(
        "default",
        processes=8,
        most_processes=16,
        min_secs=0.5,
        min_runs=662,
        max_secs=40.0,
        target_interval=0.02,
        warmup_min_secs=0.3,
    ),
    "rigorous": Protocol(
        "rigorous",
        processes=15,
        most_processes=30,
        min_secs=2.0,
        min_runs=2_000,
        max_secs=300.0,
        max_runs=100_000,
        target_interval=0.02,
    ),
}


def resolve(
    profile: str = "default",
    *,
    min_secs: float | None = None,
    min_runs: int | None = None,
    max_secs: float | None = None,
    processes: int | None = None,
    sustained_secs: float = 0.0,
) -> Protocol:
    """A named profile with single numbers replaced; the budget grows with a larger minimum.

    A number of processes that is asked for is kept: no further rounds.
    """
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    protocol = PROFILES[profile]
    least_secs = protocol.min_secs if min_secs is None else min_secs
    if max_secs is None:
        count = protocol.processes if processes is None else processes
        max_secs = max(protocol.max_secs, 2 * least_secs * count)
    elif min_secs is None:
        least_secs = min(least_secs, max_secs)
    least_runs = protocol.min_runs if min_runs is None else min_runs
    return replace(
        protocol,
        min_secs=least_secs,
        max_secs=max_secs,
        min_runs=least_runs,
        max_runs=max(protocol.max_runs, least_runs),
        processes=protocol.processes if processes is None else processes,
        most_processes=protocol.most_processes if processes is None else processes,
        sustained_secs=sustained_secs,
    )


def command_words(protocol: Protocol) -> tuple[str, ...]:
    """The options of `edgecnn benchmark` that `resolve` to a protocol. Of one that no options give,
    the nearest: they know no warm-up, no seed, and no rounds beyond a number of processes.
    """
    profile = protocol.name if protocol.name in PROFILES else "quick"
    words = ["--profile", profile]
    if replace(protocol, name=profile) == PROFILES[profile]:
        return tuple(words)
    for option in ("min_secs", "min_runs", "max_secs"):
        words += [f"--{option.replace('_', '-')}", str(getattr(protocol, option))]
    usual = PROFILES[profile]
    if (protocol.processes, protocol.most) != (usual.processes, usual.most):
        words += ["--processes", str(protocol.processes)]
    return tuple(words)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as "90s", "10m", "1h30m"; a plain number is seconds.

    Raises InputError for anything else, and for nothing at all.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise InputError(
            f"expected a duration such as 90s, 10m or 1h30m, received: {text!r}",
            hint="a number with h, m or s after it",
        )
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s?)?")

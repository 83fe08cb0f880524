"""How long to measure, in how many processes, and when it is enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgecnn.errors import InputError
from edgecnn.registry import unknown_name


@dataclass(frozen=True)
class Protocol:
    """The measurement protocol of one process ("run"), and how many processes make a row.

    A run ends when it has `min_secs` and `min_runs` and the 95% interval of its median is
    narrower than ±`target_interval`, or when `max_secs` or `max_runs` is spent. `min_runs`
    are LoadGen's early-stopping counts: 64 samples allow a p90, 662 a p99.
    """

    name: str
    processes: int
    min_secs: float
    min_runs: int
    max_secs: float
    max_runs: int = 20_000
    target_interval: float = 0.01
    warmup_min_runs: int = 10
    warmup_min_secs: float = 0.5
    warmup_max_secs: float = 10.0
    seed: int = 0
    sustained_secs: float = 0.0
    """How long the pass `sustained` runs without a pause; 0 when nobody asked for it."""

    def __post_init__(self) -> None:
        if self.processes < 1 or self.min_runs < 1 or self.max_runs < self.min_runs:
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PROFILES: Mapping[str, Protocol] = {
    "quick": Protocol("quick", processes=1, min_secs=0.5, min_runs=64, max_secs=3.0),
    "default": Protocol("default", processes=5, min_secs=2.0, min_runs=662, max_secs=10.0),
    "rigorous": Protocol(
        "rigorous", processes=10, min_secs=5.0, min_runs=1024, max_secs=60.0, max_runs=100_000
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
    """A named profile with single numbers replaced; the budget grows with a larger minimum."""
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    protocol = PROFILES[profile]
    least_secs = protocol.min_secs if min_secs is None else min_secs
    if max_secs is None:
        max_secs = max(protocol.max_secs, least_secs)
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
        sustained_secs=sustained_secs,
    )


def parse_duration(text: str) -> float:
    """Seconds of a duration such as "90s", "10m", "1h30m"; a plain number is seconds.

    Raises InputError for anything else, and for nothing at all.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise InputError(
            f"expected a duration such as 90s, 10m or 1h30m, received: {text!r}",
            hint="a number with h, m or s after it",
        )
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s?)?")

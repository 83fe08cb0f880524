"""Throttling: a processor without enough cooling or power."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.results import Run


def throttled(runs: tuple[Run, ...]) -> Iterator[str]:
    throttled = [run for run in runs if run.machine.get("throttled")]
    if throttled:
        named = {name for run in throttled for name in run.machine.get("throttled_by") or ()}
        which = f" ({', '.join(sorted(named))})" if named else ""
        yield (
            f"the processor was throttled while measuring{which}: improve its cooling or its "
            "power supply"
        )

"""Memory that grows with each inference."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.results import Measurement

LEAK_BYTES_PER_INFERENCE = 1_024


def leaking(measurement: Measurement) -> Iterator[str]:
    """A leak, by the second half of the memory pass."""
    memory = measurement.pass_result("memory")
    if memory and memory.get("inferences"):
        leaked = memory["growth_second_half_bytes"] / (memory["inferences"] / 2)
        if leaked > LEAK_BYTES_PER_INFERENCE:
            yield (
                f"memory grows by {leaked / 1024:.0f} KiB with each inference and does not stop: "
                "the runtime leaks memory"
            )

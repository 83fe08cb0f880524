"""What a board's own examination (`benchmarking.health`) says of it; the answer is untrusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgecnn.text import shortened

FEWEST_MEMORY_BYTES = 100 << 20


def troubles(found: Mapping[str, Any]) -> Iterator[str]:
    """Why a board must not measure now; raises KeyError, TypeError or ValueError for nonsense."""
    if found.get("throttled"):
        by = ", ".join(map(str, found.get("throttled_by") or ())) or "something"
        yield f"it is throttled by {shortened(by, 80)}"
    if float(found["free_memory_bytes"]) < FEWEST_MEMORY_BYTES:
        yield f"only {gigabytes(found['free_memory_bytes'])} of memory are free"


def gigabytes(count: Any) -> str:
    """As in "4.0 GB". Raises TypeError or ValueError for what is no number."""
    return f"{float(count) / 1e9:.1f} GB"

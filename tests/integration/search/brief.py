"""Searches whose measurements take a moment: one process a file, a few samples."""

from __future__ import annotations

import functools

from edgecnn.benchmarking.protocol import resolve
from edgecnn.search import settings

BRIEF = resolve("quick", processes=1, min_secs=0.02, max_secs=1.0)


def measure_briefly() -> None:
    """Let `edgecnn search`, which has no option for it, measure with `BRIEF` in this process."""
    # The command makes its Settings itself; a class cannot be replaced by a partial in types.
    settings.SearchSettings = functools.partial(  # type: ignore[misc, assignment]
        settings.SearchSettings, protocol=BRIEF, final_protocol=BRIEF
    )

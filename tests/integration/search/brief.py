"""Searches whose measurements take a moment: one process a file, a few samples."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.search import settings

BRIEF = resolve("quick", processes=1, min_secs=0.02, max_secs=1.0)


@dataclass(frozen=True)
class BriefSettings(settings.SearchSettings):
    """Settings whose measurements are brief unless something else is said."""

    protocol: Protocol = BRIEF
    final_protocol: Protocol = BRIEF


def measure_briefly() -> None:
    """Let `edgecnn search`, which has no option for it, measure with `BRIEF` in this process."""
    settings.SearchSettings = BriefSettings

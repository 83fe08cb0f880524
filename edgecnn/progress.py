"""Progress reporting: one callable, rendered by the caller."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the stage ("train", "convert", "benchmark"), how much is done, and of what."""

    def __call__(self, stage: str, done: int, total: int, message: str = "") -> None: ...


def silent(stage: str, done: int, total: int, message: str = "") -> None:
    """Progress for those who do not want any."""

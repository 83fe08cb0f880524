"""Summary of a live run."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.vision.pipeline import StageTime


@dataclass(frozen=True)
class RunSummary:
    """How a run went."""

    frames: int
    seconds: float
    appeared: int
    drops: int
    reconnects: int
    unreadable: int
    stages: dict[str, StageTime]
    troubles: tuple[str, ...]
    lost: tuple[str, ...] = ()
    """What was asked for and not done to the end: frames of a file that breaks off, a recording
    or events that a full disk cut short, an image that could not be saved."""
    notes: tuple[str, ...] = ()
    what: str = "sign"
    """What appeared."""

    def lines(self) -> list[str]:
        """For a person to read."""
        rate = self.frames / self.seconds if self.seconds > 0 else 0.0
        what = self.what if self.appeared == 1 else f"{self.what}s"
        signs = f"{self.appeared} {what}"
        parts = [f"{self.frames} frames in {self.seconds:.1f} s ({rate:.1f} fps)", signs]
        parts.append(f"{self.drops} dropped")
        parts += [f"{self.reconnects} reconnects"] if self.reconnects else []
        parts += [f"{self.unreadable} unreadable"] if self.unreadable else []
        times = [
            f"{stage} {_milliseconds(time.p50_ms)}/{_milliseconds(time.p95_ms)}"
            for stage, time in self.stages.items()
        ]
        lines = [", ".join(parts), *self.notes]
        return [*lines, "ms p50/p95: " + ", ".join(times)] if times else lines


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"

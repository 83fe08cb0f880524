"""A row of a session while it is being measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.benchmarking.plan import Configuration
from edgecnn.benchmarking.verdict import OutputHealth
from edgecnn.evaluation.tasks import Scorer
from edgecnn.results import Measurement


@dataclass
class RowInProgress:
    """A row, what measures it, and what is known of it so far."""

    number: int
    configuration: Configuration
    measurement: Measurement
    python: Path | WorkerOutcome | None = None
    """What runs its workers (None: this Python), or why nothing can."""
    numbers: str = ""
    """What its workers feed, where the model does not take what is drawn (see
    `benchmarking.inputs.retry`).
    """
    health: OutputHealth | None = None
    outputs: Path | None = None
    scorer: Scorer | None = None
    was_measured: bool = False
    """In this session: what else is known of a row is what the results file says."""
    asked_by_name: bool = False
    """Whether the passes that were asked for by name were made, or tried."""


def was_tried(measurement: Measurement) -> bool:
    return bool(measurement.runs) or measurement.status != "ok"

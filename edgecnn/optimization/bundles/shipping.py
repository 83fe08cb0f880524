"""The chosen file of an answer as a bundle."""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.base import Dataset
from edgecnn.optimization.bundles.bundle import write_bundle
from edgecnn.optimization.outcome import OptimizationOutcome, TimedCandidate


def ship(
    outcome: OptimizationOutcome,
    choice: TimedCandidate,
    dataset: Dataset,
    place: Path,
    *,
    force: bool,
) -> Path:
    """Write `choice` with its configuration, the answer as its evidence, and samples of the data.

    Raises InputError and UnsupportedError as `write_bundle` does.
    """
    return write_bundle(
        choice.tried.artifact.path,
        place,
        configuration=choice.tried.configuration,
        threads=choice.threads,
        dataset=dataset,
        evidence=outcome.to_dict(),
        force=force,
    )

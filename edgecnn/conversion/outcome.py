"""The outcome of one conversion target."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from edgecnn.conversion.targets import Target
from edgecnn.errors import EdgeCNNError, UnsupportedError
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import Fed
from edgecnn.results import Parity
from edgecnn.text import first_line

Status = Literal["converted", "reused", "failed", "unsupported"]


@dataclass(frozen=True)
class ConversionOutcome:
    """What became of one target: an artifact, or the reason why there is none.

    "unsupported" is what the format cannot express, "failed" everything else that went wrong.
    """

    target: Target
    status: Status
    artifact: Artifact | None = None
    seconds: float = 0.0
    error: str | None = None
    hint: str | None = None
    fed: Fed | None = None
    """What calibrated and was compared, and from where its preprocessing is known; None for
    synthetic samples."""
    bug: Exception | None = None
    """What nobody expected; the other targets were made all the same."""

    @property
    def parity(self) -> Parity | None:
        """How far the artifact's outputs are from its parent's."""
        if self.artifact is None:
            return None
        recorded = self.artifact.manifest.conversion.get("parity")
        return Parity.from_dict(recorded) if recorded else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What speaks against the file, its calibration or its parent, a sentence each."""
        recorded = self.artifact.manifest.conversion if self.artifact else {}
        return tuple(recorded.get("notes", ()))

    @property
    def kept_in_float(self) -> tuple[str, ...]:
        """Operators of a quantized file whose weights are float32: the format has no other."""
        recorded = self.artifact.manifest.conversion if self.artifact else {}
        return tuple(recorded.get("kept_in_float", ()))


def attempted(target: Target, make: Callable[[], Artifact]) -> ConversionOutcome:
    """The outcome of making one target: whatever goes wrong with it stays with it.

    A shortage of memory or of disk space is raised: it meets the other targets, too.
    """
    started = time.perf_counter()
    try:
        artifact = make()
    except EdgeCNNError as error:
        return replace(refused(target, error), seconds=time.perf_counter() - started)
    except Exception as error:
        # So wide because one target must not take the others with it; the command still ends
        # with the exit code of a bug.
        if isinstance(error, MemoryError | OSError):
            raise
        return ConversionOutcome(
            target,
            "failed",
            seconds=time.perf_counter() - started,
            error=f"unexpected {first_line(error)}",
            hint="this is a bug in edgecnn; --debug shows where",
            bug=error,
        )
    return ConversionOutcome(target, "converted", artifact, seconds=time.perf_counter() - started)


def refused(target: Target, error: EdgeCNNError) -> ConversionOutcome:
    status: Status = "unsupported" if isinstance(error, UnsupportedError) else "failed"
    return ConversionOutcome(target, status, error=error.message, hint=error.hint or None)


def uncalibrated(target: Target, problem: str) -> ConversionOutcome:
    return ConversionOutcome(
        target,
        "failed",
        error=f"{target} cannot be calibrated: {problem}",
        hint="pass samples like those that the model will see (--calibration)",
    )


def without_data(target: Target, objection: EdgeCNNError | None) -> ConversionOutcome:
    """That data are missing, unless with them the target could not be made either."""
    if objection is not None:
        return refused(target, objection)
    return ConversionOutcome(
        target,
        "failed",
        error=f"{target} needs calibration data",
        hint="pass --calibration DATA (from Python: calibration=dataset)",
    )

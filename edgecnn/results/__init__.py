"""Results of a benchmark, from one process's samples up to a file of measurements.

Names are resolved when they are used (PEP 562): a worker imports what one process leaves, and
nothing of what its parent makes of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PLACES = {
    "Accuracy": "output_quality",
    "ArtifactRecord": "measurements",
    "Block": "runs",
    "Cause": "measurements",
    "Contention": "measurements",
    "Effective": "runs",
    "Environment": "results",
    "UnreadRow": "results",
    "Load": "run_options",
    "MAX_FILE_BYTES": "results",
    "Measurement": "measurements",
    "Parity": "output_quality",
    "PartParity": "output_quality",
    "Placement": "run_options",
    "Repeat": "repeat",
    "Results": "results",
    "Run": "runs",
    "RunEnvironment": "runs",
    "RuntimeOptions": "run_options",
    "SCHEMA_VERSION": "results",
    "Status": "measurements",
    "Verdict": "measurements",
    "run_from_dict": "runs",
}

__all__ = [
    "MAX_FILE_BYTES",
    "SCHEMA_VERSION",
    "Accuracy",
    "ArtifactRecord",
    "Block",
    "Cause",
    "Contention",
    "Effective",
    "Environment",
    "Load",
    "Measurement",
    "Parity",
    "PartParity",
    "Placement",
    "Repeat",
    "Results",
    "Run",
    "RunEnvironment",
    "RuntimeOptions",
    "Status",
    "UnreadRow",
    "Verdict",
    "run_from_dict",
]

if TYPE_CHECKING:
    from edgecnn.results.measurements import (
        ArtifactRecord,
        Cause,
        Contention,
        Measurement,
        Status,
        Verdict,
    )
    from edgecnn.results.output_quality import Accuracy, Parity, PartParity
    from edgecnn.results.repeat import Repeat
    from edgecnn.results.results import (
        MAX_FILE_BYTES,
        SCHEMA_VERSION,
        Environment,
        Results,
        UnreadRow,
    )
    from edgecnn.results.run_options import Load, Placement, RuntimeOptions
    from edgecnn.results.runs import Block, Effective, Run, RunEnvironment, run_from_dict


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)

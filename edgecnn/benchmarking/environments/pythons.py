"""Choose the Python that runs a runtime: this one, or an isolated environment's."""

from __future__ import annotations

from pathlib import Path

from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.environments import versions
from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.registry import RUNTIMES


def python_for(runtime: str) -> Path | WorkerOutcome | None:
    """None for this Python, an outcome that says what is missing where none runs it."""
    if versions.is_versioned(runtime):
        name: str | None = runtime
    else:
        name = RUNTIMES.load(runtime).environment
    if name is None:
        return None
    python = environments.python_of(name)
    if python is None:
        return WorkerOutcome(
            "unsupported",
            error=f"{runtime} needs an isolated environment, which is not created",
            hint=f"edgecnn env create {name}",
            cause="missing",
            absent=True,
        )
    return python


def name_of(python: Path | WorkerOutcome | None) -> str:
    """The name under which the probes of a Python's processes are kept."""
    return python.parent.parent.name if isinstance(python, Path) else "own"

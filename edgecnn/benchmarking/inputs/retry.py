"""Retry with other synthetic inputs when a model rejects the first ones.

They may be ids of a table that nobody sees in the file, shapes, axes, scales or counts, of which
only some make sense. What makes none is an error in one runtime and the end of the process in
another. So a worker that loaded the model and then failed on synthetic inputs is started once more
with each of NUMBERS.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.benchmarking.executor.job import NUMBERS, WorkerJob
from edgecnn.benchmarking.executor.process import WorkerOutcome, run_worker
from edgecnn.runtimes.declared import missing_sizes


def run_worker_with_fallback_inputs(
    job: WorkerJob, python: Path | None
) -> tuple[WorkerOutcome, str]:
    """(what became of the job, which of NUMBERS it was then fed with, "" for what was drawn).

    Where no number helps, what became of it with the drawn ones; where sizes that the model
    leaves open may be the reason, the hint says so.
    """
    first = run_worker(job, python)
    for numbers in _worth_trying(job, first):
        outcome = run_worker(replace(job, numbers=numbers), python)
        if outcome.run is not None:
            return outcome, numbers
    if first.run is None and first.status in ("crashed", "unsupported"):
        sizes = missing_sizes(Path(job.path or ""), job.options)
        first = replace(first, hint=sizes or first.hint)
    return first, job.numbers


def _worth_trying(job: WorkerJob, outcome: WorkerOutcome) -> list[str]:
    drawn = job.protocol is not None and job.samples is None and not job.numbers
    if not drawn or outcome.run is not None or outcome.status not in ("crashed", "unsupported"):
        return []
    inputs = outcome.loaded.get("inputs", ())
    whole = any(map(_is_whole, inputs))
    return [name for name in NUMBERS if whole or (name == "ones" and len(inputs) > 1)]


def _is_whole(spec: dict[str, object]) -> bool:
    return np.dtype(str(spec["dtype"])).kind in "iub" and not spec.get("scale")

"""Inputs of a worker: the samples of its job, or synthetic ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.loop.input_batches import Inputs, pool_size
from edgecnn.runtimes.base import Session
from edgecnn.synthetic_inputs import SyntheticInputs


def inputs_of(job: WorkerJob, session: Session) -> Inputs:
    if job.samples is not None:
        return Inputs(session.inputs, job.options.batch, samples=Path(job.samples))
    inputs = synthetic(job, session, pool_size(session.inputs, 1))
    return Inputs(session.inputs, job.options.batch, synthetic=inputs)


def synthetic(job: WorkerJob, session: Session, count: int) -> SyntheticInputs:
    """Seeded inputs over the whole range of each of the model's inputs."""
    ids, reals = job.vocabulary_size, job.value_range
    integers = [spec.name for spec in session.inputs if np.dtype(spec.dtype).kind in "iu"]
    tables = dict.fromkeys(integers, ids) if ids else {}
    if len(job.id_limits) == len(session.inputs):
        for spec, limit in zip(session.inputs, job.id_limits, strict=True):
            if limit is not None:
                tables[spec.name] = min(limit, tables.get(spec.name, limit))
    return SyntheticInputs(
        session.inputs,
        count,
        batch=job.options.batch,
        vocabularies=tables,
        values={spec.name: reals for spec in session.inputs} if reals else {},
        only=int(job.numbers) if job.numbers.isdecimal() else None,
        ones=job.numbers == "ones",
    )

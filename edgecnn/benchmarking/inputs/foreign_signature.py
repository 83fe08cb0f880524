"""Input and output signature of a foreign model, as its runtime reports it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.benchmarking.executor.configured_job import make_job
from edgecnn.benchmarking.executor.process import WorkerOutcome, run_worker
from edgecnn.benchmarking.inputs.feeding import RuntimeSignature
from edgecnn.benchmarking.plan import Configuration
from edgecnn.errors import EdgeCNNError
from edgecnn.formats.check import read_signature
from edgecnn.manifest import Artifact, TensorSpec
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.declared import fixed_inputs, numeric_outputs

Asked = Sequence[tuple[Configuration, Path | WorkerOutcome | None]]
"""Rows of one model, each with the Python that runs it, or why there is none."""


def signature_of(artifact: Artifact, rows: Asked) -> RuntimeSignature | None:
    """The signature of a model as the first runtime that loads it on the processor has it. For rows
    on other devices alone its file is read, and where that does not say it they are asked.
    """
    elsewhere = [row for row in rows if row[0].device != "cpu"]
    signature = _first_answer([row for row in rows if row[0].device == "cpu"])
    if signature is None and elsewhere:
        signature = _declared(artifact, elsewhere[0][0].options)
    return signature or _first_answer(elsewhere)


def _first_answer(rows: Asked) -> RuntimeSignature | None:
    for configuration, python in rows:
        if isinstance(python, WorkerOutcome):
            continue
        outcome = run_worker(make_job(configuration), python)
        inputs, outputs = (
            tuple(TensorSpec.from_dict(spec) for spec in outcome.loaded.get(name, ()))
            for name in ("inputs", "outputs")
        )
        if inputs:
            return RuntimeSignature(inputs, outputs, configuration.options.batch)
    return None


def _declared(artifact: Artifact, options: RuntimeOptions) -> RuntimeSignature | None:
    """The signature of a model as its file has it; None where only its own library reads it, and
    where it leaves open what has to be known.
    """
    try:
        signature = read_signature(artifact.path)
        inputs = fixed_inputs(signature, options)
    except EdgeCNNError:
        return None
    return RuntimeSignature(inputs, numeric_outputs(signature), options.batch) if inputs else None

"""Build the job of a configuration's worker: model, inputs and passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.benchmarking.inputs.feeding import PreparedSplit, synthetic_range
from edgecnn.benchmarking.plan import Configuration
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.formats.id_tables import id_limits
from edgecnn.formats.kinds import graphs_in
from edgecnn.manifest import Artifact
from edgecnn.registry import SEQUENCE_MODELS
from edgecnn.results import Measurement
from edgecnn.runtimes import without_version


def make_job(
    configuration: Configuration,
    *,
    protocol: Protocol | None = None,
    samples: PreparedSplit | None = None,
) -> WorkerJob:
    """Load the artifact; with a protocol, measure it too, fed with samples or with drawn ones."""
    preprocessing = configuration.artifact.manifest.preprocessing
    return WorkerJob(
        runtime=without_version(configuration.runtime),
        device=configuration.device,
        options=configuration.options,
        placement=configuration.placement,
        load=configuration.load,
        path=str(configuration.artifact.path.resolve()),
        protocol=protocol,
        samples=str(samples.path) if samples else None,
        raw=samples.raw if samples else None,
        vocabulary_size=getattr(preprocessing, "vocabulary_size", None),
        id_limits=id_limits(configuration.artifact.path) if protocol and not samples else (),
        value_range=None if samples else synthetic_range(configuration.artifact),
    )


def _answers_step_by_step(artifact: Artifact) -> bool:
    """Whether a model answers with a sequence: its encoder and its steps are timed apart."""
    return bool(graphs_in(artifact.format)) or artifact.manifest.model in SEQUENCE_MODELS.names()


def single_run_protocol(protocol: Protocol) -> Protocol:
    """The protocol of a process that is started for its outputs alone."""
    return replace(
        protocol,
        processes=1,
        min_runs=1,
        max_runs=1,
        min_secs=0.0,
        warmup_min_runs=1,
        warmup_min_secs=0.0,
        warmup_max_secs=0.0,
    )


def first_process_passes(
    artifact: Artifact, asked: Sequence[str], samples: PreparedSplit | None
) -> tuple[str, ...]:
    """The passes of a row's first process: stages need samples as they were recorded, and a
    sequence model is timed in its parts.
    """
    staged = samples is not None and samples.raw is not None
    names = [name for name in asked if staged or name != "stages"]
    return (*names, "sequence") if _answers_step_by_step(artifact) else tuple(names)


def with_failed(
    measurement: Measurement, passes: Sequence[str], outcome: WorkerOutcome
) -> Measurement:
    """The row with why these passes could not be made, as its last process would have said it."""
    *before, last = measurement.runs
    failed = {name: {"error": outcome.error, "hint": outcome.hint} for name in passes}
    return replace(measurement, runs=(*before, replace(last, passes={**last.passes, **failed})))

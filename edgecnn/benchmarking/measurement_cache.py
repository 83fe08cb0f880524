"""Measure single configurations, and cache their measurements and outputs.

A search decides after each answer what to ask next. Answers lie in a folder, under what was
asked: the model's digest, the runtime with its version and options, the processor, the digests of
the data and of the samples. Who asks the same again gets what is there, also in another process. A
failure is asked again: next time the memory, the disk or the time may be enough.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.accuracy import accuracy_of, open_outputs
from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.environments import versions
from edgecnn.benchmarking.environments.pythons import python_for
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import WorkerOutcome, run_worker
from edgecnn.benchmarking.inputs.feeding import PreparedInputs, RuntimeSignature
from edgecnn.benchmarking.loop import own_environment
from edgecnn.benchmarking.loop.worker_outputs import output_paths
from edgecnn.benchmarking.plan import record_of
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.resuming import preprocessing_record, scoring_record
from edgecnn.benchmarking.verdict import OutputHealth, judge
from edgecnn.data.base import Dataset
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.files import read_json_file, write_text_atomically
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import Preprocessing
from edgecnn.records import FieldError
from edgecnn.registry import RUNTIMES
from edgecnn.results import Measurement, RuntimeOptions
from edgecnn.runtimes import without_version
from edgecnn.runtimes.declared import samples_of

BRIEF = Protocol(
    "brief",
    processes=1,
    min_secs=0.05,
    min_runs=32,
    max_secs=4.0,
    warmup_min_runs=3,
    warmup_min_secs=0.01,
)
"""A latency good enough to decide what is worth timing properly."""
MAX_ANSWER_BYTES = 64 << 20
LARGE_BYTES = 16 << 20
"""Of a file of outputs: a smaller one is read, since each that stays open takes a handle."""


@dataclass(frozen=True)
class CachedMeasurement:
    """What became of one question; `outputs` are the model's for all samples, empty without."""

    measurement: Measurement
    outputs: tuple[npt.NDArray[Any], ...] = ()
    lasts: bool = True
    """Whether the same question would get the same answer again."""

    @property
    def answered(self) -> bool:
        """Whether it ran, and gave outputs that can be judged."""
        return self.measurement.status == "ok" and bool(self.outputs)

    @property
    def rough_ms(self) -> float | None:
        """Latency of one process; it says nothing about the machine."""
        return self.measurement.latency.p50 if self.measurement.latency else None


class MeasurementCache:
    """Answers in `folder`, over the test split of one data set.

    `part` is a digest of its samples, for a part of a set that has the digest of the whole.
    `preprocessing` is what the user said that models want.
    """

    def __init__(
        self,
        folder: Path,
        data: Dataset,
        work: Path,
        *,
        preprocessing: Preprocessing | str | None = None,
        protocol: Protocol = BRIEF,
        part: str = "",
    ) -> None:
        self._folder = folder
        self._data = data
        self._part = part
        self._work = work
        self._protocol = protocol
        work.mkdir(parents=True, exist_ok=True)
        self._feeding = PreparedInputs(data, work, preprocessing)
        self._said = preprocessing_record(preprocessing)
        self._n = len(data["test"])
        self.asked = 0
        """Questions that a worker answered, and not the folder."""

    def ask(
        self, artifact: Artifact, configuration: str, options: RuntimeOptions
    ) -> CachedMeasurement:
        """Run all samples through `artifact` on `runtime:device`, and time it briefly."""
        options = replace(options, batch=samples_of(artifact.path, options.batch))
        folder = self._folder / self._key(artifact, configuration, options)
        stored_answer = _read(folder)
        if stored_answer is not None:
            return stored_answer
        self.asked += 1
        written = self._work / f"outputs-{self.asked}"
        answer = self._measure(artifact, configuration, options, written)
        if answer.lasts:
            _write(folder, answer.measurement, written)
            answer = replace(answer, outputs=_opened(folder))
        shutil.rmtree(written, ignore_errors=True)
        return answer

    def _key(self, artifact: Artifact, configuration: str, options: RuntimeOptions) -> str:
        samples = [self._data.sha256, self._n, self._part]
        place = _place(configuration.partition(":")[0])
        scored = [self._said, scoring_record([artifact], None)]
        question = json.dumps(
            [artifact.sha256, configuration, asdict(options), samples, place, scored]
        )
        return hashlib.sha256(question.encode()).hexdigest()[:24]

    def _measure(
        self, artifact: Artifact, configuration: str, options: RuntimeOptions, written: Path
    ) -> CachedMeasurement:
        """The answer without its outputs, which lie in the folder `written`."""
        runtime, _, device = configuration.partition(":")
        row = Measurement(record_of(artifact), runtime, device, options)
        self._feeding.prepare(artifact, lambda: _recorded(artifact))
        prepared = self._feeding.of(artifact)
        if isinstance(prepared, EdgeCNNError):
            return _refused(row, WorkerOutcome("failed", None, {}, prepared.message, prepared.hint))
        if prepared is None:
            fed = self._feeding.fed(artifact)
            why = fed.because if fed else "the preprocessing is unknown"
            return _refused(row, WorkerOutcome("failed", None, {}, why))
        python = python_for(runtime)
        if isinstance(python, WorkerOutcome):
            return _refused(row, python)
        job = WorkerJob(
            runtime=without_version(runtime),
            device=device,
            options=options,
            path=str(artifact.path.resolve()),
            protocol=self._protocol,
            samples=str(prepared.path),
            outputs=str(written),
        )
        outcome = run_worker(job, python)
        if outcome.status != "ok" or outcome.run is None or not outcome.outputs_written:
            return _refused(row, outcome)
        outputs = open_outputs(written)
        accuracy = None
        scorer = self._feeding.scorer(artifact)
        if scorer is not None:
            seen = self._feeding.seen(artifact)
            accuracy = accuracy_of(outputs, scorer, self._data, artifact.manifest, seen)
        measured = Measurement(
            row.artifact, runtime, device, options, runs=(outcome.run,), accuracy=accuracy
        )
        return CachedMeasurement(judge(measured, self._protocol, OutputHealth.of(outputs)))


def _place(runtime: str) -> list[Any]:
    """What besides the question decides an answer: the packages that bring the runtime, in the
    Python that runs it, and the processor.
    """
    name = runtime if versions.is_versioned(runtime) else RUNTIMES.load(runtime).environment
    if name is None:
        brought = versions.known_packages().get(runtime, ())
        packages = [f"{each}=={own_environment.version(each)}" for each in brought]
    else:
        packages = environments.described(name)["packages"]
    return [packages, own_environment.processor()["cpu_model"], platform.machine()]


def _recorded(artifact: Artifact) -> RuntimeSignature | None:
    """What the manifest says; edgecnn's own files have it."""
    manifest = artifact.manifest
    return RuntimeSignature(manifest.inputs, manifest.outputs) if manifest.inputs else None


def _refused(row: Measurement, outcome: WorkerOutcome) -> CachedMeasurement:
    """No outputs. That lasts only where the runtime cannot run the model: what this machine lacks
    can be installed.
    """
    measurement = Measurement(
        row.artifact,
        row.runtime,
        row.device,
        row.options,
        status=outcome.status if outcome.status != "ok" else "failed",
        error=outcome.error or "no outputs",
        hint=outcome.hint,
        cause=outcome.cause,
    )
    return CachedMeasurement(
        measurement, lasts=outcome.status == "unsupported" and not outcome.absent
    )


def _write(folder: Path, measurement: Measurement, written: Path) -> None:
    """Outputs first: an answer whose measurement is there is complete."""
    shutil.rmtree(folder, ignore_errors=True)  # of an answer that is damaged
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path in output_paths(written):
            shutil.move(path, folder / path.name)
        text = json.dumps(measurement.to_dict())
        write_text_atomically(folder / "measurement.json", text)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}", hint="free some space") from (
            error
        )


def _read(folder: Path) -> CachedMeasurement | None:
    path = folder / "measurement.json"
    if not path.exists():
        return None
    try:
        values = read_json_file(path, limit=MAX_ANSWER_BYTES)
        measurement = Measurement.from_dict(values)
        outputs = _opened(folder)
    except (InputError, FieldError, OSError, ValueError):
        return None  # damaged: asked again
    return CachedMeasurement(measurement, outputs)


def _opened(folder: Path) -> tuple[npt.NDArray[Any], ...]:
    """Outputs in their order, the large ones as files: a detector's take gigabytes, and a search
    compares them a few samples at a time.
    """
    return tuple(
        np.load(path, mmap_mode="r" if path.stat().st_size > LARGE_BYTES else None)
        for path in output_paths(folder)
    )

"""The rows of a session: planned, measured in interleaved rounds, judged, saved.

What is measured is written every few seconds and on the way out, also on Ctrl-C; a killed session
loses what came after the last write.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgecnn.benchmarking.accuracy import (
    accuracy_of,
    open_outputs,
    parity_of,
    with_known_parent,
)
from edgecnn.benchmarking.baseline import QuietBaseline
from edgecnn.benchmarking.environments.pythons import name_of, python_for
from edgecnn.benchmarking.executor.configured_job import (
    first_process_passes,
    make_job,
    single_run_protocol,
    with_failed,
)
from edgecnn.benchmarking.executor.job import WorkerJob, cause_of
from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.benchmarking.inputs.feeding import PreparedInputs, PreparedSplit, RuntimeSignature
from edgecnn.benchmarking.inputs.foreign_signature import signature_of
from edgecnn.benchmarking.inputs.retry import run_worker_with_fallback_inputs
from edgecnn.benchmarking.loop.worker_outputs import why_left_out
from edgecnn.benchmarking.machine import description as machine
from edgecnn.benchmarking.machine import gpus
from edgecnn.benchmarking.machine import limits as machine_limits
from edgecnn.benchmarking.passes import NAMED
from edgecnn.benchmarking.plan import Configuration
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.resuming import (
    check_gpus,
    check_machine,
    check_samples,
    continued,
    data_record,
)
from edgecnn.benchmarking.rounds import SessionProbes, spent_secs, wants_another
from edgecnn.benchmarking.row_in_progress import RowInProgress, was_tried
from edgecnn.benchmarking.verdict import OutputHealth, judge
from edgecnn.data.base import Dataset
from edgecnn.errors import EdgeCNNError
from edgecnn.evaluation.tasks import Outputs
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress
from edgecnn.results import Load, Repeat, Results

SAVE_EVERY_SECS = 5.0
SAVE_SHARE = 0.05
"""Writing all samples so far takes longer and longer: no more than this part of the time."""
MOST_UNSAVED_SECS = 30.0
"""What a killed session loses at most, whatever a write takes."""


class Ledger:
    """What is planned, what is done, and what is on disk."""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        protocol: Protocol,
        folder: Path,
        *,
        data: Dataset | None,
        preprocessing: Preprocessing | str | None,
        about: ModelOptions | None,
        passes: tuple[str, ...],
        out: Path | None,
        previous: Results | None,
        command: str,
        repeat: tuple[str, ...],
        progress: Progress,
    ) -> None:
        now = machine.capture()
        if previous is not None:
            check_machine(previous, now)
            check_samples(previous, data)
            check_gpus(previous, gpus.names_of)
        self._protocol = protocol
        self._progress = progress
        self._data = data
        self._passes = passes
        self._out = out
        self._folder = folder
        self._feeding = PreparedInputs(data, folder, preprocessing, progress, about=about)
        self._save_at = 0.0
        models = [each.artifact for each in configurations]
        record = data_record(data, models, preprocessing, about, previous)
        paths = {each.artifact.sha256: os.fspath(each.artifact.path) for each in configurations}
        now = machine_limits.add_to(
            now,
            {row.options.threads for row in configurations if row.device == "cpu"},
            measure=protocol.name in ("default", "rigorous"),
            progress=progress,
        )
        going_on = previous is not None and any(row.runs for row in previous.measurements)
        self._environment = continued(previous.environment, now) if previous and going_on else now
        self.results = Results(
            measurements=previous.measurements if previous else (),
            environment=previous.environment if previous and going_on else now,
            protocol=protocol.to_dict(),
            data=record,
            command=command,
            repeat=Repeat(repeat, {**(previous.repeat.paths if previous else {}), **paths}),
        )
        self._absent: dict[str, WorkerOutcome] = {}
        self._probes = SessionProbes(QuietBaseline(now.machine))
        self._rows = [self._row(*numbered) for numbered in enumerate(configurations)]

    def _row(self, number: int, configuration: Configuration) -> RowInProgress:
        blank = configuration.measurement()
        previous = next(
            (
                row
                for row in self.results.measurements
                if row.key == blank.key and row.status == "ok"
            ),
            blank,
        )
        return RowInProgress(number, configuration, previous, python_for(configuration.runtime))

    def prepare(self) -> None:
        """Preprocess the test split once for each way that the artifacts want it."""
        for row in self._rows:
            artifact = row.configuration.artifact
            if self._is_due(row):
                self._feeding.prepare(artifact, partial(self._inspected, artifact))
                row.measurement = replace(row.measurement, fed=self._feeding.fed(artifact))
            row.scorer = self._feeding.scorer(artifact)

    def _inspected(self, artifact: Artifact) -> RuntimeSignature | None:
        return signature_of(
            artifact,
            [
                (row.configuration, row.python)
                for row in self._rows
                if row.configuration.artifact.sha256 == artifact.sha256
            ],
        )

    def measure(self) -> None:
        """Measure in rounds, one process of each unfinished row, in shuffled order."""
        self._write_references()
        shuffled = random.Random(self._protocol.seed)  # noqa: S311 (an order, not a secret)
        done = 0
        for number in itertools.count(self._first_round()):
            pending = [row for row in self._rows if self._is_due(row)]
            if not pending:
                break
            shuffled.shuffle(pending)
            for row in pending:
                total = done + sum(map(self._missing, self._rows))
                self._progress("benchmark", done, total, str(row.configuration))
                self._measure_once(row, number)
                done += 1
        self._progress("benchmark", done, done, "")

    def _first_round(self) -> int:
        """Rounds of an earlier session keep their numbers, also those of rows that nobody asks for
        now: they were measured at another time.
        """
        rounds = [run.round for row in self.results.measurements for run in row.runs]
        return max(rounds, default=-1) + 1

    def _is_due(self, row: RowInProgress) -> bool:
        return wants_another(row.measurement, self._protocol) or bool(self._missing_passes(row))

    def _missing_passes(self, row: RowInProgress) -> tuple[str, ...]:
        """Passes that were asked for by name now and not when the row was begun."""
        measurement = row.measurement
        if row.asked_by_name or measurement.status != "ok" or not measurement.runs:
            return ()
        asked = [name for name in self._passes if name in NAMED]
        return tuple(name for name in asked if measurement.pass_result(name) is None)

    def _write_references(self) -> None:
        """Let Keras models whose rows are finished answer once more, where a row that is due is
        compared with them.
        """
        due = [row.configuration for row in self._rows if self._is_due(row)]
        wanted = {each.artifact.manifest.parent_sha256 for each in due}
        wanted -= {each.artifact.sha256 for each in due if each.runtime == "keras"}
        for row in self._rows:
            artifact = row.configuration.artifact
            if row.configuration.runtime == "keras" and artifact.sha256 in wanted:
                if row.measurement.status == "ok":
                    row.outputs = self._answers(row)
                if row.outputs is not None:
                    wanted.remove(artifact.sha256)

    def _answers(self, row: RowInProgress) -> Path | None:
        """A model's outputs, from a process that measures nothing."""
        artifact = row.configuration.artifact
        self._feeding.prepare(artifact, partial(self._inspected, artifact))
        samples = self._feeding.of(artifact)
        if isinstance(samples, EdgeCNNError) or isinstance(row.python, WorkerOutcome):
            return None
        outputs = self._outputs_of(row)
        job = make_job(
            row.configuration, protocol=single_run_protocol(self._protocol), samples=samples
        )
        job = replace(job, load=Load(), outputs=str(outputs))
        outcome, row.numbers = run_worker_with_fallback_inputs(job, row.python)
        return outputs if outcome.outputs_written else None

    def _missing(self, row: RowInProgress) -> int:
        """Processes that the row still needs, as far as is known."""
        if not self._is_due(row):
            return 0
        return max(self._protocol.processes - len(row.measurement.runs), 1)

    def _measure_once(self, row: RowInProgress, round_number: int) -> None:
        configuration = row.configuration
        samples = self._feeding.of(configuration.artifact)
        finished = not wants_another(row.measurement, self._protocol)
        missing = self._missing_passes(row)
        row.asked_by_name = True
        name = f"{configuration.runtime}:{configuration.device}"
        if isinstance(row.python, WorkerOutcome):
            outcome = row.python
        elif name in self._absent:
            outcome = self._absent[name]
        elif isinstance(samples, EdgeCNNError):
            cause = cause_of(samples)
            outcome = WorkerOutcome("failed", error=samples.message, hint=samples.hint, cause=cause)
        else:
            job = self._job_of(row, samples, missing, finished=finished)
            outcome, row.numbers = run_worker_with_fallback_inputs(job, row.python)
            if outcome.run is not None:
                run = replace(outcome.run, round=round_number)
                outcome = replace(outcome, run=run)
                self._probes.add(name_of(row.python), run)
            if outcome.absent:
                self._absent[name] = outcome
            if outcome.outputs_written:
                row.outputs = self._outputs_of(row)
        if finished and outcome.status != "ok":  # what was measured before is worth no less
            row.measurement = with_failed(row.measurement, missing, outcome)
            self.results = self.results.with_measurement(row.measurement)
        else:
            self._enter(row, outcome)

    def _job_of(
        self,
        row: RowInProgress,
        samples: PreparedSplit | None,
        missing: tuple[str, ...],
        *,
        finished: bool,
    ) -> WorkerJob:
        """The next process of a row. A finished row has spent its time: one that makes the passes
        that are missing takes as much as a first one.
        """
        runs = row.measurement.runs
        job = replace(
            make_job(row.configuration, protocol=self._protocol, samples=samples),
            made=0 if finished else len(runs),
            spent_secs=0.0 if finished else spent_secs(runs),
            probes=self._probes.sample(name_of(row.python)),
            known_ns=self._probes.known_ns(name_of(row.python)),
            numbers=row.numbers,
            passes=missing,
        )
        if row.outputs is None:
            job = replace(job, outputs=str(self._outputs_of(row)))
        if not runs:
            names = first_process_passes(row.configuration.artifact, self._passes, samples)
            job = replace(job, passes=names)
        return job

    def _outputs_of(self, row: RowInProgress) -> Path:
        return self._folder / f"outputs-{row.number}"

    def _enter(self, row: RowInProgress, outcome: WorkerOutcome) -> None:
        """Note what became of a worker, and write it to the disk."""
        measurement = row.measurement
        row.was_measured = True
        if outcome.run:
            self.results = replace(self.results, environment=self._environment)
        runs = (*measurement.runs, outcome.run) if outcome.run else measurement.runs
        measurement = replace(
            measurement,
            runs=runs,
            status=outcome.status,
            error=outcome.error,
            hint=outcome.hint,
            cause=outcome.cause,
        )
        if row.outputs is not None and row.health is None:
            outputs = open_outputs(row.outputs)
            row.health = OutputHealth.of(outputs)
            if self._data is not None and row.scorer is not None:
                manifest = row.configuration.artifact.manifest
                seen = self._feeding.seen(row.configuration.artifact)
                accuracy = accuracy_of(outputs, row.scorer, self._data, manifest, seen)
                accuracy = with_known_parent(accuracy, measurement.accuracy)
                measurement = replace(measurement, accuracy=accuracy)
                if accuracy is None and measurement.fed is not None:
                    fed = replace(
                        measurement.fed,
                        unscored=why_left_out(row.outputs) or row.scorer.refusal(outputs),
                    )
                    measurement = replace(measurement, fed=fed)
        row.measurement = judge(measurement, self._protocol, row.health)
        self.results = self.results.with_measurement(row.measurement)
        started = time.monotonic()
        if self._out is not None and started > self._save_at:
            self.results.save(self._out)
            took = time.monotonic() - started
            self._save_at = started + max(
                SAVE_EVERY_SECS, min(took / SAVE_SHARE, MOST_UNSAVED_SECS)
            )

    def close(self) -> None:
        """Judge the blocks of measured rows by what the session saw, compare outputs with the
        parents', bring the rows into the planned order, and save.

        A row that this session did not measure keeps its verdict: its outputs are gone.
        """
        references = self._references()
        for row in self._rows:
            if not row.was_measured:
                continue
            runs = tuple(
                self._probes.rejudge(name_of(row.python), run) for run in row.measurement.runs
            )
            measurement = replace(row.measurement, runs=runs)
            row.measurement = judge(measurement, self._protocol, row.health)
            parent = row.configuration.artifact.manifest.parent_sha256
            reference = references.get(parent or "")
            if row.outputs is not None and reference is not None:
                self._compare(row, reference)
        best = self._probes.best(name_of(None))
        if best is not None:
            best_ns = {"reference_ns": round(best.reference_ns), "memory_ns": round(best.memory_ns)}
            environment = self.results.environment
            environment = replace(environment, machine={**environment.machine, **best_ns})
            self.results = replace(self.results, environment=environment)
        planned = {row.measurement.key for row in self._rows}
        others = [row for row in self.results.measurements if row.key not in planned]
        begun = [row.measurement for row in self._rows if was_tried(row.measurement)]
        self.results = replace(self.results, measurements=(*others, *begun))
        if self._out is not None:
            self.results.save(self._out)
        self._probes.remember()

    def _compare(self, row: RowInProgress, reference: Path) -> None:
        """Compare the parent's outputs with a row's, and judge the row again."""
        assert row.outputs is not None
        parent = row.configuration.artifact.manifest.parent_sha256
        expected: Outputs = open_outputs(reference)
        outputs: Outputs = open_outputs(row.outputs)
        scorer = row.scorer
        if scorer is not None and scorer.accepts(expected) and scorer.accepts(outputs):
            expected, outputs = scorer.ordered(expected), scorer.ordered(outputs)
        measurement = replace(row.measurement, parity=parity_of(expected, outputs, parent))
        if measurement.accuracy is not None and scorer is not None and scorer.accepts(expected):
            accuracy = scorer.with_parent(measurement.accuracy, outputs, expected)
            measurement = replace(measurement, accuracy=accuracy)
        row.measurement = judge(measurement, self._protocol, row.health)

    def _references(self) -> Mapping[str, Path]:
        """Outputs of Keras models, by the sha256 of the model."""
        return {
            row.configuration.artifact.sha256: row.outputs
            for row in self._rows
            if row.configuration.runtime == "keras" and row.outputs is not None
        }

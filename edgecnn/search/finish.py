"""After the trials: measure the best side by side, train them to the end, test the winner once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn import selection
from edgecnn.analysis.baselines import with_pairs
from edgecnn.analysis.rows import collect
from edgecnn.data.base import Dataset
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.files import atomic_path, read_json_file, write_text_atomically
from edgecnn.manifest import Artifact, sidecar_path
from edgecnn.progress import Progress
from edgecnn.results import Measurement, Results
from edgecnn.results.scored_split import scored_split
from edgecnn.search.measuring import MeasurementTarget, MeasuringError
from edgecnn.search.outcome import SearchOutcome, Winner, ranked
from edgecnn.search.settings import FINALISTS_FILE, RESULTS_FILE, TRAINED, SearchSettings
from edgecnn.search.space import SearchSpace
from edgecnn.search.trial import evaluate_trial, without_test
from edgecnn.search.trials import Trial, with_drops
from edgecnn.training.config import config_for, default_epochs

MOST_FINALISTS = 4
MOST_TRAINED = 3
"""Finalists that are trained as long as a winner, besides the first trial."""
WINNER_FILE = "winner.json"


@dataclass(frozen=True)
class SearchTask:
    """What a search works on and with."""

    settings: SearchSettings
    space: SearchSpace
    dataset: Dataset
    out: Path
    target: MeasurementTarget
    progress: Progress

    @property
    def final_epochs(self) -> int:
        """How long a winner is trained."""
        return resolved_epochs(self.settings.model, self.dataset, self.settings.final_epochs)


def finish(outcome: SearchOutcome, job: SearchTask) -> SearchOutcome:
    """`outcome` with finalists and a winner; as it is when nothing keeps the limits.

    Where a winner is trained for longer than a trial was, and accuracy counts, finalists are, too:
    what learns fast in a few epochs does not always get far.
    """
    limits = job.settings.wanted.limits
    finalists = ranked(outcome.complete, job.settings)[:MOST_FINALISTS]
    if not finalists:
        return outcome
    first = outcome.first
    if first is not None and first not in finalists:
        finalists.append(first)
    finalists = _compared(finalists, job)
    outcome = replace(outcome, finalists=tuple(finalists))
    best = selection.choose(finalists, limits).best
    if best is None:  # what was within a limit by a hair is over it now
        return outcome
    accuracy_counts = limits.drop is not None or limits.objective == "accuracy"
    if accuracy_counts and job.final_epochs > outcome.epochs:
        trained = _trained_longer(finalists, limits, job)
        outcome = replace(outcome, trained=tuple(trained), final_epochs=job.final_epochs)
        best = selection.choose(trained, limits).best
        if best is None:
            return outcome
    return replace(outcome, winner=_winner(best, job))


def resolved_epochs(model: str, dataset: Dataset, asked: int | None) -> int:
    """How many epochs a network is trained for: as many as asked for, or its own."""
    own = config_for(model)
    return (
        asked
        or own.epochs
        or default_epochs(len(dataset["train"]), own.batch_size, own.most_epochs)
    )


def _trained_longer(
    finalists: Sequence[Trial], limits: selection.Constraints, job: SearchTask
) -> list[Trial]:
    """The first trial, then the others from the best on, with the validation accuracy that they
    reach when they are trained as long as a winner; ends with the first that keeps the limits,
    unless the most accurate is sought.
    """
    first = next((each for each in finalists if each.first), None)
    within = selection.choose(finalists, limits).within
    order = selection.by_objective(within, limits.objective)
    trained: list[Trial] = []
    best_ones = [each for each in order if not each.first][:MOST_TRAINED]
    for trial in [*([first] if first else []), *best_ones]:
        trained.append(_validated(trial, job))
        trained = with_drops(trained)
        best = selection.choose(trained, limits).best
        if limits.objective != "accuracy" and best is not None and not best.first:
            break
    return trained


def _validated(trial: Trial, job: SearchTask) -> Trial:
    """The trial with the accuracy on the validation split of its network, trained as a winner."""
    assert trial.measured is not None
    model, artifact = _files_of(trial, job)
    judged = evaluate_trial(artifact, job.settings.runtime, without_test(job.dataset), model.parent)
    return replace(
        trial,
        measured=replace(
            trial.measured,
            accuracy=judged["accuracy"],
            accuracy_low=judged["accuracy_low"],
            accuracy_high=judged["accuracy_high"],
        ),
    )


def _compared(trials: Sequence[Trial], job: SearchTask) -> list[Trial]:
    """The trials with latencies of rounds side by side; those whose file is gone as they were."""
    files = {each.number: _file(job.out, each) for each in trials}
    trials_with_files = [each for each in trials if files[each.number] is not None]
    if len(trials_with_files) < 2:
        return list(trials)
    paths = [path for each in trials_with_files if (path := files[each.number])]
    results = job.target.compare(paths, job.out / FINALISTS_FILE, nullcontext, job.progress)
    # Each file has a parent of its own; here they compete all the same.
    rows = with_pairs([replace(row, lineage="finalists") for row in collect([results])])
    numbers = {
        row.id: each.number
        for row, measured in zip(rows, results.measurements, strict=True)
        for each in trials_with_files
        if measured.artifact.name == f"{each.number:04d}{Path(measured.artifact.name).suffix}"
    }
    remeasured: dict[int, Trial] = {}
    by_number = {each.number: each for each in trials_with_files}
    for row, measured in zip(rows, results.measurements, strict=True):
        number = numbers.get(row.id)
        if number is None or measured.latency is None or measured.status != "ok":
            continue
        trial = by_number[number]
        assert trial.measured is not None
        low, high = measured.latency.ci95 or (None, None)
        remeasured[number] = replace(
            trial,
            measured=replace(
                trial.measured,
                latency_ms=measured.latency.p50,
                latency_low_ms=low,
                latency_high_ms=high,
                verdict=measured.verdict or "",
            ),
            paired_p50=row.paired_p50,
            ties=tuple(numbers[each] for each in row.ties if each in numbers),
        )
    return [remeasured.get(each.number, each) for each in trials]


def _file(out: Path, trial: Trial) -> Path | None:
    return next(iter(sorted((out / "trials").glob(f"{trial.number:04d}.*"))), None)


def _files_of(trial: Trial, job: SearchTask) -> tuple[Path, Artifact]:
    """The trial's network trained as a winner is, and converted; an interrupted training resumes,
    and what is there is not made again.
    """
    from edgecnn.conversion.convert import convert_one
    from edgecnn.training import train

    settings = job.settings
    drawn = job.space.drawn(trial.parameters)
    folder = job.out / TRAINED / f"{trial.number:04d}-{job.final_epochs}"
    model = folder / f"{settings.model}.keras"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        train(
            settings.model,
            job.dataset,
            out=model,
            epochs=job.final_epochs,
            seed=settings.seed,
            input_size=drawn.input_size,
            network_options=drawn.network,
            folder=folder / f"{settings.model}.training",
            progress=job.progress,
            **drawn.training,
        )
    artifact = convert_one(
        model,
        settings.file_target,
        calibration=job.dataset,
        out=folder,
        name=settings.model,
        force=True,
    )
    return model, artifact


def _winner(trial: Trial, job: SearchTask) -> Winner:
    """The winner as files in the search's own folder, tested."""
    out = job.out
    model, artifact = _files_of(trial, job)
    record = {"trial": trial.number, "parameters": dict(trial.parameters),
            "epochs": job.final_epochs}  # fmt: skip
    if _read(out / WINNER_FILE) != json.loads(json.dumps(record)):
        (out / RESULTS_FILE).unlink(missing_ok=True)
        write_text_atomically(out / WINNER_FILE, json.dumps(record) + "\n")
    for path in (model, sidecar_path(model), artifact.path, sidecar_path(artifact.path)):
        with atomic_path(out / path.name) as temporary:
            shutil.copyfile(path, temporary)
    return _tested(trial, load_artifact(out / artifact.path.name), out / model.name, job)


def _tested(trial: Trial, artifact: Artifact, model: Path, job: SearchTask) -> Winner:
    """The test split through the converted file, on a runtime of this machine; its latency on the
    target.
    """
    from edgecnn.benchmarking.benchmark import benchmark

    settings, dataset = job.settings, job.dataset
    path = job.out / RESULTS_FILE
    results = benchmark(
        [artifact],
        (settings.runtime,),
        threads=(settings.threads,),
        protocol=settings.final_protocol,
        data=dataset,
        out=path,
        previous=Results.load(path) if path.exists() else None,
        progress=job.progress,
    )
    row = next(row for row in results.measurements if row.artifact.sha256 == artifact.sha256)
    latency, unmeasured = _latency_on_target(artifact, job) if settings.on else _latency_in([row])
    return Winner(
        trial, model, artifact.path, latency, row.accuracy, scored_split(dataset.splits), unmeasured
    )


def _latency_on_target(artifact: Artifact, job: SearchTask) -> tuple[float | None, str]:
    """The winner's median latency on the board; None, and why, where it does not run there."""
    try:
        results = job.target.compare(
            [artifact.path], job.out / "board.json", nullcontext, job.progress
        )
    except MeasuringError as error:
        return None, error.with_hint
    return _latency_in(results.measurements)


def _latency_in(rows: Sequence[Measurement]) -> tuple[float | None, str]:
    """The median latency of the only row in milliseconds; None, and why, without one."""
    row = next(iter(rows), None)
    if row is None:
        return None, "nothing was measured"
    if row.status != "ok" or row.latency is None:
        return None, row.unusable_reason or "it has no samples"
    return row.latency.p50, ""


def _read(path: Path) -> Any:
    try:
        return read_json_file(path) if path.exists() else None
    except InputError:
        return None

"""After the trials: measure the best side by side, train the winner once more, test it once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn import selection
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.files import read_json_file, write_text_atomically
from edgecnn.manifest import Artifact
from edgecnn.progress import Progress
from edgecnn.reporting.rows import collect
from edgecnn.results import Results
from edgecnn.search.measuring import Target
from edgecnn.search.outcome import SearchOutcome, Winner, ranked
from edgecnn.search.settings import FINALISTS_FILE, RESULTS_FILE, Settings
from edgecnn.search.space import Space
from edgecnn.search.trials import Trial

MOST_FINALISTS = 4
WINNER_FILE = "winner.json"


@dataclass(frozen=True)
class Job:
    """What a search works on and with."""

    settings: Settings
    space: Space
    dataset: Dataset
    out: Path
    target: Target
    progress: Progress


def finish(outcome: SearchOutcome, job: Job) -> SearchOutcome:
    """`outcome` with finalists and a winner; as it is when nothing keeps the limits."""
    finalist_trials = ranked(outcome.complete, job.settings)[:MOST_FINALISTS]
    if not finalist_trials:
        return outcome
    first = outcome.first
    if first is not None and first not in finalist_trials:
        finalist_trials.append(first)
    finalists = _compared(finalist_trials, job)
    best = selection.choose(finalists, job.settings.wanted.limits).best
    if best is None:  # what was within a limit by a hair is over it now
        return replace(outcome, finalists=tuple(finalists))
    return replace(outcome, finalists=tuple(finalists), winner=_trained(best, job))


def _compared(trials: Sequence[Trial], job: Job) -> list[Trial]:
    """The trials with latencies of rounds side by side; those whose file is gone as they were."""
    files = {each.number: _file(job.out, each) for each in trials}
    trials_with_files = [each for each in trials if files[each.number] is not None]
    if len(trials_with_files) < 2:
        return list(trials)
    paths = [path for each in trials_with_files if (path := files[each.number])]
    results = job.target.compare(paths, job.out / FINALISTS_FILE, nullcontext, job.progress)
    rows = collect([results])
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


def _trained(trial: Trial, job: Job) -> Winner:
    """The winner as files, tested; what is there from an interrupted run is not made again."""
    from edgecnn.conversion.convert import convert_one
    from edgecnn.training import train

    settings, out = job.settings, job.out
    drawn = job.space.drawn(trial.parameters)
    model = out / f"{settings.model}.keras"
    record = {"trial": trial.number, "parameters": dict(trial.parameters),
            "epochs": settings.final_epochs}  # fmt: skip
    if _read(out / WINNER_FILE) != json.loads(json.dumps(record)):
        for stale in (model, out / RESULTS_FILE):
            stale.unlink(missing_ok=True)
        write_text_atomically(out / WINNER_FILE, json.dumps(record) + "\n")
    if not model.exists():
        folder = out / f"{settings.model}.training"
        train(
            settings.model,
            job.dataset,
            out=model,
            epochs=settings.final_epochs,
            seed=settings.seed,
            input_size=drawn.input_size,
            network_options=drawn.network,
            folder=folder,
            restart=not _is_of(folder, trial),
            progress=job.progress,
            **drawn.training,
        )
    artifact = convert_one(
        model,
        settings.file_target,
        calibration=job.dataset,
        out=out,
        name=settings.model,
        force=True,
    )
    return _tested(trial, artifact, model, job)


def _is_of(folder: Path, trial: Trial) -> bool:
    """Whether the checkpoint there is of this trial's training; marks the folder as its own."""
    mark = folder / "trial.txt"
    same = mark.exists() and mark.read_text(encoding="utf-8").strip() == str(trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(mark, f"{trial.number}\n")
    return same


def _tested(trial: Trial, artifact: Artifact, model: Path, job: Job) -> Winner:
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
    latency = row.latency.p50 if row.latency else None
    if settings.on:
        board = job.target.compare(
            [artifact.path], job.out / "board.json", nullcontext, job.progress
        )
        latency = next((each.latency.p50 for each in board.measurements if each.latency), latency)
    split = next((name for name in ("test", "validation") if name in dataset.splits), "train")
    return Winner(trial, model, artifact.path, latency, row.accuracy, split)


def _read(path: Path) -> Any:
    try:
        return read_json_file(path) if path.exists() else None
    except InputError:
        return None

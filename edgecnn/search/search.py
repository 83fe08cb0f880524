"""The search: hand out trials, measure what comes back, choose, and train the winner."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.progress import Progress, silent
from edgecnn.registry import check_trained
from edgecnn.results.measurements import Measurement
from edgecnn.search.finish import SearchTask, finish, resolved_epochs
from edgecnn.search.measuring import (
    BoardTarget,
    LocalTarget,
    MeasurementTarget,
    MeasuringError,
    check_board,
)
from edgecnn.search.outcome import SearchOutcome
from edgecnn.search.pruning import LearningCurve, is_hopeless
from edgecnn.search.settings import SearchSettings, claim_folder
from edgecnn.search.space import SearchSpace
from edgecnn.search.study import Study
from edgecnn.search.trial import without_test
from edgecnn.search.trials import TrialMeasurement
from edgecnn.search.worker_pool import TrialEvent, WorkerPool, open_worker_pool
from edgecnn.system.claims import lock_outputs

TICK_SECS = 1.0


def search(
    settings: SearchSettings,
    space: SearchSpace,
    dataset: Dataset,
    out: Path,
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    on_end: Callable[[SearchOutcome], None] = lambda _: None,
    progress: Progress = silent,
    database: str | None = None,
) -> SearchOutcome:
    """Search for the network that fits; everything lies in `out` and in the database.

    `dataset` is what `settings.data` names. Trials see its training and validation splits alone;
    the winner is trained once more and tested once. `on_end` gets the outcome, also that of a
    search that is interrupted. Interrupted (KeyboardInterrupt) or killed, the
    same call resumes: finished trials are in the database, those under way are tried again.

    Raises InputError for settings that make no sense or of another search in `out`, and for a
    network that cannot be trained as its paper has it; ClusterError for workers that are not there.
    """
    check_trained(settings.model)
    without_test(dataset)
    if settings.on:
        check_board(settings.on)
    record = settings.record(space, dataset.sha256)
    with lock_outputs(out):
        study = Study(
            claim_folder(out, record, force=force),
            space,
            settings.wanted,
            seed=settings.seed,
            sampler=settings.sampler,
            address=database,
        )
        try:
            retried = study.take_up()
            if retried:
                say(f"{retried} trials of an interrupted search are tried again")
            target = _target(settings, say)
            job = SearchTask(settings, space, dataset, out, target, progress)
            run = _SearchRun(job, study, say)
            try:
                run.all_trials()
                outcome = finish(run.outcome(), job)
            except BaseException:
                study.take_up()
                so_far = run.outcome(interrupted=True)
                so_far.save(out)
                on_end(so_far)
                raise
            outcome.save(out)
            on_end(outcome)
            return outcome
        finally:
            study.close()


@dataclass
class _Going:
    """A trial under way."""

    number: int
    first: bool
    attempt: str = ""
    accuracies: list[float] = field(default_factory=list)
    macs: float | None = None
    ended: str = ""
    """Why it was asked to stop."""


class _SearchRun:
    """One process's part of a search."""

    def __init__(self, job: SearchTask, study: Study, say: Callable[[str], None]) -> None:
        settings, dataset = job.settings, job.dataset
        self._settings, self._space, self._dataset = settings, job.space, dataset
        self._target, self._progress = job.target, job.progress
        self._study, self._say = study, say
        self._going: dict[str, _Going] = {}
        self._spent = 0
        self._files = job.out / "trials"
        self._epochs = resolved_epochs(settings.model, dataset, settings.epochs)
        self._began = time.monotonic()

    def all_trials(self) -> None:
        """Until as many as were asked for are done, or the time is over."""
        self._count()
        if self._spent >= self._settings.trials:
            return
        cluster = self._settings.cluster
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        own = 0 if cluster.address else max(1, cores // cluster.workers)
        threads = self._settings.trial_threads or own
        if cluster.open_to_others:
            self._say(
                f"{cluster.target} is not encrypted: anyone on that network can run code on "
                "its workers; --tls-ca, --tls-cert and --tls-key make it safe"
            )
        self._files.mkdir(parents=True, exist_ok=True)
        with open_worker_pool(cluster, threads) as pool:
            while self._hand_out(pool) or pool.running:
                event = pool.next(TICK_SECS)
                if event is not None and event.token in self._going:
                    self._handle(pool, event)
        self._progress("trials", self._spent, self._spent, "")

    def outcome(self, *, interrupted: bool = False) -> SearchOutcome:
        """What is known by now."""
        return SearchOutcome(
            settings=self._settings,
            space=self._space,
            target=self._target.name,
            trials=tuple(self._study.trials()),
            importances={
                name: self._study.importances(name) for name in self._settings.wanted.objectives
            },
            epochs=self._epochs,
            interrupted=interrupted,
            seconds=time.monotonic() - self._began,
        )

    def _count(self) -> None:
        self._spent = sum(each.counts for each in self._study.trials())

    def _hand_out(self, pool: WorkerPool) -> int:
        """Give every free worker a trial; how many were given."""
        handed_out = 0
        limit = self._settings.timeout_secs
        late = limit is not None and time.monotonic() - self._began > limit
        while (
            not late
            and pool.running < max(1, pool.size)
            and self._spent + pool.running < self._settings.trials
        ):
            number, values, first = self._study.ask()
            drawn = self._space.drawn(values)
            token = f"{number}-{secrets.token_hex(6)}"
            self._going[token] = _Going(number, first)
            pool.submit(
                {
                    "token": token,
                    "model": self._settings.model,
                    "data": {**self._settings.data.to_dict(), "sha256": self._dataset.sha256},
                    "drawn": {
                        "network": dict(drawn.network),
                        "recipe": dict(drawn.training),
                        "input_size": drawn.input_size,
                    },
                    "epochs": self._epochs,
                    "seed": self._settings.seed,
                    "target": self._settings.file_target,
                    "runtime": self._settings.runtime,
                    "cwd": str(Path.cwd()),
                }
            )
            handed_out += 1
        return handed_out

    def _handle(self, pool: WorkerPool, event: TrialEvent) -> None:
        if event.message is not None:
            self._heard(pool, event.token, event.message)
            return
        going = self._going.pop(event.token)
        if event.lost:
            retried = self._study.lose(going.number, event.lost)
            if going.first and not retried:
                raise self._without_first(f"was lost again and again: {event.lost}", "")
            self._tell(going, f"lost ({event.lost}); {'tried again' if retried else 'given up'}")
        elif event.answer is not None:
            self._answered(pool, going, event.answer)
        self._count()
        self._progress("trials", self._spent, self._settings.trials, "")

    def _heard(self, pool: WorkerPool, token: str, message: Mapping[str, Any]) -> None:
        going = self._going[token]
        if message["attempt"] != going.attempt:  # the scheduler may start a task once more
            going.attempt, going.accuracies = str(message["attempt"]), []
        if message["event"] == "built":
            going.macs = message["macs"]
            self._study.note(going.number, "macs", message["macs"])
            self._study.note(going.number, "weights", message["parameters"])
        elif message["event"] == "epoch":
            going.accuracies.append(float(message["accuracy"]))
            self._study.note(going.number, "accuracies", going.accuracies)
            self._progress(
                "trials",
                self._spent,
                self._settings.trials,
                f"trial {going.number}: epoch {message['epoch']}/{self._epochs}, "
                f"validation accuracy {message['accuracy']:.2%}",
            )
            self._consider(pool, token, going)

    def _consider(self, pool: WorkerPool, token: str, going: _Going) -> None:
        if self._settings.pruning == "none" or going.first or going.ended:
            return
        curve = LearningCurve(tuple(going.accuracies), going.macs)
        if is_hopeless(curve, self._study.learning_curves(going.number), self._epochs):
            epoch = len(going.accuracies)
            going.ended = (
                f"behind epoch {epoch} its best validation accuracy, {curve.best(epoch):.2%}, was "
                "below the median of the trials that cost no more"
            )
            pool.stop(token)

    def _answered(self, pool: WorkerPool, going: _Going, answer: Mapping[str, Any]) -> None:
        number = going.number
        if answer["event"] == "stopped":
            self._study.prune(number, going.ended)
            self._tell(going, f"ended early: {going.ended}")
            return
        if answer["event"] == "failed":
            self._failed(going, answer["error"], answer.get("hint", ""))
            return
        self._study.note(number, "accuracies", answer["accuracies"])
        path = self._files / f"{number:04d}{Path(answer['name']).suffix}"
        with atomic_path(path) as temporary:
            temporary.write_bytes(answer["content"])
        try:
            row = self._target.measure(path, pool.paused)
        except MeasuringError as error:
            self._failed(going, error.message, error.hint)
            return
        measured = _measured(answer, row)
        self._study.complete(number, measured)
        self._tell(
            going,
            f"{measured.accuracy:.2%} on validation, {measured.latency_ms:.3g} ms, "
            f"{measured.size_bytes / 1e3:.1f} kB",
        )

    def _failed(self, going: _Going, error: str, hint: str) -> None:
        self._study.fail(going.number, error)
        if going.first:
            raise self._without_first(f"failed: {error}", hint)
        self._tell(going, f"failed: {error}")

    def _without_first(self, what: str, hint: str) -> InputError:
        """Every trial is compared with the first one."""
        return InputError(f"the first trial, {self._settings.model} as it is, {what}", hint=hint)

    def _tell(self, going: _Going, what: str) -> None:
        self._say(f"trial {going.number}: {what}")


def _measured(answer: Mapping[str, Any], row: Measurement) -> TrialMeasurement:
    assert row.latency is not None
    low, high = row.latency.ci95 or (None, None)
    return TrialMeasurement(
        accuracy=answer["accuracy"],
        latency_ms=row.latency.p50,
        size_bytes=row.artifact.size_bytes,
        memory_bytes=row.memory["peak_rss_bytes"],
        accuracy_low=answer["accuracy_low"],
        accuracy_high=answer["accuracy_high"],
        latency_low_ms=low,
        latency_high_ms=high,
        verdict=row.verdict or "",
        metric=answer["metric"],
        samples=answer["samples"],
    )


def _target(settings: SearchSettings, say: Callable[[str], None]) -> MeasurementTarget:
    measured = settings.runtime, settings.threads, settings.protocol, settings.final_protocol
    return BoardTarget(settings.on, *measured, say) if settings.on else LocalTarget(*measured)

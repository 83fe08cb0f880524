"""Optimize a model: search, time the finalists, test on fresh samples, and report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgecnn.benchmarking.measurement_cache import MeasurementCache
from edgecnn.benchmarking.protocol import PROFILES, Protocol
from edgecnn.benchmarking.resuming import preprocessing_record
from edgecnn.conversion.convert import open_converter
from edgecnn.conversion.converter import Converter
from edgecnn.conversion.sources.kinds import located
from edgecnn.data.base import Dataset, Split, refuse_prepared_data
from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.manifest import Manifest
from edgecnn.optimization import outcome_text
from edgecnn.optimization.candidates import SearchCandidate, SearchState
from edgecnn.optimization.checks import check_settings, known_artifact, refuse_sequences
from edgecnn.optimization.claim_order import claim_order, judge_in_order
from edgecnn.optimization.data_split import DataParts, divide
from edgecnn.optimization.drops import BoundedDrop, DropEstimator
from edgecnn.optimization.finalists import RaceSetup, in_order, measured, with_rivals
from edgecnn.optimization.folder import (
    ANSWERS_FOLDER,
    RESULTS_FILE,
    check_folder,
    claim_folder,
    content_digest,
    save,
    settings_record,
)
from edgecnn.optimization.goal import CONFIDENCE, Goal
from edgecnn.optimization.layers import SAMPLES
from edgecnn.optimization.outcome import OptimizationOutcome, TimedCandidate
from edgecnn.optimization.search import Search
from edgecnn.optimization.space import ConfigurationSpace, devices, explore
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.results import RuntimeOptions
from edgecnn.results.accuracy_drop import too_few
from edgecnn.results.chance_level import uninformative_reason
from edgecnn.system import scratch
from edgecnn.system.claims import lock_outputs


@dataclass(frozen=True)
class OptimizationSettings:
    """What decides the answer besides the model and the data; a resumed run has the same."""

    goal: Goal = field(default_factory=Goal)
    runtimes: tuple[str, ...] = ("all",)
    threads: tuple[int, ...] = (1,)
    seed: int = 0
    samples: int = 256
    protocol: Protocol = PROFILES["quick"]


def optimize(
    model: Path | str,
    data: Dataset,
    settings: OptimizationSettings,
    out: Path,
    *,
    preprocessing: Preprocessing | str | None = None,
    weights: Path | str | None = None,
    custom: Sequence[Path] = (),
    shape: str = "",
    about: ModelOptions | None = None,
    allow_unsafe: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> OptimizationOutcome:
    """Search for the file and the runtime that meet the goal best; everything lies in `out`.

    `model` and what says how to open it (`weights`, `custom`, `shape`, `about`, `allow_unsafe`)
    are as in `convert`.

    `out/artifacts` holds the files, `results.json` the latencies of the finalists, `answer.json`
    the outcome and `recipe.json` how the chosen file is made. Interrupted (KeyboardInterrupt), it
    leaves the best so far in `answer.json`; the same call resumes.

    Raises InputError for settings that make no sense, data that are too few to divide, and a
    folder that holds another optimization (unless `force`).
    """
    started = time.monotonic()
    refuse_prepared_data(data, "optimize")
    devices(settings.runtimes)
    check_settings(settings)
    model = Path(located(model))
    known = known_artifact(model)
    refuse_sequences(model, known.manifest if known else Manifest(), data)
    parts = divide(
        data,
        known.manifest if known else Manifest(),
        seed=settings.seed,
        samples=settings.samples,
    )
    source_options = {
        "preprocessing": preprocessing_record(preprocessing),
        "weights": None if weights is None else content_digest(Path(weights)),
        "custom": [content_digest(path) for path in custom] or None,
        "shape": shape or None,
        "about": None if about in (None, ModelOptions()) else str(about),
    }
    record = {**settings_record(model, known, data, settings), **source_options}
    with lock_outputs(out):
        check_folder(out, record, force=force)
        with (
            open_converter(
                model,
                calibration=parts.search,
                out=out / "artifacts",
                samples=settings.samples,
                seed=settings.seed,
                force=force,
                allow_unsafe=allow_unsafe,
                preprocessing=preprocessing,
                weights=weights,
                custom=custom,
                shape=shape,
                about=about,
            ) as converter,
            scratch.folder() as work,
        ):
            claim_folder(out, record, force=force)
            run = _OptimizationRun(
                converter,
                parts,
                settings,
                out=out,
                work=work,
                preprocessing=preprocessing,
                progress=progress,
            )
            outcome = _ended(run, out, started)
    save(outcome, out)
    return outcome


def _ended(run: _OptimizationRun, out: Path, started: float) -> OptimizationOutcome:
    """The outcome, with its seconds; on Ctrl-C the best so far is saved before it is raised."""
    try:
        return replace(run.outcome(), seconds=time.monotonic() - started)
    except KeyboardInterrupt:
        so_far = run.interrupted()
        if so_far is not None:
            save(replace(so_far, seconds=time.monotonic() - started), out)
        raise


class _OptimizationRun:
    """One optimization from the first file to the claim."""

    def __init__(
        self,
        converter: Converter,
        parts: DataParts,
        settings: OptimizationSettings,
        *,
        out: Path,
        work: Path,
        preprocessing: Preprocessing | str | None,
        progress: Progress,
    ) -> None:
        self._converter, self._parts, self._settings = converter, parts, settings
        self._out, self._work, self._progress = out, work, progress
        self._option = preprocessing
        self._space = ConfigurationSpace({}, ())
        self._search: Search | None = None
        self._stages: dict[str, float] = {}
        self._began = time.monotonic()

    def outcome(self) -> OptimizationOutcome:
        parts, goal = self._parts, self._settings.goal
        reference, judge = self._judge(parts.search)
        nothing = uninformative_reason(judge.parent) if judge.parent else None
        if judge.parent is None or nothing:
            raise InputError(
                nothing or f"the model's outputs do not fit the data set: {judge.refusal}",
                hint="pass the data set that the model was made for, the right --preprocessing, "
                "and --labels if its classes have other names",
            )
        self._space = explore(self._converter, self._settings.runtimes, progress=self._progress)
        self._search = Search(
            self._converter,
            self._space,
            goal,
            self._questions(parts.search, "search"),
            judge,
            samples=list(self._tensors(parts.search["test"], SAMPLES)),
            reference=reference,
            claimed=len(parts.claim["test"]),
            threads=self._settings.threads,
            progress=self._progress,
        )
        state = self._search.run()
        self._ended("search")
        good = [tried for tried in state.tried if self._search.keeps(tried)]
        if not good:
            return self._none(state)
        timed = self._timed(good)
        self._ended("timing")
        return self._claimed(state, timed)

    def _ended(self, stage: str) -> None:
        now = time.monotonic()
        self._stages[stage], self._began = round(now - self._began, 1), now

    def interrupted(self) -> OptimizationOutcome | None:
        """What is known so far; None before anything is."""
        if self._search is None or not self._search.state.tried:
            return None
        state, best = self._search.state, self._search.best()
        sentence = (
            f"interrupted; best so far (estimated latency, accuracy not verified): {best.name}"
            if best
            else "interrupted before any file met the goal"
        )
        return replace(self._base(state), interrupted=True, nearest=best, sentences=(sentence,))

    def _judge(self, data: Dataset) -> tuple[list[npt.NDArray[Any]], DropEstimator]:
        """The parent's outputs for a test split, and what compares others with them."""
        manifest = self._converter.parent
        preprocessing = manifest.preprocessing
        assert preprocessing is not None  # with data nobody gets here without
        reference = self._converter.reference(self._tensors(data["test"], None))
        return reference, DropEstimator(data, manifest, preprocessing, reference)

    def _tensors(self, split: Split, most: int | None) -> Iterator[npt.NDArray[Any]]:
        preprocessing = self._converter.parent.preprocessing
        assert preprocessing is not None
        for index in range(len(split) if most is None else min(most, len(split))):
            yield preprocessing(split.samples[index])[None]

    def _questions(self, data: Dataset, name: str) -> MeasurementCache:
        return MeasurementCache(
            self._out / ANSWERS_FOLDER / name,
            data,
            self._work / name,
            preprocessing=self._option,
            part=self._parts.digests[name],
        )

    def _timed(self, good: Sequence[SearchCandidate]) -> list[TimedCandidate]:
        """Latency of the finalists in interleaved rounds, with samples of the search."""
        settings = self._settings
        # Further rounds would narrow the interval of each row; the choice asks for their order.
        protocol = replace(settings.protocol, most_processes=settings.protocol.processes)
        track = RaceSetup(
            self._parts.search,
            self._out / RESULTS_FILE,
            protocol,
            settings.threads,
            self._option,
            self._progress,
        )
        return measured(good, settings.goal, track)

    def _claimed(self, state: SearchState, timed: Sequence[TimedCandidate]) -> OptimizationOutcome:
        """Judge the measured on the claim's samples, the safest first, as far as each is shown to
        keep the budget; the last of these, which is the best, is the choice.
        """
        goal = self._settings.goal
        base = replace(self._base(state), timed=tuple(timed))
        data = self._parts.claim
        _, judge = self._judge(data)
        questions = self._questions(data, "claim")
        ranked = list(in_order(timed, goal))
        if not ranked:
            return self._unmeasured(base, state)
        steps = claim_order(ranked, lambda each: each.tried.risk(len(data["test"])))

        def claim_of(number: int, one: TimedCandidate) -> BoundedDrop | None:
            self._progress("claim", number, len(steps), one.name)
            options = RuntimeOptions(threads=one.threads)
            answer = questions.ask(one.tried.artifact, one.tried.configuration, options)
            return judge.drop(answer.outputs, CONFIDENCE) if answer.answered else None

        judgments = judge_in_order(steps, claim_of, lambda claim: claim.within(goal.max_drop))
        self._progress("claim", len(steps), len(steps))
        base = replace(base, claims=judgments.judged)
        refused = []
        if judgments.broken is not None:
            refused = [outcome_text.refused(*judgments.broken, goal)]
            refused += outcome_text.unjudged(judgments.left, judgments.broken[0])
        if judgments.kept is None:
            return self._unproven(base, state, judgments.broken, refused)
        choice, claim = judgments.kept
        place = next(place for place, each in enumerate(ranked) if each is choice)
        choice, *others = with_rivals(choice, ranked[place + 1 :])
        return replace(
            base,
            accepted=True,
            choice=choice,
            claim=claim,
            sentences=(
                outcome_text.shipped(choice, claim, goal),
                *outcome_text.confidence_sentences(choice, others, goal, faster=place > 0),
                *outcome_text.smaller(choice, others),
                *refused,
                *outcome_text.undecided(choice, state.tried, claim.n, goal),
            ),
            changes=tuple(outcome_text.relaxed_limits(choice, state.tried, goal, claim.n)),
        )

    def _unproven(
        self,
        base: OptimizationOutcome,
        state: SearchState,
        first: tuple[TimedCandidate, BoundedDrop] | None,
        refused: Sequence[str],
    ) -> OptimizationOutcome:
        """No file provably keeps the budget: too much is lost, or the samples are too few."""
        goal = self._settings.goal
        if first is None:
            return self._none(state, base)
        choice, claim = first
        return replace(
            base,
            choice=choice,
            claim=claim,
            nearest=choice.tried,
            sentences=(f"no file provably meets the goal: {goal.words}", *refused),
            ways_out=tuple(outcome_text.alternatives(state.tried, goal)),
            changes=tuple(outcome_text.relaxed_limits(choice, state.tried, goal, claim.n)),
        )

    def _unmeasured(self, base: OptimizationOutcome, state: SearchState) -> OptimizationOutcome:
        """What looked good when it was measured briefly is not when it is measured in full."""
        goal = self._settings.goal
        invalid = all(each.measurement.verdict == "INVALID" for each in base.timed)
        begin = (
            "no valid latency was measured"
            if invalid
            else f"no file meets the goal in the full measurement: {goal.words}"
        )
        return replace(
            base,
            nearest=outcome_text.nearest(state.tried, goal),
            sentences=(begin, *outcome_text.missed_limits(base.timed, goal)),
            ways_out=tuple(outcome_text.alternatives(state.tried, goal)),
        )

    def _none(
        self, state: SearchState, base: OptimizationOutcome | None = None
    ) -> OptimizationOutcome:
        goal = self._settings.goal
        near = outcome_text.nearest(state.tried, goal)
        sentences = [f"no file meets the goal: {goal.words}"]
        sentences += outcome_text.blocking_reasons(near, goal, state.costs)
        claimed = len(self._parts.claim["test"])
        if claimed < goal.fewest_samples:
            sentences.append(too_few(claimed, goal.max_drop, goal.fewest_samples))
        else:
            sentences += outcome_text.undecided(None, state.tried, claimed, goal)
        return replace(
            base or self._base(state),
            nearest=near,
            sentences=tuple(sentences),
            ways_out=tuple(outcome_text.alternatives(state.tried, goal)),
            changes=tuple(outcome_text.relaxed_limits(None, state.tried, goal, claimed)),
        )

    def _base(self, state: SearchState) -> OptimizationOutcome:
        return OptimizationOutcome(
            goal=self._settings.goal,
            model=self._converter.source.name,
            parts=self._parts.record(),
            accepted=False,
            choice=None,
            claim=None,
            tried=tuple(state.tried),
            path=tuple(state.path),
            costs=state.costs,
            obstacles=self._space.obstacles,
            validations=state.validations,
            stages=dict(self._stages),
        )


__getattr__ = old_names(__name__, {"Settings": "OptimizationSettings"})

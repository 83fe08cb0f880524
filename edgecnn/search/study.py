"""The study in the database: what to try next, and what was tried.

Epochs are kept in attributes, not as Optuna's intermediate values: its sampler fails on a study
with several objectives that has pruned trials with such values.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.registry import require
from edgecnn.search.pruning import LearningCurve
from edgecnn.search.space import SearchSpace
from edgecnn.search.storage import open_storage, translated
from edgecnn.search.trials import OBJECTIVES, SearchGoal, Trial, TrialMeasurement, read_measured
from edgecnn.store import address as place

if TYPE_CHECKING:
    import optuna

MOST_RETRIES = 2
STARTUP = 8
"""Trials before the sampler has something to learn from: the first and variations of it. In a space
of a dozen parameters a network drawn at random is nearly always a bad one."""
SAMPLERS = ("tpe", "random")
_RETRY_OF, _RETRIES, _RETRIED, _FIRST = "retry_of", "retries", "retried", "first"


class Study:
    """A study that this process alone works on."""

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        wanted: SearchGoal,
        *,
        seed: int = 0,
        sampler: str = "tpe",
        address: str | None = None,
    ) -> None:
        require("optuna", "search")
        import optuna

        self._space, self._wanted = space, wanted
        self.safe_address = place.find(address).safe_address
        self._storage = open_storage(address)
        with translated(self.safe_address):
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                directions=[OBJECTIVES[each] for each in wanted.objectives],
                load_if_exists=True,
            )
            drawn = len(self._study.get_trials(deepcopy=False))
            # What was drawn before an interruption is not drawn once more.
            self._study.sampler = _sampler(sampler, seed + 1_000_003 * drawn)
            self._varied = STARTUP if sampler == "tpe" else 0
            self._seed = seed
            self._ensure_first()
        self._open: dict[int, optuna.Trial] = {}
        self._began: dict[int, float] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _ensure_first(self) -> None:
        """The first trial stays the first, also when it could not be tried yet."""
        first = [each for each in self._study.get_trials(False) if each.user_attrs.get(_FIRST)]
        if all(each.user_attrs.get(_RETRIED) or each.state.name == "FAIL" for each in first):
            self._study.enqueue_trial(self._space.first(), user_attrs={_FIRST: True})

    def _vary_first(self) -> None:
        """While there is nothing to learn from, the next trial is a variation of the first."""
        tried = self._study.get_trials(deepcopy=False)
        if len(tried) < self._varied and all(each.state.name != "WAITING" for each in tried):
            rng = np.random.default_rng([self._seed, len(tried)])
            self._study.enqueue_trial(self._space.variation(rng))

    def take_up(self) -> int:
        """Fail the trials of a process that is gone, and try them again; how many there were.

        Only for whoever holds the search alone.
        """
        import optuna

        with translated(self.safe_address):
            abandoned = self._study.get_trials(False, (optuna.trial.TrialState.RUNNING,))
            for each in abandoned:
                self._lose(each, "the search was interrupted", own_fault=False)
            self._ensure_first()
        return len(abandoned)

    def ask(self) -> tuple[int, Mapping[str, Any], bool]:
        """The number and the parameters of the next trial, and whether it is the first one; trials
        that wait come before new ones.
        """
        with translated(self.safe_address):
            self._vary_first()
            trial = self._study.ask(self._space.distributions())
        self._open[trial.number] = trial
        self._began[trial.number] = time.monotonic()
        return trial.number, dict(trial.params), bool(trial.user_attrs.get(_FIRST))

    def note(self, number: int, name: str, value: Any) -> None:
        """Keep something of a running trial."""
        with translated(self.safe_address):
            self._open[number].set_user_attr(name, value)

    def complete(self, number: int, measured: TrialMeasurement) -> None:
        """What a trial turned out to be, with how it stands to the limits."""
        from dataclasses import asdict

        trial = self._open.pop(number)
        with translated(self.safe_address):
            trial.set_user_attr("measured", asdict(measured))
            trial.set_user_attr("seconds", self._seconds(number))
            for name, excess in self._wanted.excess(measured).items():
                trial.set_constraint(name, excess)
            values = [measured.value(name) for name in self._wanted.objectives]
            self._study.tell(trial, values)

    def prune(self, number: int, reason: str) -> None:
        """A trial that was ended since it was hopeless."""
        self._end(number, "PRUNED", reason)

    def fail(self, number: int, reason: str) -> None:
        """A trial that went wrong by itself; it would again."""
        self._end(number, "FAIL", reason)

    def lose(self, number: int, reason: str) -> bool:
        """A trial whose process was lost: it is tried again, False after too many times."""
        trial = self._open.pop(number)
        with translated(self.safe_address):
            return self._lose(_frozen(self._study, trial.number), reason)

    def trials(self) -> list[Trial]:
        """All trials, by number."""
        with translated(self.safe_address):
            trials = self._study.get_trials(deepcopy=False)
        return [_read(each) for each in trials]

    def learning_curves(self, but: int) -> list[LearningCurve]:
        """How accurate the others were, epoch by epoch."""
        return [
            LearningCurve(each.accuracies, each.macs)
            for each in self.trials()
            if each.number != but and each.accuracies
        ]

    def importances(self, objective: str) -> dict[str, float]:
        """How much each parameter decides an objective (PED-ANOVA, sum 1); empty with too few
        trials.
        """
        import optuna
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        with translated(self.safe_address):
            complete = self._study.get_trials(False, (optuna.trial.TrialState.COMPLETE,))
            if len(complete) < FEWEST_FOR_IMPORTANCES:
                return {}
            index = self._wanted.objectives.index(objective)
            sign = -1.0 if OBJECTIVES[objective] == "maximize" else 1.0
            try:
                return get_param_importances(
                    self._study,
                    evaluator=PedAnovaImportanceEvaluator(target_quantile=0.25),
                    target=lambda trial: sign * trial.values[index],
                )
            except (RuntimeError, ValueError):  # all values equal
                return {}

    def _end(self, number: int, state: str, reason: str) -> None:
        import optuna

        trial = self._open.pop(number)
        with translated(self.safe_address):
            trial.set_user_attr("reason", reason)
            trial.set_user_attr("seconds", self._seconds(number))
            self._study.tell(trial, state=optuna.trial.TrialState[state])

    def _lose(
        self, trial: optuna.trial.FrozenTrial, reason: str, *, own_fault: bool = True
    ) -> bool:
        import optuna

        attributes = trial.user_attrs
        retries = int(attributes.get(_RETRIES, 0))
        retried = not own_fault or retries < MOST_RETRIES
        place_there = trial._trial_id  # noqa: SLF001 (how a storage names a trial)
        self._storage.set_trial_user_attr(place_there, "reason", reason)
        if retried:
            self._storage.set_trial_user_attr(place_there, _RETRIED, True)
            origin = attributes.get(_RETRY_OF, trial.number)
            self._study.enqueue_trial(
                dict(trial.params) or self._space.first(),
                user_attrs={
                    _RETRY_OF: origin,
                    _RETRIES: retries + own_fault,
                    **({_FIRST: True} if attributes.get(_FIRST) else {}),
                },
            )
        self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        return retried

    def _seconds(self, number: int) -> float:
        return round(time.monotonic() - self._began.pop(number, time.monotonic()), 1)


FEWEST_FOR_IMPORTANCES = 10


def _sampler(name: str, seed: int) -> Any:
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True)


def _frozen(study: optuna.Study, number: int) -> optuna.trial.FrozenTrial:
    return study.get_trials(deepcopy=False)[number]


def _read(trial: optuna.trial.FrozenTrial) -> Trial:
    """A trial of the database, whose contents are not trusted."""
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
    attributes = trial.user_attrs
    accuracies = attributes.get("accuracies")
    macs, weights = attributes.get("macs"), attributes.get("weights")
    origin, seconds = attributes.get(_RETRY_OF), attributes.get("seconds")
    state: Any = names.get(trial.state.name, "waiting")
    measured = read_measured(attributes.get("measured"))
    if state == "complete" and measured is None:
        state = "failed"
    return Trial(
        number=trial.number,
        state=state,
        parameters=dict(trial.params),
        measured=measured,
        accuracies=tuple(float(each) for each in accuracies if isinstance(each, (int, float)))
        if isinstance(accuracies, list)
        else (),
        macs=macs if isinstance(macs, (int, float)) else None,
        weights=weights if isinstance(weights, int) else None,
        reason=str(attributes.get("reason", "")),
        retry_of=origin if isinstance(origin, int) else None,
        retried=bool(attributes.get(_RETRIED)),
        first=bool(attributes.get(_FIRST)),
        seconds=seconds if isinstance(seconds, (int, float)) else None,
    )

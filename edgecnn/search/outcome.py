"""The outcome of a search, as data and in sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn import selection
from edgecnn.data.left_out import counted
from edgecnn.deprecation import old_names
from edgecnn.files import write_text_atomically
from edgecnn.results.output_quality import Accuracy
from edgecnn.search.settings import ANSWER_FILE, SearchSettings
from edgecnn.search.space import SearchSpace
from edgecnn.search.trials import Trial, TrialMeasurement, with_drops

_UNITS = {"latency": ("ms", 1.0), "size": ("kB", 1e-3), "memory": ("MB", 1e-6)}
_OVER = {"latency": "slower", "size": "larger", "memory": "larger"}


@dataclass(frozen=True)
class Winner:
    """The trial that was chosen, trained once more, and what the test split says of it.

    `model` and `artifact` are files; `test` is the accuracy of the converted file's own outputs,
    `split` the split it was computed on ("test" but for data without one).
    """

    trial: Trial
    model: Path
    artifact: Path
    latency_ms: float | None = None
    test: Accuracy | None = None
    split: str = "test"
    unmeasured: str = ""
    """Why the target has no latency of the winner's file; empty where it has one."""


@dataclass(frozen=True)
class SearchOutcome:
    """Everything that a page, a terminal and a file show.

    `finalists` are the trials that were measured side by side, with what came out, `winner` is
    None when nothing is within the limits, or the search was interrupted. `trained` are those
    finalists that were trained for `final_epochs`, more than a trial's, with what they reached.
    """

    settings: SearchSettings
    space: SearchSpace
    target: str
    trials: tuple[Trial, ...]
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    epochs: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    finalists: tuple[Trial, ...] = ()
    trained: tuple[Trial, ...] = ()
    final_epochs: int = 0
    winner: Winner | None = None

    @property
    def complete(self) -> list[Trial]:
        """Those with measurements, with their points lost against the first."""
        return with_drops(self.trials)

    @property
    def first(self) -> Trial | None:
        """The network as its paper has it."""
        return next((each for each in self.complete if each.first), None)

    @property
    def best(self) -> Trial | None:
        """The best by what was measured while searching."""
        return selection.choose(self.complete, self.settings.wanted.limits).best

    @property
    def front(self) -> list[Trial]:
        """Those that no other beats in latency without losing more accuracy."""
        return selection.front(self.complete)

    @property
    def nearest(self) -> Trial | None:
        """The one that is least over the limits."""
        return min(self.complete, key=self._over, default=None)

    def _over(self, trial: Trial) -> float:
        excess = list(self.settings.wanted.excess(_known(trial)).values())
        limit = self.settings.wanted.limits.drop
        if limit is not None and trial.drop is not None:
            excess.append((trial.drop - limit) / 100)
        return max(excess, default=0.0)

    @property
    def sentences(self) -> list[str]:
        """The answer."""
        counts = {
            state: sum(each.state == state and not each.retried for each in self.trials)
            for state in ("complete", "pruned", "failed")
        }
        summary = (
            f"{sum(counts.values())} trials: {counts['complete']} measured on {self.target}, "
            f"{counts['pruned']} ended early, {counts['failed']} failed"
        )
        if self.interrupted:
            best = self.best
            so_far = f"; best so far: {described(best, self.space)}" if best else ""
            return [f"interrupted{so_far}", summary]
        if self.winner is None:
            return [*self.none(), summary]
        return [*self._won(self.winner), summary]

    def _won(self, winner: Winner) -> list[str]:
        sentences = [described(winner.trial, self.space)]
        first = next((each for each in [*self.trained, *self.finalists] if each.first), self.first)
        dropped = sum(
            not each.first and each.number != winner.trial.number for each in self.trained
        )
        if self.settings.wanted.limits.objective == "accuracy" and len(self.trained) > 1:
            sentences.append(
                f"the most accurate of {len(self.trained)} networks trained for "
                f"{self.final_epochs} epochs"
            )
        elif dropped:
            sentences.append(
                f"{counted(dropped, 'finalist')} that ranked higher lost too much in "
                f"{self.final_epochs} epochs"
            )
        if first is not None and not winner.trial.first and winner.trial.p50 and first.p50:
            sentences.append(
                f"against the first trial, {self.settings.model} as it is "
                f"({first.accuracy or 0:.2%}, {first.p50:.3g} ms): "
                f"{_times_as_fast(winner.trial, first)}, "
                f"{100 * ((winner.trial.accuracy or 0) - (first.accuracy or 0)):+.2f} points on "
                "validation"
            )
        elif winner.trial.first:
            sentences.append(f"no trial was better than {self.settings.model} as it is")
        test = winner.test
        if test is not None:
            low, high = test.ci95 or (None, None)
            interval = f" [{low:.2%}, {high:.2%}]" if low is not None else ""
            sentences.append(
                f"trained once more and tested once: {test.metric} {test.value:.2%}{interval} on "
                f"{test.n:,} samples of the {winner.split} split"
            )
        if winner.unmeasured:
            sentences.append(f"its file has no latency on {self.target}: {winner.unmeasured}")
        return sentences

    def none(self) -> list[str]:
        """Why there is no winner, and how near the nearest came."""
        wanted = self.settings.wanted
        limits = []
        for name, most in wanted.limited.items():
            unit, factor = _UNITS[name]
            limits.append(f"{name} of at most {most * factor:.4g} {unit}")
        if wanted.limits.drop is not None:
            limits.append(f"at most {wanted.limits.drop:g} points lost")
        near = min(self.trained, key=self._over) if self.trained else self.nearest
        if near is None:
            return ["no trial came to a measurement"]
        over = []
        for name, excess in wanted.excess(_known(near)).items():
            if excess > 0:
                unit, factor = _UNITS[name]
                value = _known(near).value(name) * factor
                over.append(f"{value:.4g} {unit}, {excess:.0%} {_OVER[name]} than allowed")
        limit = wanted.limits.drop
        if limit is not None and near.drop is not None and near.drop > limit:
            over.append(f"{near.drop:.2f} points lost")
        longer = (
            [f"{counted(len(self.trained), 'network')} trained for {self.final_epochs} epochs: "
             "none meets the limits any longer"]
            if self.trained
            else []
        )  # fmt: skip
        return [
            f"no trial meets the limits: {', '.join(limits)}",
            *longer,
            f"closest: {described(near, self.space)}: {'; '.join(over) or 'within all alone'}",
        ]

    def to_dict(self) -> dict[str, Any]:
        winner = self.winner
        return {
            "model": self.settings.model,
            "data": self.settings.data.name,
            "target": self.target,
            "sentences": self.sentences,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 1),
            "epochs": self.epochs,
            "space": self.space.to_dict(),
            "front": [each.number for each in self.front],
            "importances": {name: dict(each) for name, each in self.importances.items()},
            "finalists": [each.to_dict() for each in self.finalists],
            "trained": [each.to_dict() for each in self.trained],
            "final_epochs": self.final_epochs,
            "winner": None
            if winner is None
            else {
                "trial": winner.trial.number,
                "parameters": dict(winner.trial.parameters),
                "model": str(winner.model),
                "artifact": str(winner.artifact),
                "latency_ms": winner.latency_ms,
                "unmeasured": winner.unmeasured,
                "test": {
                    "metric": winner.test.metric,
                    "value": winner.test.value,
                    "ci95": winner.test.ci95,
                    "n": winner.test.n,
                    "split": winner.split,
                }
                if winner.test
                else None,
            },
            "trials": [each.to_dict() for each in self.trials],
        }

    def save(self, out: Path) -> None:
        """Write answer.json."""
        text = json.dumps(self.to_dict(), indent=2)
        write_text_atomically(out / ANSWER_FILE, text + "\n")


def described(trial: Trial, space: SearchSpace) -> str:
    """`trial 12 (width 0.5, kernel 3): 97.10% on validation, 0.021 ms, 71 kB`."""
    changed = changes(trial.parameters, space)
    what = f" ({', '.join(changed)})" if changed else " (as it is)"
    measured = trial.measured
    if measured is None:
        return f"trial {trial.number}{what}"
    return (
        f"trial {trial.number}{what}: {measured.accuracy:.2%} on validation, "
        f"{measured.latency_ms:.3g} ms, {measured.size_bytes / 1e3:,.0f} kB"
    )


def changes(parameters: Mapping[str, Any], space: SearchSpace) -> list[str]:
    """What differs from the first trial's, as in "width 0.5"."""
    first = space.first()
    return [
        f"{name} {value_text(value)}"
        for name, value in parameters.items()
        if name in first and value != first[name]
    ]


def _times_as_fast(trial: Trial, first: Trial) -> str:
    """By the rounds that both took part in, where there are such."""
    if trial.number in first.ties or first.number in trial.ties:
        return "as fast (statistically indistinguishable)"
    times = first.paired_p50, trial.paired_p50
    before, after = times if all(times) else (first.p50, trial.p50)
    assert before is not None
    assert after is not None
    return f"{before / after:.2f} times as fast"


def value_text(value: Any) -> str:
    """A parameter's value with three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def ranked(trials: Sequence[Trial], settings: SearchSettings) -> list[Trial]:
    """The trials within the limits, best first."""
    limits = settings.wanted.limits
    within = selection.choose(trials, limits).within
    return selection.by_objective(within, limits.objective)


def _known(trial: Trial) -> TrialMeasurement:
    assert trial.measured is not None
    return trial.measured


__getattr__ = old_names(__name__, {"Outcome": "SearchOutcome"})

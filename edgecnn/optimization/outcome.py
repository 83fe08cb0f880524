"""The outcome of an optimization: the choice or why there is none, and the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecnn.deprecation import old_names
from edgecnn.optimization.candidates import SearchCandidate, SearchStep
from edgecnn.optimization.drops import BoundedDrop
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.layers import LayerCost
from edgecnn.optimization.space import Obstacle
from edgecnn.results import Measurement

SCHEMA_VERSION = 1
ANSWER_FILE = "answer.json"


@dataclass(frozen=True)
class TimedCandidate:
    """A finalist with its latency, measured in the same rounds as the others'."""

    tried: SearchCandidate
    measurement: Measurement
    chance_best: float | None = None
    """How often it is the fastest when the rounds are drawn again; None below three rounds."""

    @property
    def p50_ms(self) -> float | None:
        """Median latency of the undisturbed machine."""
        return self.measurement.latency.p50 if self.measurement.latency else None

    @property
    def threads(self) -> int:
        return self.measurement.options.threads

    @property
    def name(self) -> str:
        """`lenet5_static_int8.tflite on litert:cpu, 1 thread`."""
        unit = "thread" if self.threads == 1 else "threads"
        return f"{self.tried.name}, {self.threads} {unit}"

    def to_dict(self) -> dict[str, Any]:
        latency = self.measurement.latency
        return {
            **self.tried.to_dict(),
            "threads": self.threads,
            "p50_ms": self.p50_ms,
            "ci95_ms": list(latency.ci95) if latency and latency.ci95 else None,
            "peak_rss_bytes": self.measurement.memory["peak_rss_bytes"],
            "verdict": self.measurement.verdict,
            "chance_best": self.chance_best,
        }


@dataclass(frozen=True)
class OptimizationOutcome:
    """`choice` meets the goal as far as was measured, None when nothing does; `claim` is what it
    loses on samples that the search did not see, `accepted` whether that shows the budget.

    `nearest` is what comes closest where there is no choice. `sentences` say why in words,
    `ways_out` and `changes` what is possible instead, `claims` how many files were judged on the
    claim's samples.
    """

    goal: Goal
    model: str
    parts: Mapping[str, Any]
    accepted: bool
    choice: TimedCandidate | None
    claim: BoundedDrop | None
    nearest: SearchCandidate | None = None
    sentences: tuple[str, ...] = ()
    ways_out: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    timed: tuple[TimedCandidate, ...] = ()
    tried: tuple[SearchCandidate, ...] = ()
    path: tuple[SearchStep, ...] = ()
    costs: Mapping[str, Sequence[LayerCost]] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()
    validations: Mapping[str, int] = field(default_factory=dict)
    claims: int = 0
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of them for the search and for timing its finalists."""
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON reads it back; what `answer.json` holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model,
            "goal": {
                "max_drop": self.goal.max_drop,
                "max_latency_ms": self.goal.max_latency_ms,
                "max_memory_bytes": self.goal.max_memory_bytes,
                "max_size_bytes": self.goal.max_size_bytes,
                "objective": self.goal.objective,
            },
            "accepted": self.accepted,
            "interrupted": self.interrupted,
            "choice": self.choice.to_dict() if self.choice else None,
            "claim": self.claim.to_dict() if self.claim else None,
            "claims": self.claims,
            "nearest": self.nearest.to_dict() if self.nearest else None,
            "sentences": list(self.sentences),
            "ways_out": list(self.ways_out),
            "changes": list(self.changes),
            "timed": [each.to_dict() for each in self.timed],
            "tried": [each.to_dict() for each in self.tried],
            "path": [step.to_dict() for step in self.path],
            "costliest_layers": {
                name: [
                    {
                        "tensors": list(cost.tensors),
                        "operator": cost.operator,
                        "share_of_error": cost.share,
                        "share_of_noise": cost.noise,
                    }
                    for cost in costs[:20]
                ]
                for name, costs in self.costs.items()
            },
            "obstacles": [[each.where, each.why, each.hint] for each in self.obstacles],
            "validations": dict(self.validations),
            "samples": dict(self.parts),
            "seconds": round(self.seconds, 1),
            "stages": dict(self.stages),
        }


__getattr__ = old_names(__name__, {"Outcome": "OptimizationOutcome"})

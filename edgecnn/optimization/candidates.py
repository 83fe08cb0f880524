"""Candidates of a search: each file on each runtime, and the steps between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import log10
from typing import Any

import numpy as np

from edgecnn.conversion.recipe import Recipe
from edgecnn.manifest import Artifact
from edgecnn.optimization.drops import BoundedDrop
from edgecnn.optimization.layers import LayerCost
from edgecnn.results import Measurement

SILENT = 1e-9
"""Noise in the outputs that no answer can depend on: the order of sums in float32."""


@dataclass(frozen=True)
class SearchCandidate:
    """A file on a runtime, as the search found it. `drop` is None where nothing could be judged,
    `problem` says why; `rough_ms` is the latency of one process.
    """

    artifact: Artifact
    recipe: Recipe
    configuration: str
    drop: BoundedDrop | None = None
    rough_ms: float | None = None
    peak_bytes: float | None = None
    noise: float | None = None
    problem: str = ""
    measurement: Measurement | None = None
    """The brief row behind it."""

    @property
    def name(self) -> str:
        """`lenet5_static_int8.tflite on litert:cpu`."""
        return f"{self.artifact.name} on {self.configuration}"

    def risk(self, claimed: int) -> tuple[float, float]:
        """How much the file is expected to lose on so many samples, by those of the search; of
        files that lose the same, how far its outputs are from the parent's.
        """
        assert self.drop is not None  # without one nothing gets so far
        noise = float("inf") if self.noise is None else self.noise
        return self.drop.expected(claimed), noise if noise > SILENT else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.artifact.name,
            "sha256": self.artifact.sha256,
            "size_bytes": self.artifact.size_bytes,
            "recipe": self.recipe.to_dict(),
            "configuration": self.configuration,
            "drop": self.drop.to_dict() if self.drop else None,
            "rough_ms": self.rough_ms,
            "peak_bytes": self.peak_bytes,
            "snr_db": snr_db(self.noise),
            "problem": self.problem,
        }


@dataclass(frozen=True)
class SearchStep:
    """One decision of the search: what was tried, and what it brought."""

    stage: str
    what: str
    found: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass
class SearchState:
    """What the search knows so far; complete when it ends, and usable when it is interrupted."""

    tried: list[SearchCandidate] = field(default_factory=list)
    path: list[SearchStep] = field(default_factory=list)
    costs: dict[str, list[LayerCost]] = field(default_factory=dict)
    """For each format and runtime where int8 lost too much, the layers, the costliest first."""
    validations: dict[str, int] = field(default_factory=dict)
    """Passes over all samples of the search, for each format and runtime."""


def snr_db(noise: float | None) -> float | None:
    """Decibels of a noise-to-signal ratio; None for no noise at all, or an unknown one."""
    return -10 * log10(noise) if noise and np.isfinite(noise) else None

"""Further measurements of a loaded model after the timed loop: one file a pass.

A pass is a function from a Context to a JSON-ready dict; it runs in the worker process after
the timed loop, so that nothing it does can disturb a sample. Its answer lies in the results as
`runs[].passes[name]`. A pass needs numpy and the runtime alone.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from edgecnn.benchmarking.protocol import Protocol
from edgecnn.errors import EdgeCNNError
from edgecnn.registry import unknown_name
from edgecnn.results.run_options import Load, RuntimeOptions
from edgecnn.runtimes.base import Session

if TYPE_CHECKING:
    from edgecnn.benchmarking.loop.encoded_samples import EncodedSamples

PASSES: Mapping[str, str] = {
    "response": "edgecnn.benchmarking.passes.response:find",
    "synchrony": "edgecnn.benchmarking.passes.synchrony:find",
    "memory": "edgecnn.benchmarking.passes.memory:find",
    "stages": "edgecnn.benchmarking.passes.stages:find",
    "loadgen": "edgecnn.benchmarking.passes.loadgen:find",
    "energy": "edgecnn.benchmarking.passes.energy:find",
    "cost": "edgecnn.benchmarking.passes.cost:find",
    "sequence": "edgecnn.benchmarking.passes.sequence:find",
    "ops": "edgecnn.benchmarking.passes.ops:find",
    "sustained": "edgecnn.benchmarking.passes.sustained:find",
}
NAMED = ("loadgen", "ops", "sustained")
"""Passes that run only when requested by name."""


@dataclass(frozen=True)
class Context:
    """The loaded model: `invocations` are bound to distinct inputs and ready to be called.

    `samples` holds one array (n, …) of real-valued samples, channels last, for each input.
    """

    session: Session
    invocations: Sequence[Callable[[], Any]]
    samples: Sequence[npt.NDArray[Any]]
    options: RuntimeOptions
    protocol: Protocol
    path: Path
    runtime: str
    device: str
    tensors: Sequence[Sequence[npt.NDArray[Any]]]
    """What the invocations are bound to: for each the inputs, in the model's own form."""
    streams: Sequence[Sequence[Callable[[], Any]]] = ()
    """The invocations of each parallel session; `streams[0]` is `invocations`."""
    queries: Mapping[str, Any] = field(default_factory=dict)
    """What the scenario reported about its queries (`Run.queries`)."""
    load: Load = field(default_factory=Load)
    """How requests arrived while the row was measured."""
    raw: EncodedSamples | None = None
    """Samples before preprocessing, where there are real ones."""
    fed: str = ""
    """What synthetic samples are, in words ("noise 0…1")."""
    deadline: float = inf
    """Moment of the monotonic clock by which the row's budget is spent: a pass looks at it after
    every inference. Passes that somebody asked for by name take their own time."""

    def seconds(self, most: float) -> float:
        """Seconds that a pass may take: `most`, or what is left of the row's budget."""
        return max(0.0, min(most, self.deadline - time.monotonic()))


def make(name: str, context: Context) -> dict[str, Any]:
    """Make one pass; a clear failure is part of the answer, as `error` and `hint`."""
    module, _, attribute = PASSES[name].partition(":")
    find = getattr(importlib.import_module(module), attribute)
    try:
        answer: dict[str, Any] = find(context)
    except EdgeCNNError as error:
        return {"error": error.message, "hint": error.hint or None}
    return answer


def check(names: Sequence[str]) -> None:
    """Raise InputError for a pass nobody wrote."""
    for name in names:
        if name not in PASSES:
            raise unknown_name("pass", name, PASSES)

"""Options of a row: runtime, placement of the process, and load.

A runtime sees its own part alone. Results of schemas 1 to 3 kept all three as one; `apart` takes
them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from edgecnn.results.foreign_text import make_harmless


@dataclass(frozen=True)
class RuntimeOptions:
    """How a runtime is asked to run. `precision` is "default" or "strict_float32"."""

    threads: int = 1
    batch: int = 1
    precision: str = "default"
    shape: str = ""
    """Sizes for what a model leaves open, as in "1x224x224x3" (see `runtimes.shapes`)."""
    beam: int = 0
    """Hypotheses that a sequence model follows; 1 is greedy, 0 is what the model ships with."""

    def __post_init__(self) -> None:
        make_harmless(self, "precision")


@dataclass(frozen=True)
class Placement:
    """Where the process runs.

    `affinity` names the cores it is pinned to before the runtime is loaded; empty leaves placing
    to the operating system, as for an application: on a board with cores of two sizes, choosing
    some decides the number.
    """

    affinity: tuple[int, ...] = ()


@dataclass(frozen=True)
class Load:
    """How requests arrive: `scenario` and `streams` are explained in `benchmarking.loop.scenarios`;
    `target_qps` 0 looks for the highest rate within the bound.
    """

    scenario: str = "single_stream"
    streams: int = 1
    target_qps: float = 0.0
    latency_bound_ms: float = 15.0
    """Of the server scenario; 15 ms is MLPerf Inference's bound for ResNet-50."""

    def __post_init__(self) -> None:
        make_harmless(self, "scenario")


def apart(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row as JSON in which the placement and the load are not part of `options` any more.

    A row that has them by themselves is returned as it is.
    """
    options = values.get("options")
    if not isinstance(options, Mapping):
        return values
    moved: dict[str, Any] = {}
    for name, kind in (("placement", Placement), ("load", Load)):
        own = {field.name for field in fields(kind)} & options.keys()
        if own and name not in values:
            moved[name] = {key: options[key] for key in own}
    if not moved:
        return values
    rest = {
        key: value for key, value in options.items() if not any(key in m for m in moved.values())
    }
    return {**values, **moved, "options": rest}

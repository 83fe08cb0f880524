"""Output problems visible without ground truth: not finite, or constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.results import Measurement


@dataclass(frozen=True)
class OutputHealth:
    """What can be seen of outputs without knowing the right answers."""

    finite: bool
    constant: bool

    @classmethod
    def of(cls, outputs: Sequence[npt.NDArray[Any]]) -> OutputHealth:
        """Look at all outputs, each (n, …); constant when none of them ever changes."""
        constant = bool(outputs) and all(
            len(array) > 1 and bool((array == array[0]).all()) for array in outputs
        )
        finite = all(
            bool(np.isfinite(array).all())
            for array in outputs
            if np.issubdtype(array.dtype, np.floating)
        )
        return cls(finite, constant)


def unhealthy(measurement: Measurement, health: OutputHealth) -> Iterator[str]:
    """Outputs that cannot be right, as far as what was fed can show it."""
    response = measurement.pass_result("response") or {}
    synthetic = response.get("real") is False
    if not health.finite:
        where = f" on {response['fed']}" if synthetic else ""
        more = ", or pass --data" if synthetic else ""
        yield (
            f"outputs contain NaN or infinity{where}: use another recipe, or normalize the "
            f"inputs{more}"
        )
    elif health.constant and not response:
        yield (
            "the output is the same for every input: the model answers a constant, or this "
            "runtime does not compute the file; pass --data and another runtime to find out"
        )
    elif health.constant and not synthetic and response.get("inputs_differ", True):
        yield (
            "the output is the same for every sample of the data: the model answers a constant; "
            "measure it on another runtime: where it answers, this one does not compute the "
            "file, elsewhere its calibration or its preprocessing is wrong"
        )
    elif health.constant and synthetic and not response.get("varies_with"):
        tried = ", ".join((response["fed"], *response.get("tried", ())))
        yield (
            f"the output is the same for every synthetic input ({tried}): it may not "
            "depend on the input; pass --data to find out"
        )


def undecided(measurement: Measurement, health: OutputHealth) -> Iterator[str]:
    """What was fed shows too little."""
    response = measurement.pass_result("response") or {}
    if not health.constant or not health.finite:
        return
    if response.get("real") and not response.get("inputs_differ", True):
        yield (
            "all samples of the data set are identical, and so is the output: use different "
            "samples to see whether the output depends on the input"
        )
    elif response.get("varies_with"):
        yield (
            f"the output is constant on {response['fed']} and not on {response['varies_with']}: "
            "the model expects another range; pass --data to measure it on real inputs"
        )

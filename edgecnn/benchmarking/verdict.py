"""Whether a number can be defended: VALID, NOISY or INVALID, with the reasons in words.

INVALID means that the row does not measure what its name says; NOISY that it does, but that the
machine was too restless to tell how fast it is to the promised precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Measurement, Run, Verdict

OTHER_CPUS = 0.25
STEAL_FRACTION = 0.02
FREQUENCY_DRIFT = 0.05


@dataclass(frozen=True)
class OutputHealth:
    """What can be seen of outputs without knowing the right answers."""

    finite: bool
    constant: bool

    @classmethod
    def of(cls, outputs: npt.NDArray[Any]) -> OutputHealth:
        """Look at all outputs (n, …)."""
        if not np.issubdtype(outputs.dtype, np.floating):
            return cls(True, len(outputs) > 1 and bool((outputs == outputs[0]).all()))
        finite = bool(np.isfinite(outputs).all())
        constant = len(outputs) > 1 and bool((outputs == outputs[0]).all())
        return cls(finite, constant)


def judge(measurement: Measurement, protocol: Protocol, health: OutputHealth | None) -> Measurement:
    """The measurement with its verdict and reasons; rows that were not measured get none."""
    if measurement.status != "ok" or not measurement.runs:
        return replace(measurement, verdict=None, reasons=())
    invalid = [*_misnamed(measurement), *(_unhealthy(health) if health else ())]
    noisy = list(_restless(measurement, protocol))
    verdict: Verdict = "INVALID" if invalid else "NOISY" if noisy else "VALID"
    return replace(measurement, verdict=verdict, reasons=(*invalid, *noisy))


def _misnamed(measurement: Measurement) -> Iterator[str]:
    effective = measurement.effective
    if effective is None or measurement.device == "cpu":
        return
    if effective.software:
        yield (
            f"the device is emulated in software ({effective.device_name}): this is the speed of "
            f"the CPU, not of a {measurement.device}"
        )
    share = effective.delegated_fraction
    if share is not None and share < 1:
        yield (
            f"partial delegation: {1 - share:.0%} of the nodes ran outside {effective.provider}, "
            "on the CPU"
        )


def _unhealthy(health: OutputHealth) -> Iterator[str]:
    if not health.finite:
        yield "outputs contain NaN or infinity"
    elif health.constant:
        yield "the output is the same for every input: the model answers a constant"


def _restless(measurement: Measurement, protocol: Protocol) -> Iterator[str]:
    latency = measurement.latency
    assert latency is not None
    if len(measurement.runs) < protocol.processes:
        yield f"interrupted: {len(measurement.runs)} of {protocol.processes} processes measured"
    fewest = min(len(run.samples_ns) for run in measurement.runs)
    if fewest < protocol.min_runs:
        yield (
            f"only {fewest} of {protocol.min_runs} samples in the budget: raise --max-secs to "
            f"{ceil(protocol.min_runs * latency.p50 / 1e3) + 1}"
        )
    spread = latency.relative_spread
    if spread is not None and spread > 2 * protocol.target_interval:
        more = ceil(len(measurement.runs) * (spread / protocol.target_interval) ** 2)
        what = f"{more} processes" if len(measurement.runs) > 2 else "more samples"
        yield (
            f"spread: the median is known to ±{spread:.1%} only, ±{protocol.target_interval:.0%} "
            f"was asked; {what} would do"
        )
    yield from _disturbed(measurement.runs)


def _disturbed(runs: tuple[Run, ...]) -> Iterator[str]:
    steal = _worst(runs, "steal_fraction")
    if steal > STEAL_FRACTION:
        yield f"the hypervisor took {steal:.1%} of a processor away (steal): use a quieter host"
    others = _worst(runs, "other_cpus")
    if others > OTHER_CPUS:
        yield f"other processes kept {others:.1f} processors busy: stop them and measure again"
    drift = max((_drift(run.machine.get("frequency_mhz")) for run in runs), default=0.0)
    if drift > FREQUENCY_DRIFT:
        yield f"the clock frequency moved by {drift:.0%}: set the governor to performance"


def _worst(runs: tuple[Run, ...], name: str) -> float:
    return max((run.machine.get(name) or 0.0 for run in runs), default=0.0)


def _drift(readings: Any) -> float:
    if not readings or None in readings or min(readings) <= 0:
        return 0.0
    return float(max(readings) / min(readings) - 1)

"""Whether a number can be defended: VALID, NOISY or INVALID, with the reasons in words.

INVALID means that the row does not measure what its name says; NOISY that it does, but that the
machine was too restless to measure how fast it is to the promised precision. A VALID row may carry
reasons too: things to know before relying on it. Every reason says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking import noise
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.queueing import QUANTILE
from edgecnn.benchmarking.quota_verdict import stopped_by_quota
from edgecnn.data.seen import Seen
from edgecnn.evaluation.parity_words import cannot_tell, concerns, lost
from edgecnn.feeding.choice import HINT
from edgecnn.proof import proves_nothing
from edgecnn.results import Effective, Measurement, Run, Verdict
from edgecnn.stats import minimum_samples

MORE_CPUS_THAN_THREADS = 0.5
ACCURACY_COLLAPSE = 0.05
LEAK_BYTES_PER_INFERENCE = 1_024
READ_NS_PER_BYTE = 1.0
LONGEST_READ_NS = 100_000
REDUCED = ("bfloat16", "float16")
WORTH_TELLING = 0.05
"""Share of the time with a neighbor that is mentioned."""


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


def judge(
    measurement: Measurement, protocol: Protocol, health: OutputHealth | None = None
) -> Measurement:
    """The measurement with its verdict and reasons; rows that were not measured get none."""
    if measurement.status != "ok" or not measurement.runs or measurement.latency is None:
        return replace(measurement, verdict=None, reasons=())
    invalid = [
        *_misnamed(measurement),
        *_asynchronous(measurement),
        *(_unhealthy(measurement, health) if health else ()),
        *_inaccurate(measurement),
        *_throttled(measurement.runs),
        *stopped_by_quota(measurement.runs, often=True),
        *_overrun(measurement),
    ]
    noisy = [
        *_seldom_overrun(measurement),
        *stopped_by_quota(measurement.runs, often=False),
        *noise.uncertain(measurement, protocol),
        *noise.disturbed(measurement.runs, measurement.options.threads),
    ]
    verdict: Verdict = "INVALID" if invalid else "NOISY" if noisy else "VALID"
    undecided = _undecided(measurement, health) if health else ()
    reasons = (*invalid, *noisy, *undecided, *_worth_knowing(measurement))
    return replace(measurement, verdict=verdict, reasons=reasons)


def _misnamed(measurement: Measurement) -> Iterator[str]:
    """The row ran on something else than its name says."""
    effective, options = measurement.effective, measurement.options
    if effective is None:
        return
    if effective.software and measurement.device != "cpu":
        yield (
            f"the device is emulated in software ({effective.device_name}): this is the speed of "
            f"the CPU, not of a {measurement.device}; run it where the device is real"
        )
    share = effective.delegated_fraction
    if share is not None and share < 1 and measurement.device != "cpu":
        yield (
            f"partial delegation: {1 - share:.0%} of the nodes ran outside {effective.provider}, "
            f"on the CPU; change the operators it lacks, or compare it with a CPU row"
        )
    if options.precision == "strict_float32" and effective.precision in REDUCED:
        yield f"--strict-float32 was given, but {effective.precision} was computed"
    own = max((run.machine.get("own_cpus") or 0.0 for run in measurement.runs), default=0.0)
    if measurement.device == "cpu" and own > options.threads + MORE_CPUS_THAN_THREADS:
        yield (
            f"{own:.1f} processors were busy where {options.threads} "
            f"{'thread was' if options.threads == 1 else 'threads were'} asked for: the runtime "
            "ignores the limit; compare it with rows of as many threads"
        )


def _asynchronous(measurement: Measurement) -> Iterator[str]:
    found = measurement.pass_result("synchrony")
    if not found or "error" in found:
        return
    call_ms, read_ms = found["call_ns"] / 1e6, found["read_ns"] / 1e6
    expected_ns = LONGEST_READ_NS + READ_NS_PER_BYTE * found["output_bytes"]
    if found["changed_later"]:
        yield (
            f"asynchronous return: the outputs still changed after the call came back in "
            f"{call_ms:.3g} ms; the runtime must wait for the device"
        )
    elif found["read_ns"] > max(expected_ns, found["call_ns"]):
        yield (
            f"asynchronous return: the call came back in {call_ms:.3g} ms, the result was there "
            f"{read_ms:.3g} ms later; the runtime must wait for the device"
        )


def _unhealthy(measurement: Measurement, health: OutputHealth) -> Iterator[str]:
    """Outputs that cannot be right, as far as what was fed can show it."""
    response = measurement.pass_result("response") or {}
    synthetic = response.get("real") is False
    if not health.finite:
        where = f" on {response['fed']}" if synthetic else ""
        more = ", or give --data" if synthetic else ""
        yield (
            f"outputs contain NaN or infinity{where}: use another recipe, or normalize the "
            f"inputs{more}"
        )
    elif health.constant and not response:
        yield (
            "the output is the same for every input: the model answers a constant, or this "
            "runtime does not compute the file; give --data and another runtime to decide"
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
            f"the output is the same for every synthetic input ({tried}): nothing shows that the "
            "model answers to its input; give --data to decide whether it answers a constant"
        )


def _undecided(measurement: Measurement, health: OutputHealth) -> Iterator[str]:
    """What was fed shows too little."""
    response = measurement.pass_result("response") or {}
    if not health.constant or not health.finite:
        return
    if response.get("real") and not response.get("inputs_differ", True):
        yield (
            "all samples of the data are the same, and so is the output: give data that differ "
            "to see whether the model answers to them"
        )
    elif response.get("varies_with"):
        yield (
            f"the output is constant on {response['fed']} and not on {response['varies_with']}: "
            "the model expects another range; give --data to measure it on real inputs"
        )


def _inaccurate(measurement: Measurement) -> Iterator[str]:
    accuracy = measurement.accuracy
    if accuracy is not None and accuracy.trained_on:
        yield Seen(accuracy.trained_on, accuracy.n, accuracy.trained_on_exactly).sentence
    if accuracy is None or accuracy.ci95 is None:
        return
    if _collapsed(accuracy.ci95[1], accuracy.parent_value):
        yield (
            f"accuracy collapse: {accuracy.value:.1%} where the float parent has "
            f"{accuracy.parent_value:.1%} on the same {accuracy.n} samples: check the calibration "
            "data and the runtime"
        )
    elif _collapsed(accuracy.ci95[1], accuracy.trained_value):
        yield (
            f"accuracy collapse: {accuracy.value:.1%} where training measured "
            f"{accuracy.trained_value:.1%} on the same data: the preprocessing differs from the "
            "one in training"
        )


def _collapsed(upper: float, reference: float | None) -> bool:
    return reference is not None and upper < reference - ACCURACY_COLLAPSE


def _throttled(runs: tuple[Run, ...]) -> Iterator[str]:
    throttled = [run for run in runs if run.machine.get("throttled")]
    if throttled:
        told = {name for run in throttled for name in run.machine.get("throttled_by") or ()}
        which = f" ({', '.join(sorted(told))})" if told else ""
        yield (
            f"the processor was throttled while measuring{which}: improve its cooling or its "
            "power supply"
        )


def _overrun(measurement: Measurement) -> Iterator[str]:
    """A server that does not keep its bound has no rate: the headline would be none."""
    broken, bound_ms = _broken_bounds(measurement.runs), measurement.load.latency_bound_ms
    if not broken or 2 * len(broken) < len(measurement.runs):
        return
    last = broken[-1]
    rate = last.get("target_qps")
    way = "offer fewer (--target-qps) or" if rate else "take a faster model or runtime, or"
    yield (
        f"the latency bound of {bound_ms:g} ms does not hold: {last['reason']}"
        f"{f' at {rate:.3g} queries a second' if rate else ''}; {way} allow more (--latency-bound)"
    )


def _seldom_overrun(measurement: Measurement) -> Iterator[str]:
    """The bound held in most processes, or there were too few queries to decide."""
    runs = measurement.runs
    broken = _broken_bounds(runs)
    if broken and 2 * len(broken) < len(runs):
        yield (
            f"the latency bound held in {len(runs) - len(broken)} of {len(runs)} processes only: "
            "the rate is at the edge of what this machine can answer; offer fewer (--target-qps)"
        )
    untold = [run.queries for run in runs if _is_untold(run.queries)]
    if untold:
        secs = (
            ceil(max(minimum_samples(QUANTILE) / queries["target_qps"] for queries in untold)) + 1
        )
        yield (
            f"whether the latency bound holds is not known: {untold[-1]['reason']}; "
            f"raise --max-secs to {secs}"
        )


def _broken_bounds(runs: tuple[Run, ...]) -> list[Mapping[str, Any]]:
    failed = [run.queries for run in runs if run.queries.get("valid") is False]
    return [queries for queries in failed if not _is_untold(queries)]


def _is_untold(queries: Mapping[str, Any]) -> bool:
    """Queries were offered, too few for the percentile that the bound speaks of."""
    offered = queries.get("valid") is False and bool(queries.get("target_qps"))
    return offered and queries.get("p99_ns") is None


def _worth_knowing(measurement: Measurement) -> Iterator[str]:
    """What does not spoil the number but must be reported with it."""
    fed = measurement.fed
    if fed is not None and not fed.known:
        yield f"accuracy is not measured: {fed.unscored or f'{fed.because}; {HINT}'}"
    elif fed is not None and (fed.conflict or fed.unscored):
        yield fed.sentence
    contention = measurement.contention
    if contention is not None and WORTH_TELLING < contention.share < 1:
        yield (
            f"a neighbor shared the core in {contention.share:.0%} of the time: "
            f"{contention.p50_ms:.3g} ms then"
        )
    effective = measurement.effective
    if effective is not None:
        yield from effective.details.get("assumed", ())
        yield from _less_than_it_seems(measurement, effective)
    yield from _proving_little(measurement)
    memory = measurement.pass_result("memory")
    if memory and memory.get("inferences"):
        leaked = memory["growth_second_half_bytes"] / (memory["inferences"] / 2)
        if leaked > LEAK_BYTES_PER_INFERENCE:
            yield (
                f"memory grows by {leaked / 1024:.0f} KiB with each inference and does not stop: "
                "the runtime leaks memory"
            )


def _proving_little(measurement: Measurement) -> Iterator[str]:
    """Accuracy and parity that show less than their numbers seem to."""
    accuracy, parity = measurement.accuracy, measurement.parity
    if accuracy is not None and (nothing := proves_nothing(accuracy, "this row")):
        yield f"{nothing}; check the data, the labels and the preprocessing"
    step = accuracy.further.get("score_step") if accuracy is not None else None
    if accuracy is not None and isinstance(step, (int, float)):
        best = accuracy.further.get("highest_score")
        left = f", the highest is {best:.3g}" if isinstance(best, (int, float)) else ""
        yield (
            f"boxes and scores share one quantized output with a step of {step:.3g}: scores of 0…1 "
            f"are lost in it{left}; keep that output in float, or give the two outputs of their own"
        )
    if parity is not None:
        yield from concerns(parity) if accuracy is None else lost(parity)
        nothing = cannot_tell(parity)
        if accuracy is not None and nothing:
            yield nothing


def _on_the_slow_path(provider: str, share: float) -> str:
    """How much of a CPU row does not run where the runtime is fast. Both interpreters of .tflite
    files have XNNPACK for that, and kernels of their own for what it does not take.
    """
    if share == 0 and provider == "TFLite kernels":
        return (
            "XNNPACK, the fast path for .tflite files on a CPU, runs none of the operators: all "
            "run in TFLite's own, slower kernels; try litert:cpu, or another recipe"
        )
    if provider == "XNNPACK":
        return (
            f"XNNPACK, the fast path for .tflite files on a CPU, does not run {1 - share:.0%} of "
            "the operators: they run in TFLite's own, slower kernels"
        )
    return f"{1 - share:.0%} of the operators do not run in {provider}, but in slower code"


def _less_than_it_seems(measurement: Measurement, effective: Effective) -> Iterator[str]:
    recipe, precision = measurement.artifact.recipe, effective.precision
    if recipe == "float32" and precision in REDUCED:
        yield (
            f"computed in {precision} although the file is float32: compare it with {precision} "
            "rows, or give --strict-float32"
        )
    share = effective.delegated_fraction
    if share is not None and share < 1 and measurement.device == "cpu":
        yield _on_the_slow_path(effective.provider, share)

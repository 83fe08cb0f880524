"""Execution mismatches: another device, another precision or more threads than the row says."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.benchmarking.loop.scenarios import sessions_needed
from edgecnn.results import Effective, Measurement

MORE_CPUS_THAN_THREADS = 0.5
REDUCED = ("bfloat16", "float16")
CPU_PROVIDER = "CPUExecutionProvider"


def execution_mismatches(measurement: Measurement) -> Iterator[str]:
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
            f"{_elsewhere(effective)}; change the operators it lacks, or compare it with a row "
            "that runs there"
        )
    if options.precision == "strict_float32" and effective.precision in REDUCED:
        yield f"--strict-float32 was given, but {effective.precision} was computed"
    own = max((run.machine.get("own_cpus") or 0.0 for run in measurement.runs), default=0.0)
    sessions = sessions_needed(measurement.load)
    if measurement.device == "cpu" and own > options.threads * sessions + MORE_CPUS_THAN_THREADS:
        asked = "1 thread was" if options.threads == 1 else f"{options.threads} threads were"
        if sessions > 1:
            asked = f"{options.threads} × {sessions} threads (--threads × --streams) were"
        yield (
            f"{own:.1f} processors were busy where {asked} asked for: the runtime ignores the "
            "limit; compare it with rows of as many threads"
        )


def _elsewhere(effective: Effective) -> str:
    """Where the nodes outside of the provider ran; runtimes without a second accelerator say
    nothing, and theirs ran on the CPU.
    """
    nodes = effective.details.get("nodes_elsewhere") or {}
    if len(nodes) > 1:
        return "in " + " and ".join(f"{name} ({count})" for name, count in sorted(nodes.items()))
    name = next(iter(nodes), CPU_PROVIDER)
    return "on the CPU" if name == CPU_PROVIDER else f"in {name}"


def assumptions(measurement: Measurement) -> Iterator[str]:
    """What could not be known before the measurement and was assumed."""
    if measurement.effective is not None:
        yield from measurement.effective.details.get("assumed", ())


def overflow_reasons(measurement: Measurement) -> Iterator[str]:
    """Sums of int8 products in fewer bits than they need."""
    if measurement.effective is not None and measurement.effective.details.get("int8_sums"):
        yield (
            "int8 sums may overflow: this processor has no VNNI, and "
            f"{measurement.runtime} adds products in 16 bits; trust this row's own accuracy alone, "
            "or take another runtime"
        )


def partly_accelerated(measurement: Measurement) -> Iterator[str]:
    """A reduced precision that the recipe does not name, or operators off the fast path."""
    effective = measurement.effective
    if effective is None:
        return
    recipe, precision = measurement.artifact.recipe, effective.precision
    if recipe == "float32" and precision in REDUCED:
        yield (
            f"computed in {precision} although the file is float32: compare it with {precision} "
            "rows, or pass --strict-float32"
        )
    share = effective.delegated_fraction
    if share is not None and share < 1 and measurement.device == "cpu":
        yield _slow_path(effective.provider, share)


def _slow_path(provider: str, share: float) -> str:
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

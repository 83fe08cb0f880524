"""Results → rows, whose texts are bounded: no renderer has to think of a megabyte of name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.analysis.baselines import with_baselines, with_pairs
from edgecnn.analysis.lineage import lineages, model_names
from edgecnn.analysis.pairing import times_of
from edgecnn.analysis.row import (
    QUANTILES,
    ContendedLatency,
    Correctness,
    Execution,
    InferenceCost,
    Memory,
    Provenance,
    Row,
    SequenceSteps,
    Speed,
    Startup,
)
from edgecnn.results import Effective, Measurement, Results
from edgecnn.results.chance_level import uninformative_reason
from edgecnn.results.repeat import repeat_command
from edgecnn.roofline import limit_of
from edgecnn.statistics.interval import Interval
from edgecnn.statistics.samples import median_of_processes_interval, percentile_of_sorted
from edgecnn.text import MESSAGE_LENGTH, clean, fitted, printable

OPERATORS = 5

ADVICE = {
    "NOISY": "Close what else runs on this machine and measure again with --profile rigorous.",
    "INVALID": "Do not use these numbers: remove the cause named here and measure again.",
    "unsupported": "Run edgecnn doctor on this machine to see what is missing.",
    "failed": "Run this row's command with --debug to see where it failed.",
    "timeout": "Give it more time with --max-secs, or take a smaller model.",
    "crashed": "The runtime died with this model: run this row's command alone, or update it.",
}


def collect(results: Sequence[Results]) -> list[Row]:
    """All measurements of all files as rows, in their order, with baselines worked out."""
    labels = machine_labels(results)
    measurements = [row for result in results for row in result.measurements]
    keys = lineages(measurements)
    models = model_names(measurements, keys)
    rows: list[Row] = []
    for machine, result in enumerate(results):
        for measurement in result.measurements:
            index = len(rows)
            row = _row(index, machine, labels[machine], measurement, result)
            rows.append(replace(row, model=models[index], lineage=keys[index]))
    return with_pairs(with_baselines(rows))


def machine_labels(results: Sequence[Results]) -> list[str]:
    """A short name for each file's machine; numbered where two would be the same."""
    names = []
    for result in results:
        machine = result.environment.machine
        candidates = (machine.get(key) for key in ("name", "board", "cpu_model"))
        names.append(fitted(next(filter(None, candidates), "this machine"), 60))
    return [
        name if names.count(name) == 1 else f"{name} #{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]


def _row(index: int, machine: int, label: str, measurement: Measurement, results: Results) -> Row:
    artifact, options, load = measurement.artifact, measurement.options, measurement.load
    server = load.scenario == "server"
    state = _state(measurement)
    words = [*measurement.reasons, *([measurement.error] if measurement.error else [])]
    return Row(
        id=index,
        machine=machine,
        machine_label=label,
        artifact=fitted(artifact.name),
        model=fitted(artifact.model or artifact.name.split(".")[0]),
        format=fitted(artifact.format, 20),
        recipe=fitted(artifact.recipe, 40),
        runtime=fitted(measurement.runtime, 60),
        device=fitted(measurement.device, 60),
        threads=options.threads,
        batch=options.batch,
        precision_asked=fitted(options.precision, 40),
        scenario=fitted(load.scenario, 20),
        streams=load.streams,
        affinity=fitted(",".join(map(str, measurement.placement.affinity)), 60),
        state=state,
        reason=fitted("; ".join(str(word) for word in words), MESSAGE_LENGTH),
        advice=fitted(measurement.hint or ADVICE.get(state, ""), MESSAGE_LENGTH),
        shape=clean(options.shape, MESSAGE_LENGTH),
        beam=options.beam,
        target_qps=_finite(load.target_qps) if server else None,
        latency_bound_ms=_finite(load.latency_bound_ms) if server else None,
        size=_finite(artifact.size_bytes) or None,
        provenance=Provenance(
            sha256=fitted(artifact.sha256, 64),
            command=reproduce(measurement, results),
            fed=fitted(_fed(measurement), MESSAGE_LENGTH),
        ),
        execution=_execution(measurement.effective),
        speed=_speed(measurement),
        contention=_contention(measurement),
        startup=_startup(measurement),
        memory=_memory(measurement),
        correctness=_correctness(measurement),
        cost=_cost(measurement, results),
        steps=_steps(measurement),
        times=times_of(measurement),
    )


def _execution(effective: Effective | None) -> Execution:
    if effective is None:
        return Execution()
    return Execution(
        provider=fitted(effective.provider, 80),
        precision=fitted(effective.precision, 40),
        device_name=fitted(effective.device_name, 120),
        runtime_version=fitted(effective.runtime_version, 40),
        delegated=_finite(effective.delegated_fraction),
        software=bool(effective.software),
    )


def _fed(measurement: Measurement) -> str:
    """What was fed, in a sentence; empty where an older file does not say it."""
    if measurement.fed is not None:
        return measurement.fed.sentence
    synthetic = (measurement.pass_result("response") or {}).get("fed")
    described = isinstance(synthetic, str) and synthetic != "data"
    return f"fed {synthetic}: no --data" if described else ""


def reproduce(measurement: Measurement, results: Results) -> str:
    """The shell command that measures this row again; empty where there is no model file."""
    words = repeat_command(measurement, results.repeat, results.protocol, results.data)
    return " ".join(shlex.quote(printable(word)) for word in words)


def _state(measurement: Measurement) -> str:
    if measurement.status != "ok":
        return fitted(measurement.status, 20)
    return fitted(measurement.verdict or "unjudged", 20)


def _startup(measurement: Measurement) -> Startup:
    runs = measurement.runs
    load, first = _finite(measurement.load_ms), _finite(measurement.first_inference_ms)
    if len(runs) < 2:
        return Startup(Interval(load), Interval(first))
    loads, firsts = [run.load_ns for run in runs], [run.first_inference_ns for run in runs]
    return Startup(
        Interval(load, min(loads) / 1e6, max(loads) / 1e6),
        Interval(first, min(firsts) / 1e6, max(firsts) / 1e6),
    )


def _memory(measurement: Measurement) -> Memory:
    peaks = [run.peak_bytes for run in measurement.runs if run.peak_bytes is not None]
    least = min(peaks, default=None) if len(measurement.runs) > 1 else None
    return Memory(
        Interval(_finite(measurement.memory["peak_rss_bytes"]), least),
        load_growth=_finite(measurement.memory["load_growth_bytes"]),
        leak=_finite(_mapping(measurement.pass_result("memory")).get("growth_bytes")),
    )


def _contention(measurement: Measurement) -> ContendedLatency:
    contention = measurement.contention
    if contention is None or measurement.latency is None:
        return ContendedLatency()
    return ContendedLatency(contention.share, contention.p50_ms, contention.p99_ms)


def _speed(measurement: Measurement) -> Speed:
    summary, runs = measurement.latency, measurement.runs
    end_to_end = _mapping(_mapping(measurement.stages_ms).get("end_to_end"))
    speed = Speed(
        processes=len(runs),
        sustained=_sustained(measurement),
        end_to_end=_finite(end_to_end.get("p50")),
    )
    if summary is None:
        return speed
    quiet = [run.quiet_ns for run in runs if run.quiet_ns.size]
    processes = [np.sort(samples) for samples in quiet or [run.all_ns for run in runs]]
    pooled = np.concatenate(processes) / 1e6
    return replace(
        speed,
        samples=summary.count,
        p50=Interval.around(summary.p50, summary.ci95),
        p90=_tail(processes, 0.90, summary.p90),
        p95=_tail(processes, 0.95, summary.p95),
        p99=_tail(processes, 0.99, summary.p99),
        mean=summary.mean,
        std=summary.std,
        minimum=summary.min,
        maximum=summary.max,
        outliers=summary.outliers,
        throughput=_finite(measurement.throughput_per_s),
        quantiles=tuple(float(value) for value in np.quantile(pooled, QUANTILES)),
    )


def _tail(
    processes: Sequence[npt.NDArray[np.int64]], share: float, value: float | None
) -> Interval:
    """A tail with the 95% interval from the same tail of each process (their samples in rising
    order); without one below three.

    Samples of one process would give a narrow interval of that process.
    """
    if value is None or len(processes) < 3:
        return Interval(value)
    own = [percentile_of_sorted(samples, share) for samples in processes]
    tails = [tail / 1e6 for tail in own if tail is not None]
    interval = median_of_processes_interval(tails)
    if interval is None:
        return Interval(value)
    return Interval(value, min(interval[0], value), max(interval[1], value))


def _sustained(measurement: Measurement) -> tuple[tuple[float, ...], ...]:
    names = ("minute", "p50_ms", "p90_ms", "temperature_c")
    buckets = _listed(_mapping(measurement.pass_result("sustained")).get("buckets"))
    return tuple(
        tuple(_nan(bucket.get(name)) for name in names) for bucket in map(_mapping, buckets)
    )


def _correctness(measurement: Measurement) -> Correctness:
    accuracy, parity = measurement.accuracy, measurement.parity
    correctness = Correctness()
    if accuracy:
        low, high = accuracy.ci95 or (None, None)
        correctness = Correctness(
            metric=fitted(accuracy.metric, 40),
            accuracy=Interval(_finite(accuracy.value), _finite(low), _finite(high)),
            accuracy_n=accuracy.n,
            unproven=fitted(uninformative_reason(accuracy, "the network") or "", MESSAGE_LENGTH),
            record=accuracy,
        )
    if parity:
        correctness = replace(
            correctness,
            cosine=_finite(parity.cosine),
            snr_db=_finite(parity.snr_db),
            agreement=_finite(parity.top1_agreement),
        )
    return correctness


def _cost(measurement: Measurement, results: Results) -> InferenceCost:
    """What only some results carry: further passes over the model, limits of the machine."""
    cost, energy, ops = (
        _mapping(measurement.pass_result(name)) for name in ("cost", "energy", "ops")
    )
    precision = measurement.effective.precision if measurement.effective else ""
    limits = results.environment.machine.get("limits")
    on_cpu = measurement.device == "cpu"
    limit = limit_of(limits, measurement.options.threads, precision) if on_cpu else None
    roofline = measurement.roofline(limits)
    operators = [_mapping(operator) for operator in _listed(ops.get("operators"))[:OPERATORS]]
    return InferenceCost(
        energy=_finite(energy.get("joules_per_inference")),
        macs=_finite(cost.get("macs")),
        moved=_finite(cost.get("bytes_moved")),
        operators=tuple(
            (fitted(operator.get("name") or operator.get("type") or "?", 80), share)
            for operator in operators
            if (share := _finite(operator.get("share"))) is not None
        ),
        peak_ops=limit.operations_per_s if limit else None,
        bandwidth=limit.bytes_per_s if limit else None,
        roof_share=roofline.share if roofline else None,
    )


def _steps(measurement: Measurement) -> SequenceSteps:
    sequence = _mapping(measurement.pass_result("sequence"))
    return SequenceSteps(
        encoder=_finite(_mapping(sequence.get("encoder_ms")).get("p50")),
        step=_finite(_mapping(sequence.get("step_ms")).get("p50")),
        ids_per_s=_finite(sequence.get("ids_per_s")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _finite(value: Any) -> float | None:
    """`value` as a finite number, None for anything else that a file may hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if isfinite(value) else None


def _nan(value: Any) -> float:
    finite = _finite(value)
    return float("nan") if finite is None else float(finite)

"""Results → rows. Text is cleaned here once (`text.clean`), so that no renderer can forget it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.proof import proves_nothing
from edgecnn.repeat import repeat_command
from edgecnn.reporting.baselines import with_baselines, with_pairs
from edgecnn.reporting.lineage import lineages, model_names
from edgecnn.reporting.pairing import times_of
from edgecnn.reporting.row import QUANTILES, Row
from edgecnn.reporting.text import MESSAGE_LENGTH, clean, harmless
from edgecnn.results import Measurement, Results
from edgecnn.roofline import limit_of
from edgecnn.stats import median_of_processes_interval, percentile

OPERATORS = 5

ADVICE = {
    "NOISY": "Close what else runs on this machine and measure again with --profile rigorous.",
    "INVALID": "Do not use these numbers: remove the cause named here and measure again.",
    "unsupported": "Run edgecnn doctor on this machine: it says what is missing.",
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
        known = (machine.get(key) for key in ("name", "board", "cpu_model"))
        names.append(clean(next(filter(None, known), "this machine"), 60))
    return [
        name if names.count(name) == 1 else f"{name} #{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]


def _row(index: int, machine: int, label: str, measurement: Measurement, results: Results) -> Row:
    artifact, options, effective = (
        measurement.artifact,
        measurement.options,
        measurement.effective,
    )
    state = _state(measurement)
    words = [*measurement.reasons, *([measurement.error] if measurement.error else [])]
    row = Row(
        id=index,
        machine=machine,
        machine_label=label,
        artifact=clean(artifact.name),
        model=clean(artifact.model or artifact.name.split(".")[0]),
        times=times_of(measurement),
        format=clean(artifact.format, 20),
        recipe=clean(artifact.recipe, 40),
        sha256=clean(artifact.sha256, 64),
        size=_finite(artifact.size_bytes) or None,
        runtime=clean(measurement.runtime, 60),
        device=clean(measurement.device, 60),
        threads=options.threads,
        batch=options.batch,
        precision_asked=clean(options.precision, 40),
        scenario=clean(measurement.load.scenario, 20),
        streams=measurement.load.streams,
        affinity=clean(",".join(map(str, measurement.placement.affinity)), 60),
        state=state,
        reason=clean("; ".join(str(word) for word in words), MESSAGE_LENGTH),
        advice=clean(measurement.hint or ADVICE.get(state, ""), MESSAGE_LENGTH),
        command=reproduce(measurement, results),
        processes=len(measurement.runs),
        fed=clean(_fed(measurement), MESSAGE_LENGTH),
    )
    if effective:
        row = replace(
            row,
            provider=clean(effective.provider, 80),
            precision=clean(effective.precision, 40),
            device_name=clean(effective.device_name, 120),
            runtime_version=clean(effective.runtime_version, 40),
            delegated=_finite(effective.delegated_fraction),
            software=bool(effective.software),
        )
    return replace(
        row, **_latency(measurement), **_quality(measurement), **_extras(measurement, results)
    )


def _fed(measurement: Measurement) -> str:
    """What was fed, in a sentence; empty where an older file does not say it."""
    if measurement.fed is not None:
        return measurement.fed.sentence
    synthetic = (measurement.pass_result("response") or {}).get("fed")
    known = isinstance(synthetic, str) and synthetic != "data"
    return f"fed {synthetic}: no data were given" if known else ""


def reproduce(measurement: Measurement, results: Results) -> str:
    """The shell command that measures this row again; empty where there is no model file."""
    words = repeat_command(measurement, results.repeat, results.protocol, results.data)
    return " ".join(shlex.quote(harmless(word)) for word in words)


def _state(measurement: Measurement) -> str:
    if measurement.status != "ok":
        return clean(measurement.status, 20)
    return clean(measurement.verdict or "unjudged", 20)


def _latency(measurement: Measurement) -> dict[str, Any]:
    summary = measurement.latency
    memory = measurement.memory
    values: dict[str, Any] = {
        "load": _finite(measurement.load_ms),
        "first": _finite(measurement.first_inference_ms),
        "peak_rss": _finite(memory["peak_rss_bytes"]),
        "load_growth": _finite(memory["load_growth_bytes"]),
    }
    runs = measurement.runs
    if len(runs) > 1:
        peaks = [run.rss_bytes["peak"] for run in runs if "peak" in run.rss_bytes]
        values |= {
            "load_low": min(run.load_ns for run in runs) / 1e6,
            "load_high": max(run.load_ns for run in runs) / 1e6,
            "first_low": min(run.first_inference_ns for run in runs) / 1e6,
            "first_high": max(run.first_inference_ns for run in runs) / 1e6,
            "peak_rss_low": min(peaks, default=None),
        }
    if summary is None:
        return values
    low, high = summary.ci95 or (None, None)
    contention = measurement.contention
    if contention is not None:
        values |= {
            "contended": contention.share,
            "contended_p50": contention.p50_ms,
            "contended_p99": contention.p99_ms,
        }
    quiet = [run.quiet_ns for run in runs if run.quiet_ns.size]
    processes = quiet or [np.asarray(run.samples_ns, np.int64) for run in runs]
    pooled = np.concatenate(processes) / 1e6
    for name, share in (("p90", 0.90), ("p95", 0.95), ("p99", 0.99)):
        tail = getattr(summary, name)
        if tail is not None:
            ends = _tail_interval(processes, share, tail)
            values[f"{name}_low"], values[f"{name}_high"] = ends
    return {
        **values,
        "samples": summary.count,
        "p50": summary.p50,
        "p50_low": low,
        "p50_high": high,
        "p90": summary.p90,
        "p95": summary.p95,
        "p99": summary.p99,
        "mean": summary.mean,
        "std": summary.std,
        "minimum": summary.min,
        "maximum": summary.max,
        "outliers": summary.outliers,
        "throughput": _finite(measurement.throughput_per_s),
        "quantiles": tuple(float(value) for value in np.quantile(pooled, QUANTILES)),
    }


def _tail_interval(
    processes: Sequence[npt.NDArray[np.int64]], share: float, value: float
) -> tuple[float | None, float | None]:
    """95% interval of a tail from the same tail of each process; None below three of them.

    Samples of one process would give a narrow interval of that process.
    """
    if len(processes) < 3:
        return None, None
    tails = [tail / 1e6 for one in processes if (tail := percentile(one, share)) is not None]
    interval = median_of_processes_interval(tails)
    if interval is None:
        return None, None
    return min(interval[0], value), max(interval[1], value)


def _quality(measurement: Measurement) -> dict[str, Any]:
    values: dict[str, Any] = {}
    accuracy, parity = measurement.accuracy, measurement.parity
    if accuracy:
        low, high = accuracy.ci95 or (None, None)
        values |= {
            "metric": clean(accuracy.metric, 40),
            "accuracy": _finite(accuracy.value),
            "accuracy_low": _finite(low),
            "accuracy_high": _finite(high),
            "accuracy_n": accuracy.n,
            "quality": accuracy,
            "unproven": clean(proves_nothing(accuracy, "the network") or "", MESSAGE_LENGTH),
        }
    if parity:
        values |= {
            "cosine": _finite(parity.cosine),
            "snr_db": _finite(parity.snr_db),
            "agreement": _finite(parity.top1_agreement),
        }
    return values


def _extras(measurement: Measurement, results: Results) -> dict[str, Any]:
    """What only some results carry: further passes over the model, limits of the machine."""
    cost, energy, memory, ops, sustained, sequence = (
        _mapping(measurement.pass_result(name))
        for name in ("cost", "energy", "memory", "ops", "sustained", "sequence")
    )
    precision = measurement.effective.precision if measurement.effective else ""
    limit = None
    if measurement.device == "cpu":
        limits = results.environment.machine.get("limits")
        limit = limit_of(limits, measurement.options.threads, precision)
    roofline = measurement.roofline(results.environment.machine.get("limits"))
    end_to_end = _mapping(_mapping(measurement.stages_ms).get("end_to_end"))
    buckets = [_mapping(bucket) for bucket in _listed(sustained.get("buckets"))]
    operators = [_mapping(operator) for operator in _listed(ops.get("operators"))[:OPERATORS]]
    return {
        "macs": _finite(cost.get("macs")),
        "moved": _finite(cost.get("bytes_moved")),
        "energy": _finite(energy.get("joules_per_inference")),
        "leak": _finite(memory.get("growth_bytes")),
        "end_to_end": _finite(end_to_end.get("p50")),
        "encoder": _finite(_mapping(sequence.get("encoder_ms")).get("p50")),
        "step": _finite(_mapping(sequence.get("step_ms")).get("p50")),
        "ids_per_s": _finite(sequence.get("ids_per_s")),
        "operators": tuple(
            (clean(operator.get("name") or operator.get("type") or "?", 80), share)
            for operator in operators
            if (share := _finite(operator.get("share"))) is not None
        ),
        "sustained": tuple(
            tuple(
                _nan(bucket.get(name)) for name in ("minute", "p50_ms", "p90_ms", "temperature_c")
            )
            for bucket in buckets
        ),
        "peak_ops": limit.operations_per_s if limit else None,
        "bandwidth": limit.bytes_per_s if limit else None,
        "roof_share": roofline.share if roofline else None,
    }


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

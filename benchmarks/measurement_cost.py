"""What a number costs: wall time until the median is known to ±1%.

python benchmarks/measurement_cost.py [--quick] [--only NAMES]
    →   benchmarks/results/measurement_cost.json, .md

edgecnn stops when it knows enough; others run for a fixed time or count. Each row is measured with
the profiles `quick` and `default` as a user would, and the raw samples of `default` show afterwards
when ±1% was reached first: by the interval of a single process, and by that of the headline, the
bootstrap over five processes. Start, load and warm-up of every process count.

OpenVINO's benchmark_app takes 60 s on a CPU by default (DEVICE_DURATION_IN_SECS in its
utils/constants.py; read from the installed package). It is run three times over, because one
process says nothing of how far the next one lies. Ultralytics' ProfileModels.profile_onnx_model
(ultralytics/utils/benchmarks.py, defaults num_timed_runs=100, num_warmup_runs=10, min_time=60)
makes 3 × 10 warm-up runs, then as many as fill 60 s by the last ten of them, and at least 100, and
gives their mean after sigma clipping: computed here from the measured latency.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from networks import RESULTS, model_file
from rivals import ask

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.machine import description as machine
from edgecnn.benchmarking.protocol import PROFILES
from edgecnn.results import Measurement
from edgecnn.statistics.interval import Bounds
from edgecnn.statistics.samples import Samples, median_interval, median_of_processes_interval

TARGET = 0.01
LEAST_SAMPLES = 64
"""As many as a p90 needs: no number is called known from fewer."""
GRID = 80
STUDENT_T = 2.776
"""97.5% of Student's t with four degrees of freedom: five processes."""
ULTRALYTICS = {"warm_up_runs": 30, "least_runs": 100, "least_secs": 60.0}
APP_MODEL = ("mobilenetv2", "tflite", "float32")
ROWS = (
    ("lenet5", "tflite", "float32", "litert"),
    ("mobilenetv2", "tflite", "static_int8", "litert"),
    ("mobilenetv2", "onnx", "float32", "onnxruntime"),
    (*APP_MODEL, "openvino"),
    ("resnet18", "tflite", "float32", "openvino"),
    ("resnet18", "onnx", "float32", "onnxruntime"),
)


def main() -> None:
    """Measure, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="benchmark_app for 2 s, not for 60")
    parser.add_argument("--only", default="", help="networks, comma-separated")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    began = time.perf_counter()
    document: dict[str, Any] = {
        "target": TARGET,
        "benchmark_app_default_secs": _benchmark_app_secs(),
        "benchmark_app": _benchmark_app(2.0 if arguments.quick else _benchmark_app_secs()),
        "ultralytics": ULTRALYTICS,
        "rows": [],
        "environment_before": asdict(machine.capture()),
    }
    for row in ROWS:
        if only and row[0] not in only:
            continue
        document["rows"].append(_row(*row))
        document["environment_after"] = asdict(machine.capture())
        document["wall_secs"] = time.perf_counter() - began
        _write(arguments.out, document)
    print(_page(document))


def _write(out: Path, document: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (out / "measurement_cost.json").write_text(text, encoding="utf-8")
    (out / "measurement_cost.md").write_text(_page(document), encoding="utf-8")


def _row(name: str, format_name: str, recipe: str, runtime: str) -> dict[str, Any]:
    path = model_file(name, format_name, recipe).resolve()
    quick, quick_secs = _measure(path, runtime, "quick")
    default, default_secs = _measure(path, runtime, "default")
    assert default.latency is not None
    processes = [np.asarray(run.samples_ns, np.int64) for run in default.runs]
    sampling_secs = sum(int(samples.sum()) for samples in processes) / 1e9
    around_secs = (default_secs - sampling_secs) / len(processes)
    medians = [float(np.median(samples)) / 1e6 for samples in processes]
    alone = [known for samples in processes if (known := _known_alone(samples)) is not None]
    together = _known_together(processes)
    latency = default.latency.p50 / 1e3
    return {
        "artifact": path.name,
        "runtime": f"{runtime}:cpu",
        "quick": {"wall_secs": quick_secs, **_summary(quick)},
        "default": {"wall_secs": default_secs, "process_medians_ms": medians, **_summary(default)},
        "around_a_process_secs": around_secs,
        "known_in_one_process_secs": (
            around_secs + statistics.median(alone) if len(alone) == len(processes) else None
        ),
        "known_over_processes_secs": (
            around_secs * len(processes) + together if together is not None else None
        ),
        "one_process_is_off_by": STUDENT_T * statistics.stdev(medians) / statistics.mean(medians),
        "benchmark_app_secs": _benchmark_app_secs(),
        "ultralytics_secs": latency * ULTRALYTICS["warm_up_runs"]
        + max(ULTRALYTICS["least_secs"], latency * ULTRALYTICS["least_runs"]),
    }


def _measure(path: Path, runtime: str, profile: str) -> tuple[Measurement, float]:
    """(the row, seconds it took). The machine's limits, once for each machine, stay out of it."""
    protocol = replace(PROFILES[profile], name=f"{profile}, cost")
    start = time.perf_counter()
    results = benchmark([path], [f"{runtime}:cpu"], protocol=protocol, passes=())
    wall_secs = time.perf_counter() - start
    (row,) = results.measurements
    if row.latency is None:
        raise SystemExit(f"{runtime} on {path.name}: {row.error}")
    return row, wall_secs


def _summary(row: Measurement) -> dict[str, Any]:
    assert row.latency is not None
    return {
        "processes": len(row.runs),
        "samples": row.latency.count,
        "half_width": row.latency.relative_spread,
        "verdict": row.verdict,
        "reasons": list(row.reasons),
        "other_cpus": max(run.machine.get("other_cpus") or 0.0 for run in row.runs),
    }


def _known_alone(samples: Samples) -> float | None:
    """Seconds of sampling until a process's own interval is within ±1%, as a run ends."""
    for count in _grid(samples.size):
        if _within(median_interval(samples[:count]), float(np.median(samples[:count]))):
            return float(samples[:count].sum()) / 1e9
    return None


def _known_together(processes: Sequence[Samples]) -> float | None:
    """Seconds of sampling, of all processes, from which on the headline's interval is within ±1%.

    Every process gives as many of its first samples; None when all of them do not suffice.
    """
    found = None
    for count in reversed(_grid(min(samples.size for samples in processes))):
        medians = [float(np.median(samples[:count])) for samples in processes]
        if not _within(median_of_processes_interval(medians), statistics.median(medians)):
            break
        found = sum(float(samples[:count].sum()) for samples in processes) / 1e9
    return found


def _grid(most: int) -> list[int]:
    """Rising counts of samples to look at, the last one all of them."""
    if most < LEAST_SAMPLES:
        return []
    return sorted({round(count) for count in np.geomspace(LEAST_SAMPLES, most, GRID)})


def _within(interval: Bounds | None, middle: float) -> bool:
    return interval is not None and (interval[1] - interval[0]) / 2 <= TARGET * middle


def _benchmark_app_secs() -> float:
    from openvino.tools.benchmark.utils.utils import get_duration_in_secs

    return float(get_duration_in_secs("CPU"))


def _benchmark_app(secs: float) -> dict[str, Any]:
    """benchmark_app three times over: what each run says, and how far the runs lie apart."""
    path = model_file(*APP_MODEL)
    start = time.perf_counter()
    runs = [ask("benchmark-app", path, 1, secs) for _ in range(3)]
    medians = [run["p50_ms"] for run in runs]
    return {
        "artifact": path.name,
        "secs": secs,
        "wall_secs": (time.perf_counter() - start) / len(runs),
        "p50_ms": medians,
        "half_width_in_a_run": max(run["half_width"] for run in runs),
        "half_range_of_runs": (max(medians) - min(medians)) / 2 / statistics.median(medians),
    }


def _page(document: dict[str, Any]) -> str:
    rows, app = document["rows"], document["benchmark_app"]
    busy = max(row[profile]["other_cpus"] for row in rows for profile in ("quick", "default"))
    fixed = document["benchmark_app_default_secs"]
    alone = [row["known_in_one_process_secs"] for row in rows]
    together = [row["known_over_processes_secs"] for row in rows]
    lines = [
        "# Cost: wall time until the median is known to ±1%",
        "",
        f"On {document['environment_before']['machine']['cpu_model']}; start, load and warm-up of "
        f"every process included; other processes kept {busy:.1f} processors busy at most. "
        f"benchmark_app runs for {fixed:.0f} s by default, Ultralytics fills 60 s after 30 warm-up "
        "runs: both in one process, and neither says how well it knows its number.",
        "",
        f"±1% by the interval of one process, which is all that a fixed count can claim, takes "
        f"less than {fixed:.0f} s in {_sooner(alone, fixed)} of {len(rows)} rows; by the interval "
        f"over five processes, which `default` gives, in {_sooner(together, fixed)}.",
        "",
        "| Model | ±1% in one process | ±1% over 5 processes | `quick` | `default` | "
        "One process is off by | benchmark_app | Ultralytics |",
        "|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        "`quick` (one process) and `default` (five): wall time, what they know the median to, and "
        "the verdict. *Off by*: within how much of the mean of all processes a single one lies, at "
        "95%, by the spread of the five medians. More samples of one process do not lower it; more "
        "processes do.",
        "",
        f"benchmark_app, {app['secs']:.0f} s three times on {app['artifact']} (one thread, "
        f"{app['wall_secs']:.0f} s of wall time each): "
        f"{', '.join(f'{value:.4g}' for value in app['p50_ms'])} ms. Each run alone knows its "
        f"median to ±{app['half_width_in_a_run']:.2%} by its own samples; the runs lie "
        f"±{app['half_range_of_runs']:.2%} apart.",
        "",
        "`python benchmarks/measurement_cost.py` makes this page and measurement_cost.json.",
        "",
    ]
    return "\n".join(lines)


def _sooner(secs: Sequence[float | None], fixed: float) -> int:
    return sum(value is not None and value < fixed for value in secs)


def _line(row: dict[str, Any]) -> str:
    def known(name: str) -> str:
        return "not reached" if row[name] is None else f"{row[name]:.1f} s"

    def profile(name: str) -> str:
        told = row[name]
        width = "?" if told["half_width"] is None else f"±{told['half_width']:.1%}"
        return f"{told['wall_secs']:.0f} s, {width}, {told['verdict']}"

    return (
        f"| {row['artifact']} on {row['runtime']} | {known('known_in_one_process_secs')} | "
        f"{known('known_over_processes_secs')} | {profile('quick')} | {profile('default')} | "
        f"±{row['one_process_is_off_by']:.1%} | {row['benchmark_app_secs']:.0f} s | "
        f"{row['ultralytics_secs']:.0f} s |"
    )


if __name__ == "__main__":
    main()

"""What a number costs: wall time until the median is known to ±1%.

python benchmarks/measurement_cost.py [--quick]   →   benchmarks/results/measurement_cost.json, .md

edgecnn stops when it knows enough; others run for a fixed time or count. OpenVINO's
benchmark_app takes 60 s on a CPU unless told otherwise (DEVICE_DURATION_IN_SECS in its
utils/constants.py; read from the installed package, and one run of it is timed). Ultralytics'
ProfileModels.profile_onnx_model (ultralytics/utils/benchmarks.py, defaults num_timed_runs=100,
num_warmup_runs=10, min_time=60) makes 3 × 10 warm-up runs, then as many as fill 60 s by the last
ten of them, and at least 100: computed here from the measured latency.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from networks import RESULTS, model_file

from edgecnn.benchmarking import machine
from edgecnn.benchmarking.process import run_worker
from edgecnn.benchmarking.protocol import PROFILES, Protocol
from edgecnn.benchmarking.session import benchmark
from edgecnn.benchmarking.steady import enough
from edgecnn.benchmarking.worker import Job

TARGET = 0.01
ULTRALYTICS = {"warm_up_runs": 30, "least_runs": 100, "least_secs": 60.0}
ROWS = (
    ("lenet5", "tflite", "float32", "litert"),
    ("mobilenetv2", "tflite", "static_int8", "litert"),
    ("mobilenetv2", "onnx", "float32", "onnxruntime"),
    ("resnet18", "tflite", "float32", "openvino"),
    ("resnet18", "onnx", "float32", "onnxruntime"),
)


def main() -> None:
    """Measure, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="do not time benchmark_app itself")
    quick = parser.parse_args().quick
    before = machine.capture()
    fixed_secs = _benchmark_app_secs()
    timed = None if quick else _time_benchmark_app(model_file("mobilenetv2", "tflite", "float32"))
    document: dict[str, Any] = {
        "target": TARGET,
        "benchmark_app_default_secs": fixed_secs,
        "benchmark_app_timed_secs": timed,
        "ultralytics": ULTRALYTICS,
        "rows": [],
        "environment_before": asdict(before),
    }
    for row in ROWS:
        document["rows"].append(_row(*row, fixed_secs=fixed_secs))
        document["environment_after"] = asdict(machine.capture())
        _write(document)
    print(_page(document))


def _write(document: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (RESULTS / "measurement_cost.json").write_text(text, encoding="utf-8")
    (RESULTS / "measurement_cost.md").write_text(_page(document), encoding="utf-8")


def _row(
    name: str, format_name: str, recipe: str, runtime: str, *, fixed_secs: float
) -> dict[str, Any]:
    path = model_file(name, format_name, recipe).resolve()
    # As short as ±1% allows: 64 samples (a p90), no least time, one process.
    shortest = Protocol("shortest", 1, 0.0, 64, 60.0, target_interval=TARGET)
    start = time.perf_counter()
    outcome = run_worker(Job(runtime, "cpu", path=str(path), protocol=shortest))
    one_process_secs = time.perf_counter() - start
    if outcome.run is None:
        raise SystemExit(f"{runtime} on {path.name}: {outcome.error}")
    samples = np.asarray(outcome.run.samples_ns, np.int64)
    reached = enough(samples, float(samples.sum()) / 1e9, shortest)
    start = time.perf_counter()
    row = benchmark([path], [f"{runtime}:cpu"], protocol=PROFILES["default"], passes=())
    default_secs = time.perf_counter() - start
    measured = row.measurements[0]
    assert measured.latency is not None
    latency = measured.latency.p50 / 1e3
    ultralytics = latency * ULTRALYTICS["warm_up_runs"] + max(
        ULTRALYTICS["least_secs"], latency * ULTRALYTICS["least_runs"]
    )
    return {
        "artifact": path.name,
        "runtime": f"{runtime}:cpu",
        "one_process": {
            "wall_secs": one_process_secs,
            "samples": int(samples.size),
            "sampling_secs": float(samples.sum()) / 1e9,
            "reached_target": bool(reached),
            "other_cpus": outcome.run.machine.get("other_cpus"),
        },
        "default_profile": {
            "wall_secs": default_secs,
            "processes": len(measured.runs),
            "samples": measured.latency.count,
            "relative_spread": measured.latency.relative_spread,
            "verdict": measured.verdict,
            "reasons": list(measured.reasons),
        },
        "benchmark_app_secs": fixed_secs,
        "ultralytics_secs": ultralytics,
    }


def _benchmark_app_secs() -> float:
    from openvino.tools.benchmark.utils.utils import get_duration_in_secs

    return float(get_duration_in_secs("CPU"))


def _time_benchmark_app(model: Path) -> float:
    """Wall time of benchmark_app as one types it."""
    tool = Path(sys.executable).with_name("benchmark_app")
    start = time.perf_counter()
    subprocess.run([tool, "-m", str(model), "-d", "CPU"], check=True, capture_output=True)
    return time.perf_counter() - start


def _page(document: dict[str, Any]) -> str:
    timed = document["benchmark_app_timed_secs"]
    said = f" (one run of it took {timed:.0f} s)" if timed else ""
    busy = [row["one_process"]["other_cpus"] or 0.0 for row in document["rows"]]
    lines = [
        "# Cost: wall time until the median is known to ±1%",
        "",
        f"On {document['environment_before']['machine']['cpu_model']}, start and load of every "
        f"process included; other processes kept {max(busy):.1f} processors busy at most. "
        f"benchmark_app runs for {document['benchmark_app_default_secs']:.0f} s "
        f"by default{said}; Ultralytics fills 60 s after 30 warm-up runs.",
        "",
        "| Model | ±1% in one process | `default`, 5 processes | benchmark_app | Ultralytics |",
        "|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        one, five = row["one_process"], row["default_profile"]
        reached = "" if one["reached_target"] else ", not reached"
        spread = five["relative_spread"]
        known = "?" if spread is None else f"±{spread:.1%}"
        lines.append(
            f"| {row['artifact']} on {row['runtime']} | {one['wall_secs']:.1f} s "
            f"({one['samples']} samples{reached}) | {five['wall_secs']:.0f} s ({known}, "
            f"{five['verdict']}) | {row['benchmark_app_secs']:.0f} s | "
            f"{row['ultralytics_secs']:.0f} s |"
        )
    lines += [
        "",
        "Neither of the other tools tells how well it knows its number; benchmark_app's 60 s and "
        "Ultralytics' come from one process.",
        "",
        "`python benchmarks/measurement_cost.py` makes this page and measurement_cost.json.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

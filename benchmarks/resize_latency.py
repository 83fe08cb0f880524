"""How long the shipped stop-sign networks take with tiles and with a resize, on every runtime.

    git worktree add /tmp/before 4390779
    python benchmarks/resize_latency.py --before /tmp/before/edgecnn/assets \
        --also small.ncnn.param small.mnn --out benchmarks/results/resize_latency.json

Both files of a pair are loaded in one process, one thread, and measured in turns, so that a busy
minute meets both. `--also` names further files, of which there is no version with tiles.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn import runtimes
from edgecnn.benchmarking.machine.description import capture
from edgecnn.formats.check import read_signature
from edgecnn.runtimes import reference_runtime
from edgecnn.runtimes.tensors import to_model
from edgecnn.system.places import ASSETS

ROUNDS = 5
SECONDS = 0.2
RUNTIMES = {".tflite": ("litert",), ".onnx": ("onnxruntime", "openvino", "opencv")}


def bound(path: Path, runtime: str) -> Callable[[], Any]:
    """An inference on noise, strict float32, one thread."""
    session = runtimes.load(path, f"{runtime}:cpu", threads=1, precision="strict_float32")
    spec = session.inputs[0]
    shape = tuple(size or 1 for size in spec.shape)
    image = np.random.default_rng(0).random(shape, np.float32)
    invoke = session.bind([to_model(image, spec) if spec.dtype != "float32" else image])
    for _ in range(3):
        invoke()
    return invoke


def medians(calls: dict[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """Of each call: median and best in milliseconds, measured in turns."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            end = time.perf_counter() + SECONDS
            while time.perf_counter() < end:
                started = time.perf_counter()
                call()
                samples[name].append((time.perf_counter() - started) * 1e3)
    return {
        name: {"median_ms": round(float(np.median(each)), 4), "best_ms": round(min(each), 4),
               "samples": len(each)}
        for name, each in samples.items()
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Tiles and resize.")
    parser.add_argument("--before", type=Path, required=True, help="the folder with the old files")
    parser.add_argument("--also", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pairs = [
        ({"tiles": options.before / path.name, "resize": path}, runtime)
        for path in sorted((*ASSETS.glob("*.tflite"), *ASSETS.glob("*.onnx")))
        for runtime in RUNTIMES[path.suffix]
    ]
    pairs += [({"resize": path}, reference_runtime(path)) for path in options.also]
    rows = []
    for files, runtime in pairs:
        row: dict[str, Any] = {"file": files["resize"].name, "runtime": f"{runtime}:cpu"}
        try:
            row |= medians({name: bound(path, runtime) for name, path in files.items()})
        except Exception as error:  # noqa: BLE001 (one runtime that cannot must not end it)
            row["error"] = str(error)
        if "tiles" in row and "resize" in row:
            row["speedup"] = round(row["tiles"]["median_ms"] / row["resize"]["median_ms"], 2)
        row["operators"] = {
            name: sum(read_signature(path).operators.values()) for name, path in files.items()
        }
        rows.append(row)
        print(row, flush=True)
    found = capture()
    machine = {
        "cpu": found.machine.get("cpu_model"),
        "cores": os.cpu_count(),
        "at": found.created_at,
    }
    options.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""The part `rounds` of `benchmarks/optimize.py`: contenders in alternating processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import optimize_networks as networks
from optimize_job import Job
from optimize_rivals import worker

from edgecnn.conversion.convert import convert
from edgecnn.embedded_manifest import load_artifact

ROUNDS, ROUND_SECS = 7, 0.6


def rounds(job: Job) -> dict[str, Any]:
    """Contenders in alternating processes; ratios to the first, the median over rounds."""
    found = job.part("search")
    tensors = job.folder / "rounds.npy"
    prepare = load_artifact(job.model).manifest.preprocessing
    assert prepare is not None
    samples = job.parts().search["test"].samples
    np.save(tensors, np.stack([prepare(samples[index]) for index in range(16)]))
    contenders: dict[str, dict[str, Any]] = {}
    if found["file"]:
        contenders["chosen"] = {
            "kind": "edgecnn",
            "path": found["file"],
            "runtime": found["configuration"],
            "threads": found["threads"],
        }
    if (job.folder / "grid.json").exists():
        for place, each in enumerate(job.part("grid")["fastest"], start=1):
            contenders[f"grid {place}"] = each
    if (job.folder / "ours.json").exists() and job.part("ours")["file"]:
        contenders["ours on openvino"] = {
            "kind": "edgecnn",
            "path": job.part("ours")["file"],
            "runtime": "openvino:cpu",
            "threads": 1,
        }
    contenders |= rivals(job)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for number in range(ROUNDS):
        np.random.default_rng(number).shuffle(order)
        for name in order:
            spec = {"samples": str(tensors), **contenders[name]}
            python = job.nncf if spec["kind"] == "openvino" else None
            spec = {"do": "time", "secs": ROUND_SECS, **spec}
            times[name].append(worker(python, spec)["p50_ms"])
    return {
        "rounds": ROUNDS,
        "contenders": contenders,
        "p50_ms": {name: round(float(np.median(each)), 5) for name, each in times.items()},
        "ratios": {
            first: {
                name: round(float(np.median(np.divide(each, times[first]))), 3)
                for name, each in times.items()
            }
            for first in ("chosen", "ours on openvino")
            if first in times
        },
        "times_ms": {name: [round(one, 5) for one in each] for name, each in times.items()},
    }


def rivals(job: Job) -> dict[str, dict[str, Any]]:
    """NNCF's model, static int8 of the two runtimes' formats, and Keras."""
    own = {"samples": str(job.folder / "nncf" / "samples.npy"), "kind": "openvino"}
    found: dict[str, dict[str, Any]] = {}
    full = networks.NETWORKS[job.name].full
    for threads in job.threads:
        if (job.folder / "nncf.json").exists():
            path = job.part("nncf")["xml"]
            found[f"nncf, {threads}"] = {**own, "path": path, "threads": threads}
        if not full:
            continue
        for kind, runtime in (("onnx", "onnxruntime:cpu"), ("tflite", "litert:cpu")):
            found[f"{runtime} static int8, {threads}"] = {
                "kind": "edgecnn",
                "path": str(static_int8(job, kind)),
                "runtime": runtime,
                "threads": threads,
            }
    if full:
        for way in ("predict", "predict_on_batch"):
            found[f"keras {way}"] = {
                "kind": "keras",
                "path": str(job.model),
                "threads": 2,
                "runtime": way,
            }
    return found


def static_int8(job: Job, kind: str) -> Path:
    target = f"{kind}:static_int8"
    outcome = convert(
        job.model, target, calibration=job.parts().search, out=job.folder / "search" / "artifacts"
    )[0]
    if outcome.artifact is None:
        sys.exit(f"{job.name}: {target}: {outcome.error}")
    return outcome.artifact.path

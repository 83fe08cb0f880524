r"""What `edgecnn optimize` finds, compared with the exhaustive grid and with NNCF.

python benchmarks/optimize.py run [--networks depthwise,swish] [--parts train,search,…] \
    [--nncf PYTHON] [--data-root ../shared/data]
python benchmarks/optimize.py report

Each part of each network leaves a file in runs/benchmarks/optimize/NETWORK; what is there is not
done again (remove the file to repeat a part), so that the whole can be run in pieces. `report`
merges what there is into benchmarks/results/optimize.json and .md; parts that are only there stay.

train    the network, here, on real data; with as little training as makes it usable
search   `optimize --max-drop 1`: accepted or not, the loss on the claim's samples; ResNet-18 with
         one and two threads, others with one
tight    the same with --max-drop 0.3; in the same folder, so that only what is new is asked
grid     every preset of both formats on every runtime with the same threads, measured as
         `optimize` measures its finalists; how far the choice is from the best within the budget
broken   a layer is scaled so that int8 ruins it: is it named, does it alone stay out of int8
nncf     NNCF's accuracy control on the float ONNX file, by the Python of an environment with nncf
         and openvino, for detectors also faster-coco-eval, opencv-python-headless and pillow
ours     `optimize` on the same file, same samples, same scorer, on OpenVINO alone
nncf_broken, ours_broken   the same two on the network of `broken`, where something has to stay
         in float
rounds   the choice, NNCF's model and (ResNet-18) others at one and two threads and Keras, in
         alternating processes of about a second: ratios are the median over rounds

Ratios come from alternating rounds. Seconds and shares of time depend on what else the machine
did; `report` writes down its load.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optimize_networks as networks
from optimize_job import HERE, WORK, Job
from optimize_page import table
from optimize_rivals import control
from optimize_rounds import rounds

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.machine.description import capture
from edgecnn.benchmarking.protocol import resolve
from edgecnn.conversion.convert import convert
from edgecnn.conversion.recipe import PRESETS
from edgecnn.conversion.targets import FORMATS_WITH
from edgecnn.embedded_manifest import load_artifact
from edgecnn.files import write_text_atomically
from edgecnn.manifest import Artifact
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.optimize import OptimizationSettings, optimize
from edgecnn.results import Measurement, Results

RESULTS = HERE / "results"
RUNTIMES = ("litert:cpu", "onnxruntime:cpu", "openvino:cpu")
PROTOCOL = resolve("quick")
BROKEN_DROP = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--networks", default=",".join(networks.NETWORKS))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument(
        "--nncf",
        type=Path,
        help="Python of an environment with nncf, and\nfaster-coco-eval and pillow for detectors",
    )
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    asked = parser.parse_args()
    if asked.action == "run":
        for part in asked.parts.split(","):
            for name in asked.networks.split(","):
                run(Job(name, asked.data_root, asked.nncf), part)
    report()


def run(job: Job, part: str) -> None:
    """One part of one network, unless it is done or does not concern it."""
    path = job.folder / f"{part}.json"
    if path.exists() or part not in networks.NETWORKS[job.name].parts:
        return
    if part.startswith("nncf") and job.nncf is None:
        print(f"{job.name} {part}: give --nncf PYTHON")
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    started, load = time.monotonic(), os.getloadavg()[0]
    found = PARTS[part](job)
    found |= {
        "part_seconds": round(time.monotonic() - started, 1),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "at": time.strftime("%Y-%m-%d %H:%M"),
        "machine": capture().machine["cpu_model"],
    }
    write_text_atomically(path, json.dumps(found, indent=1) + "\n")
    print(f"{job.name} {part}: {found['part_seconds']} s", flush=True)


def report() -> None:
    found: dict[str, Any] = {
        "protocol": PROTOCOL.name,
        "networks": {name: parts for name in networks.NETWORKS if (parts := _parts(name))},
    }
    missing = {
        name: left
        for name, network in networks.NETWORKS.items()
        if (left := [part for part in network.parts if part not in found["networks"].get(name, {})])
    }
    text = json.dumps(found, indent=1).replace(f"{HERE.parent}/", "")
    write_text_atomically(RESULTS / "optimize.json", text + "\n")
    write_text_atomically(RESULTS / "optimize.md", table(found, missing))


def _parts(name: str) -> dict[str, Any]:
    """What is known of a network: the parts of this folder, and those that were reported before."""
    before = RESULTS / "optimize.json"
    known = json.loads(before.read_text())["networks"].get(name, {}) if before.exists() else {}
    here = {
        path.stem: json.loads(path.read_text())
        for path in sorted((WORK / name).glob("*.json"))
        if path.stem in PARTS
    }
    return {part: {**known, **here}[part] for part in PARTS if part in {**known, **here}}


def train(job: Job) -> dict[str, Any]:
    networks.train(job.name, job.dataset(), job.folder)
    manifest = load_artifact(job.model).manifest
    return {"accuracy": manifest.metrics, "bytes": job.model.stat().st_size}


def searched(
    model: Path, job: Job, goal: Goal, folder: str, runtimes: tuple[str, ...] = RUNTIMES
) -> dict[str, Any]:
    started = time.monotonic()
    threads = job.threads if runtimes == RUNTIMES else (1,)
    settings = OptimizationSettings(goal, runtimes, threads, protocol=PROTOCOL)
    outcome = optimize(model, job.dataset(), settings, job.folder / folder)
    choice = outcome.choice
    return {
        "accepted": outcome.accepted,
        "choice": choice.name if choice else None,
        "file": str(choice.tried.artifact.path) if choice else None,
        "configuration": choice.tried.configuration if choice else None,
        "threads": choice.threads if choice else None,
        "recipe": choice.tried.recipe.words or choice.tried.recipe.name if choice else None,
        "kept_in_float": [name for name, _ in choice.tried.recipe.per_layer] if choice else [],
        "p50_ms": choice.p50_ms if choice else None,
        "claim": outcome.claim.to_dict() if outcome.claim else None,
        "claims": outcome.claims,
        "samples": dict(outcome.parts),
        "validations": dict(outcome.validations),
        "asked": len(outcome.tried),
        "seconds": round(time.monotonic() - started, 1),
        "stages": dict(outcome.stages),
        "sentences": list(outcome.sentences),
        "ways_out": list(outcome.ways_out),
        "path": [f"{step.stage}: {step.what}: {step.found}" for step in outcome.path],
        "obstacles": [f"{each.where}: {each.why}" for each in outcome.obstacles],
    }


def search(job: Job) -> dict[str, Any]:
    return searched(job.model, job, Goal(max_drop=1.0), "search")


def tight(job: Job) -> dict[str, Any]:
    """In the folder of `search`: its files and answers are there."""
    return searched(job.model, job, Goal(max_drop=0.3), "search")


def grid(job: Job) -> dict[str, Any]:
    """Every preset on every runtime, with the accuracy on the claim's samples."""
    started = time.monotonic()
    parts = job.parts()
    targets = [
        f"{kind}:{name}"
        for kind in ("tflite", "onnx")
        for name, recipe in PRESETS.items()
        if recipe.arithmetic in FORMATS_WITH[kind]
    ]
    outcomes = convert(job.model, targets, calibration=parts.search, out=job.folder / "grid")
    artifacts = [outcome.artifact for outcome in outcomes if outcome.artifact]
    path = job.folder / "grid-results.json"
    results = benchmark(
        artifacts,
        RUNTIMES,
        threads=job.threads,
        protocol=PROTOCOL,
        data=parts.claim,
        passes=(),
        out=path,
        previous=Results.load(path) if path.exists() else None,
    )
    seconds = time.monotonic() - started
    chosen = job.part("search")
    rows = [row for row in results.measurements if row.latency and row.accuracy]
    top = max(row.accuracy.value for row in rows if row.artifact.recipe == "float32")
    good = [row for row in rows if 100 * (top - row.accuracy.value) <= 1.0]
    good.sort(key=lambda row: row.latency.p50)
    return {
        "rows": len(results.measurements),
        "measured": len(rows),
        "seconds": round(seconds, 1),
        "share_of_time": round(chosen["seconds"] / seconds, 3),
        "fastest": [contender_of(row, artifacts) for row in good[:3]],
        "p50_ms": [row.latency.p50 for row in good[:3]],
        "lost": [round(100 * (top - row.accuracy.value), 2) for row in good[:3]],
    }


def contender_of(row: Measurement, artifacts: list[Artifact]) -> dict[str, Any]:
    path = next(each.path for each in artifacts if each.sha256 == row.artifact.sha256)
    return {
        "kind": "edgecnn",
        "path": str(path),
        "runtime": row.configuration,
        "threads": row.options.threads,
    }


def broken(job: Job) -> dict[str, Any]:
    """The budget leaves room for what the claim's samples can show."""
    path, victim = networks.broken(job.model, job.folder)
    goal = Goal(max_drop=BROKEN_DROP, objective="size")
    found = searched(path, job, goal, "search-broken", ("litert:cpu",))
    return {"planted": victim, **found}


def nncf(job: Job) -> dict[str, Any]:
    assert job.nncf is not None
    return control(job.nncf, float_onnx(job, job.model), job.parts(), job.folder / "nncf", 1.0)


def nncf_broken(job: Job) -> dict[str, Any]:
    """The network of `broken`: what is int8 by itself loses too much."""
    assert job.nncf is not None
    path, _ = networks.broken(job.model, job.folder)
    home = job.folder / "nncf-broken"
    return control(job.nncf, float_onnx(job, path), job.parts(), home, BROKEN_DROP)


def float_onnx(job: Job, model: Path) -> Artifact:
    outcome = convert(model, "onnx:float32", calibration=job.parts().search, out=job.folder)[0]
    if outcome.artifact is None:
        sys.exit(f"{job.name}: no float ONNX file: {outcome.error}")
    return outcome.artifact


def ours(job: Job) -> dict[str, Any]:
    """The float file is the parent; it starts without anything that another part made."""
    onnx = float_onnx(job, job.model)
    return searched(onnx.path, job, Goal(max_drop=1.0), "search-onnx", ("openvino:cpu",))


def ours_broken(job: Job) -> dict[str, Any]:
    path, _ = networks.broken(job.model, job.folder)
    goal = Goal(max_drop=BROKEN_DROP)
    onnx = float_onnx(job, path)
    return searched(onnx.path, job, goal, "search-broken-onnx", ("openvino:cpu",))


PARTS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "train": train,
    "search": search,
    "tight": tight,
    "broken": broken,
    "nncf": nncf,
    "ours": ours,
    "grid": grid,
    "nncf_broken": nncf_broken,
    "ours_broken": ours_broken,
    "rounds": rounds,
}
if __name__ == "__main__":
    main()

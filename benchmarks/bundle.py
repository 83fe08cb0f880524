"""How large a bundle is once installed, and how soon it answers.

    python benchmarks/bundle.py

LeNet-5 as static int8, bundled for each runtime. In an empty environment `--install` puts what the
bundle needs next to it: its megabytes, package by package, and those that pip would have installed
from the requirements alone. Then `python -m NAME picture.png` is timed from outside, seven
times after the first. Seconds are those of a machine that others may use; those of the processor
do not depend on that as much.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from edgecnn import data as sources
from edgecnn import models
from edgecnn.benchmarking.machine.description import capture
from edgecnn.conversion.convert import convert
from edgecnn.files import write_text_atomically
from edgecnn.optimization.bundles.bundle import write_bundle
from edgecnn.optimization.bundles.installing import size_bytes

RESULTS = Path(__file__).parent / "results" / "bundle.json"
RUNTIMES = {"litert:cpu": "tflite", "onnxruntime:cpu": "onnx", "openvino:cpu": "onnx"}
TURNS = 7


def main() -> None:
    from PIL import Image

    digits = sources.load("digits")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = models.build("lenet5")
        prepare = digits.preprocessing(model.input_shape[1:])
        outcomes = convert(
            model,
            "tflite:static_int8,onnx:static_int8",
            calibration=digits,
            preprocessing=prepare,
            out=folder,
            name="lenet5",
        )
        files = {each.target.format: each.artifact.path for each in outcomes if each.artifact}
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        image = folder / "digit.png"
        Image.fromarray(digits["test"].samples[0]).save(image)
        found = {
            runtime: measured(
                files[kind], runtime, folder / runtime.partition(":")[0], python, image
            )
            for runtime, kind in RUNTIMES.items()
        }
    report = {
        "machine": capture().machine.get("cpu_model"),
        "load": round(os.getloadavg()[0], 1),
        "python": sys.version.split()[0],
        "bundles": found,
    }
    write_text_atomically(RESULTS, json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def measured(model: Path, runtime: str, out: Path, python: Path, image: Path) -> dict[str, Any]:
    write_bundle(model, out, configuration=runtime)
    own = size_bytes(out)
    run(python, out, "--install")
    (packages,) = out.glob("packages-*")
    installed = {
        each.name: round(size_bytes(each) / 1e6, 1) for each in packages.iterdir() if each.is_dir()
    }
    target = out.parent / f"{out.name}-plain"
    subprocess.run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            target,
            "-r",
            out / "requirements.txt",
        ],
        check=True,
    )
    total = size_bytes(packages)
    run(python, out, str(image))
    times, busy = [], []
    for _ in range(TURNS):
        began, before = time.perf_counter(), processor_seconds()
        run(python, out, str(image))
        times.append(time.perf_counter() - began)
        busy.append(processor_seconds() - before)
    return {
        "bundle_mb": round(own / 1e6, 2),
        "installed_mb": round(total / 1e6, 1),
        "with_pip_alone_mb": round(size_bytes(target) / 1e6, 1),
        "packages_mb": dict(sorted(installed.items(), key=lambda pair: -pair[1])[:8]),
        "start_processor_seconds": round(statistics.median(busy), 2),
        "start_seconds": round(statistics.median(times), 2),
        "start_seconds_fastest": round(min(times), 2),
    }


def processor_seconds() -> float:
    """What child processes that ended took of the processors so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(python: Path, out: Path, *arguments: str) -> None:
    name = next(out.glob("*/bundle.json")).parent.name
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([python, "-m", name, *arguments], cwd=out, env=environment, check=True)


if __name__ == "__main__":
    main()

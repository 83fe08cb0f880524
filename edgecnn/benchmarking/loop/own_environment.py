"""Describe a worker process: Python, kernel, processor, and the packages that it loaded.

It needs numpy alone, and imports little: each process of a measurement asks for it.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import edgecnn
from edgecnn.benchmarking.machine import observation
from edgecnn.results.runs import RunEnvironment

MODULES = {
    "numpy": ("numpy",),
    "ai_edge_litert": ("ai-edge-litert",),
    "tflite_runtime": ("tflite-runtime",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "tensorflow": ("tensorflow",),
    "keras": ("keras",),
    "ncnn": ("ncnn",),
    "MNN": ("mnn",),
}
"""The packages that bring a module: what a process has loaded says which of them it uses."""


def of_process() -> RunEnvironment:
    """What this process runs on."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    packages = {"edgecnn": edgecnn.__version__}
    for module in sorted(loaded & MODULES.keys()):
        for name in MODULES[module]:
            installed = version(name)
            if installed:
                packages[name] = installed
    return RunEnvironment(
        python=platform.python_version(),
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu_model=str(processor()["cpu_model"]),
        packages=packages,
    )


def processor() -> dict[str, Any]:
    """The processor's name and its flags."""
    model, flags = "", []
    for line in (read("proc/cpuinfo") or "").splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if name in ("model name", "Model", "Hardware"):
            model = value
        if name in ("flags", "Features"):
            flags = value.split()
    # Only where nothing names it: `platform` starts a process to find out.
    return {"cpu_model": model or platform.processor() or platform.machine(), "flags": flags}


def version(package: str) -> str:
    """The version of an installed package; empty where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def read(path: str) -> str | None:
    """A file of the system; None where it is not there, or empty."""
    try:
        text = (observation.ROOT / Path(path)).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.strip() or None

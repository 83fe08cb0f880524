"""edgecnn takes a convolutional network from Keras to an edge device and proves how it behaves.

    digits    = edgecnn.data.load("digits")
    model     = edgecnn.train("lenet5", digits, out="lenet5.keras")
    artifact  = edgecnn.convert(model.path, "tflite:static_int8", calibration=digits, out="made")
    session   = edgecnn.load("model.tflite", runtime="litert:cpu", threads=1)
    results   = edgecnn.benchmark(["model.tflite"], runtimes=["litert:cpu", "openvino:cpu"])

Names are resolved when they are used (PEP 562): importing edgecnn imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgecnn.moved import find_old_names
from edgecnn.system.privacy import switch_off
from edgecnn.version import __version__

switch_off()
find_old_names()

_PUBLIC = {
    "benchmark": "edgecnn.benchmarking.benchmark:benchmark",
    "convert": "edgecnn.conversion.convert:convert_one",
    "data": "edgecnn.data",
    "load": "edgecnn.runtimes:load",
    "models": "edgecnn.models",
    "optimize": "edgecnn.optimization.optimize:optimize",
    "reporting": "edgecnn.reporting",
    "Results": "edgecnn.results:Results",
    "run": "edgecnn.pipeline:run",
    "train": "edgecnn.training:train",
    "verify": "edgecnn.conversion.verification.verify:verify_artifact",
    "vision": "edgecnn.vision",
}

__all__ = [
    "Results",
    "__version__",
    "benchmark",
    "convert",
    "data",
    "load",
    "models",
    "optimize",
    "reporting",
    "run",
    "train",
    "verify",
    "vision",
]

if TYPE_CHECKING:
    from edgecnn import data, models, reporting, vision
    from edgecnn.benchmarking.benchmark import benchmark
    from edgecnn.conversion.convert import convert_one as convert
    from edgecnn.conversion.verification.verify import verify_artifact as verify
    from edgecnn.optimization.optimize import optimize
    from edgecnn.pipeline import run
    from edgecnn.results import Results
    from edgecnn.runtimes import load
    from edgecnn.training import train


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgecnn' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    imported = importlib.import_module(module)
    return getattr(imported, attribute) if attribute else imported


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

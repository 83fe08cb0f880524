"""LiteRT (ai-edge-litert), the successor of TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from edgecnn.registry import require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.base import Array, Availability, OperatorTime, Runtime, Session
from edgecnn.runtimes.host import cpu_name
from edgecnn.runtimes.interpreter_session import load_interpreter
from edgecnn.runtimes.litert import gpu
from edgecnn.runtimes.litert import operator_times as operators


class LiteRT(Runtime):
    """LiteRT on the CPU (interpreter with XNNPACK) and the GPU (compiled model).

    The interpreter is not slower than LiteRT's newer CompiledModel (one thread, the same XNNPACK
    kernels: LeNet-5 20 µs against 28, MobileNetV2 7.2 ms against 7.4), and reports which nodes
    were delegated.
    """

    name: ClassVar[str] = "litert"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    devices: ClassVar[tuple[str, ...]] = ("cpu", "gpu")
    extra: ClassVar[str] = "litert"

    @classmethod
    def find(cls, device: str) -> Availability:
        require("ai_edge_litert.interpreter", cls.extra)
        if device == "gpu":
            return gpu.probe(_version())
        return Availability(True, version=_version(), device_name=cpu_name())

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        if device == "gpu":
            require("ai_edge_litert.compiled_model", cls.extra)
            return gpu.load(path, options, f"LiteRT {_version()}")
        interpreter = require("ai_edge_litert.interpreter", cls.extra).Interpreter
        return load_interpreter(interpreter, path, options, runtime_version=f"LiteRT {_version()}")

    @classmethod
    def profile(
        cls,
        path: Path,
        device: str,
        options: RuntimeOptions,
        tensors: Sequence[Sequence[Array]],
        inferences: int,
    ) -> list[OperatorTime]:
        if device != "cpu":
            return super().profile(path, device, options, tensors, inferences)
        package = Path(str(require("ai_edge_litert", cls.extra).__file__)).parent
        return operators.profile(package, path, options, tensors, inferences)


def _version() -> str:
    from importlib.metadata import version

    return version("ai-edge-litert")

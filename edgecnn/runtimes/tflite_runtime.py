"""tflite-runtime 2.14: TensorFlow Lite's last release under that name, still on many devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgecnn.errors import MissingDependencyError, UnsupportedError
from edgecnn.registry import require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.base import Availability, Runtime, Session
from edgecnn.runtimes.host import cpu_name
from edgecnn.runtimes.interpreter_session import load_interpreter

HINT = "edgecnn env create tflite-runtime"


class TFLiteRuntime(Runtime):
    """tflite-runtime on the CPU. It needs numpy 1, so that it lives in its own environment."""

    name: ClassVar[str] = "tflite-runtime"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    extra: ClassVar[str] = "tflite-runtime"
    environment: ClassVar[str | None] = "tflite-runtime"

    @classmethod
    def find(cls, device: str) -> Availability:  # noqa: ARG003 (there is one)
        _require()
        return Availability(True, version=_version(), device_name=cpu_name())

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        _require()
        interpreter = require("tflite_runtime.interpreter", cls.extra).Interpreter
        session = load_interpreter(
            interpreter, path, options, runtime_version=f"tflite-runtime {_version()}"
        )
        _refuse_wrong_dense(path, session.interpreter)
        return session


def _require() -> None:
    """Raise MissingDependencyError when it is not installed, or numpy is 2 or newer.

    Its extension is compiled against numpy 1: with numpy 2 the import fails in numpy's words.
    """
    try:
        require("tflite_runtime", TFLiteRuntime.extra)
    except MissingDependencyError as error:
        raise MissingDependencyError("tflite-runtime is not installed here", hint=HINT) from error
    if int(np.__version__.partition(".")[0]) >= 2:
        raise MissingDependencyError(
            f"tflite-runtime needs numpy 1, this environment has numpy {np.__version__}", hint=HINT
        )


def _refuse_wrong_dense(path: Path, interpreter: Any) -> None:
    """Raise UnsupportedError for dense layers that 2.14 answers wrongly without a word.

    Dynamically quantized dense layers with a scale for each channel came later, as operator
    version 12. Quantizers that write them under an older number get past the version check,
    and every output is then 0 (a softmax over ten classes answers 0.1 to everything).
    """
    tensors = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    for operator in interpreter._get_ops_details():  # noqa: SLF001 (the only way to the graph)
        if operator["op_name"] != "FULLY_CONNECTED":
            continue
        data, weights = (tensors[int(index)] for index in operator["inputs"][:2])
        scales = weights["quantization_parameters"]["scales"]
        if np.dtype(data["dtype"]) == np.float32 and len(scales) > 1:
            raise UnsupportedError(
                f"{path.name}: tflite-runtime answers wrongly for dynamically quantized dense "
                "layers with a scale for each channel",
                hint="quantize statically, or run it on litert:cpu",
            )


def _version() -> str:
    from importlib.metadata import version

    return version("tflite-runtime")

"""One inference of a model in its format's own runtime, without edgecnn: does it run at all?

python benchmarks/odd_bare.py MODEL   →   exit code 0 where it runs, the reason on standard error

What a first script would do: open dimensions are 1, values are 0, and where that fails 1. A
process of its own, since some runtimes end theirs on values that make no sense.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT_SECS = 60.0
_DTYPES = {
    "float": "float32",
    "double": "float64",
    **{f"{kind}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    "float16": "float16",
    "bool": "bool",
    "string": "object",
}


def why_not(path: Path) -> str:
    """Empty where the model runs, else what was said."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer for {TIMEOUT_SECS:g} s"
    lines = done.stderr.strip().splitlines()
    said = lines[-1] if lines else "nothing said"
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {said}"


def _main(path: Path) -> None:
    for number in (0, 1):
        try:
            next(_run_tflite(path, number) if path.suffix == ".tflite" else _run_onnx(path, number))
        except Exception:
            if number:
                raise
        else:
            return


def _run_tflite(path: Path, number: int) -> Iterator[None]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.full(detail["shape"], number, detail["dtype"]))
    interpreter.invoke()
    yield


def _run_onnx(path: Path, number: int) -> Iterator[None]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    session.run(
        None, {one.name: _value(one.type, one.shape, number) for one in session.get_inputs()}
    )
    yield


def _value(kind: str, shape: Any, number: int) -> Any:
    holder, _, inner = kind.partition("(")
    if holder in ("seq", "optional"):
        value = _value(inner[:-1], [2], number)
        return [value] if holder == "seq" else value
    sizes = [size if isinstance(size, int) and size >= 0 else 1 for size in shape or ()]
    return np.full(sizes, number, _DTYPES[inner[:-1]])


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

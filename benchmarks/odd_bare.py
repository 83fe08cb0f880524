"""One inference of models in their format's own runtime, without edgecnn: do they run at all?

python benchmarks/odd_bare.py   →   a line for each path on standard input: empty, or why not

What a first script would do: open dimensions are 1, values are 0, and where that fails 1. In a
process of its own, since some runtimes end theirs on values that make no sense.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT_SECS = 60.0
_GONE = "the process ended"
_DTYPES = {
    "float": "float32",
    "double": "float64",
    **{f"{kind}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    "float16": "float16",
    "bool": "bool",
    "string": "object",
}


def why_not(paths: Sequence[Path]) -> Iterator[str]:
    """For each model in turn: empty where it runs, else what was said."""
    waiting = list(paths)
    while waiting:
        command = [sys.executable, __file__]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            for path in list(waiting):
                answer = _ask(process, path)
                waiting.remove(path)
                yield answer or ""
                if answer is not None and answer.startswith(_GONE):
                    break
            process.kill()


def _ask(process: subprocess.Popen[str], path: Path) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{path}\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], TIMEOUT_SECS)[0]:
        return f"{_GONE}: no answer for {TIMEOUT_SECS:g} s"
    line = process.stdout.readline()
    return line.strip() if line else f"{_GONE}: exit code {process.wait()}"


def _main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what runtimes print goes elsewhere
    for line in sys.stdin:
        print(" ".join(_reason(Path(line.strip())).split())[:300], file=answers, flush=True)


def _reason(path: Path) -> str:
    said = ""
    for number in (0, 1):
        try:
            _run_tflite(path, number) if path.suffix == ".tflite" else _run_onnx(path, number)
        except Exception as error:  # noqa: BLE001 (whatever a runtime says)
            said = str(error) or repr(error)
        else:
            return ""
    return said


def _run_tflite(path: Path, number: int) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.full(detail["shape"], number, detail["dtype"]))
    interpreter.invoke()


def _run_onnx(path: Path, number: int) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    session.run(
        None, {one.name: _value(one.type, one.shape, number) for one in session.get_inputs()}
    )


def _value(kind: str, shape: Any, number: int) -> Any:
    holder, _, inner = kind.partition("(")
    if holder in ("seq", "optional"):
        value = _value(inner[:-1], [2], number)
        return [value] if holder == "seq" else value
    sizes = [size if isinstance(size, int) and size >= 0 else 1 for size in shape or ()]
    return np.full(sizes, number, _DTYPES[inner[:-1]])


if __name__ == "__main__":
    _main()

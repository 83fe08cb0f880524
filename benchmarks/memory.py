"""Is the peak of memory in a row the model's? Held against a bare loop over the same runtime.

Ten models from 1 KB to 100 MB of input: a bare script imports numpy and the runtime, loads the
file, and infers a few times on one input; its VmHWM is what the row's `peak_rss_bytes` must be.
Both run in turn, three times; the goal is 5% or 3 MB.

    python benchmarks/memory.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import networks

KEPT = networks.HERE.parent / "runs" / "benchmarks" / "memory"
REPORT = networks.RESULTS / "memory.json"
TURNS = 3
RUNTIMES = {"tflite": "litert:cpu", "onnx": "onnxruntime:cpu"}
SIZES = {
    "elu_1kb": (1, 16, 16, 1),
    "elu_400kb": (1, 320, 320, 1),
    "elu_25mb": (1, 1080, 1920, 3),
    "elu_100mb": (1, 2160, 4050, 3),
}
BARE = {
    "tflite": """
import sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
for spec in interpreter.get_input_details():
    made = np.full(spec["shape"], 0.5, np.float32)
    interpreter.set_tensor(spec["index"], made)
for _ in range(3):
    interpreter.invoke()
    [interpreter.get_tensor(spec["index"]) for spec in interpreter.get_output_details()]
""",
    "onnx": """
import sys, numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
made = {}
for spec in session.get_inputs():
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    made[spec.name] = np.full(shape, 0.5, np.float32)
for _ in range(3):
    session.run(None, made)
""",
}
PEAK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        print(int(line.split()[1]) * 1024)
"""


def models() -> list[Path]:
    KEPT.mkdir(parents=True, exist_ok=True)
    found = [networks.model_file(name, "tflite", "float32") for name in networks.NAMES]
    found += [networks.model_file(name, "onnx", "float32") for name in ("lenet5", "mobilenetv2")]
    found += [_elu(name, shape) for name, shape in SIZES.items()]
    return [*found, _sum_of_two_images()]


def _elu(name: str, shape: tuple[int, ...]) -> Path:
    """One ELU over an input of that shape, as ONNX."""
    import onnx
    from onnx import TensorProto, helper

    path = KEPT / f"{name}.onnx"
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Elu", ["x"], ["y"])], name, *[[v] for v in values])
    onnx.save(_model(graph), str(path))
    return path


def _sum_of_two_images() -> Path:
    """Two full-HD images added."""
    import onnx
    from onnx import TensorProto, helper

    path = KEPT / "add_1080p.onnx"
    shape = (1, 1080, 1920, 3)
    a, b, c = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "abc")
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "add", [a, b], [c])
    onnx.save(_model(graph), str(path))
    return path


def _model(graph: Any) -> Any:
    from onnx import helper

    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def bare_peak(path: Path) -> int:
    script = BARE[path.suffix[1:]] + PEAK
    command = [sys.executable, "-c", script, str(path)]
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout.split()[-1])


def row_peak(path: Path) -> int:
    from edgecnn.benchmarking.benchmark import benchmark
    from edgecnn.benchmarking.protocol import resolve

    protocol = resolve("quick", processes=1, max_secs=2.0)
    results = benchmark([path], [RUNTIMES[path.suffix[1:]]], protocol=protocol, passes=())
    return int(results.measurements[0].memory["peak_rss_bytes"] or 0)


def main() -> None:
    rows = []
    for path in models():
        pairs = [(row_peak(path), bare_peak(path)) for _ in range(TURNS)]
        told, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        within = abs(told - bare) <= max(0.05 * bare, 3e6)
        rows.append({"model": path.name, "row_bytes": told, "bare_bytes": bare, "within": within})
        print(f"{path.name:28} {told / 1e6:8.1f} MB, bare {bare / 1e6:8.1f} MB  {within}")
    REPORT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

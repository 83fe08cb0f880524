"""The kernels behind `machine_limits`: a program in a process of its own, one thread count each.

    python -m edgecnn.benchmarking.machine.limit_kernels THREADS     prints one JSON object

Arithmetic is the product of two large matrices, the densest work there is, in every library
that is installed; the best repetition counts, because a limit is what can be reached. Memory is
streamed through arrays far larger than the caches (McCalpin's STREAM, in numpy).
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from edgecnn.benchmarking.machine import observation

KERNEL_SECS = 0.5
SIZE = 1024
ARRAY_BYTES = 96 << 20
"""Of each of three arrays: three times the last-level cache of common machines."""


def main(threads: int) -> dict[str, Any]:
    """All limits with this number of threads."""
    before = observation.snapshot()
    rates_of = {"float32": list(_float32(threads)), "bfloat16": [], "int8": []}
    if importlib.util.find_spec("openvino"):
        for precision, rate, how in _openvino(threads):
            rates_of[precision].append((rate, how))
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        for precision, rate, how in _onnxruntime(threads):
            rates_of[precision].append((rate, how))
    best = {name: max(rates, default=(None, None)) for name, rates in rates_of.items()}
    bandwidth, stream = bandwidth_gb_s(threads, min(ARRAY_BYTES, _spare_bytes()))
    meanwhile = observation.difference(before, observation.snapshot())
    return {
        "float32_gflops": best["float32"][0],
        "bfloat16_gflops": best["bfloat16"][0],
        "int8_gops": best["int8"][0],
        "bandwidth_gb_s": bandwidth,
        "methods": {**{name: how for name, (_, how) in best.items()}, "bandwidth": stream},
        "other_cpus": meanwhile["other_cpus"],
    }


def best_seconds(invoke: Callable[[], Any], secs: float = KERNEL_SECS) -> float:
    """The fastest of the repetitions that fit into `secs`, at least three."""
    invoke()
    fastest, count = float("inf"), 0
    deadline = time.perf_counter() + secs
    while count < 3 or time.perf_counter() < deadline:
        start = time.perf_counter()
        invoke()
        fastest = min(fastest, time.perf_counter() - start)
        count += 1
    return fastest


def bandwidth_gb_s(threads: int, array_bytes: int = ARRAY_BYTES) -> tuple[float, str]:
    """(GB/s, how): the better of two STREAM kernels, each thread on a part of its own.

    Bytes count as in STREAM: what is read and what is written, nothing that the cache
    fetches before it overwrites.
    """
    count = array_bytes // 4
    source, other = np.ones(count, np.float32), np.ones(count, np.float32)
    target = np.zeros(count, np.float32)
    edges = np.linspace(0, count, threads + 1).astype(int)
    parts = [slice(first, last) for first, last in pairwise(edges)]

    def add(part: slice) -> None:
        np.add(source[part], other[part], out=target[part])

    def scale(part: slice) -> None:
        np.multiply(source[part], np.float32(3), out=target[part])

    rates = {}
    with ThreadPoolExecutor(threads) as pool:
        for name, kernel, arrays in (("add", add, 3), ("scale", scale, 2)):
            seconds = best_seconds(partial(_all, pool, kernel, parts))
            rates[f"STREAM {name}, numpy, {array_bytes >> 20} MiB arrays"] = (
                arrays * 4 * count / seconds / 1e9
            )
    how, rate = max(rates.items(), key=lambda item: item[1])
    return rate, how


def _all(pool: ThreadPoolExecutor, kernel: Callable[[slice], None], parts: Sequence[slice]) -> None:
    for _ in pool.map(kernel, parts):
        pass


def _spare_bytes() -> int:
    """A small board's share: a tenth of the memory that is available, for each array; no bound
    where the system does not report it.
    """
    try:
        lines = (observation.ROOT / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return ARRAY_BYTES
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 // 10
    return ARRAY_BYTES


def _float32(threads: int) -> Iterator[tuple[float, str]]:
    del threads  # passed to the BLAS by the environment of this process
    for size in (SIZE // 2, SIZE):
        matrix = np.random.default_rng(0).random((size, size), np.float32)
        out = np.empty_like(matrix)
        seconds = best_seconds(partial(np.dot, matrix, matrix, out))
        yield _rate(size, seconds), f"numpy sgemm {size}×{size}"


def _openvino(threads: int) -> Iterator[tuple[str, float, str]]:
    import openvino
    from openvino import opset13 as operators

    rng = np.random.default_rng(0)
    data = rng.random((SIZE, SIZE), np.float32)
    for precision in ("float32", "bfloat16", "int8"):
        value = operators.parameter([SIZE, SIZE], np.float32)
        if precision == "int8":
            low, high = (operators.constant(np.float32(limit)) for limit in (0, 1))
            left = operators.fake_quantize(value, low, high, low, high, 256)
            stored = rng.integers(-127, 127, (SIZE, SIZE), np.int8)
            right = operators.multiply(
                operators.convert(operators.constant(stored), np.float32),
                operators.constant(np.full((1, SIZE), 0.01, np.float32)),
            )
        else:
            left, right = value, operators.constant(rng.random((SIZE, SIZE), np.float32))
        product = operators.result(operators.matmul(left, right, False, False))
        compiled = openvino.Core().compile_model(
            openvino.Model([product], [value]),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            },
        )
        executed = {
            node.get_rt_info()["runtimePrecision"].astype(str)
            for node in compiled.get_runtime_model().get_ops()
            if node.get_rt_info()["layerType"].astype(str).startswith(("FullyConnected", "MatMul"))
        }
        names = {"float32": {"f32"}, "bfloat16": {"bf16"}, "int8": {"i8", "u8"}}
        if not executed & names[precision]:
            continue  # this processor has no instructions for it
        request = compiled.create_infer_request()
        request.set_input_tensor(openvino.Tensor(data, shared_memory=True))
        seconds = best_seconds(request.infer)
        yield precision, _rate(SIZE, seconds), f"OpenVINO MatMul {SIZE}×{SIZE}"


def _onnxruntime(threads: int) -> Iterator[tuple[str, float, str]]:
    import onnx
    import onnxruntime as ort

    rng = np.random.default_rng(0)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    shape = [SIZE, SIZE]
    cases = (
        ("float32", "MatMul", rng.random(shape, np.float32), rng.random(shape, np.float32)),
        (
            "int8",
            "MatMulInteger",
            rng.integers(0, 255, shape, np.uint8),
            rng.integers(-127, 127, shape, np.int8),
        ),
    )
    helper = onnx.helper
    for precision, operator, data, weights in cases:
        result = np.dtype(np.float32 if precision == "float32" else np.int32)
        kinds = [helper.np_dtype_to_tensor_dtype(dtype) for dtype in (data.dtype, result)]
        graph = helper.make_graph(
            [helper.make_node(operator, ["x", "w"], ["y"])],
            operator,
            [helper.make_tensor_value_info("x", kinds[0], shape)],
            [helper.make_tensor_value_info("y", kinds[1], shape)],
            [onnx.numpy_helper.from_array(weights, "w")],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
        ).SerializeToString()
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        out = np.empty(shape, result)
        binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(data))
        binding.bind_ortvalue_output("y", ort.OrtValue.ortvalue_from_numpy(out))
        seconds = best_seconds(partial(session.run_with_iobinding, binding))
        yield precision, _rate(SIZE, seconds), f"ONNX Runtime {operator} {SIZE}×{SIZE}"


def _rate(size: int, seconds: float) -> float:
    """10⁹ operations a second of a square product: a multiplication and an addition each."""
    return 2 * size**3 / seconds / 1e9


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))  # noqa: T201 (its answer)

"""Other people's measuring tools, each run in a fresh process, with their numbers unrounded.

python benchmarks/rivals.py TOOL MODEL THREADS SECONDS   →   one JSON line

litert-benchmark   ai-edge-litert's own tool (its module, its loop); only its rounding to 10 µs
                   is undone
benchmark-app      OpenVINO's own tool, -api sync; its latencies are taken before it rounds them to
                   10 µs, and half_width is what their median is known to, by them alone
litert-interpreter a bare loop over LiteRT's public Interpreter: set_tensor, invoke
openvino-infer     a bare loop over OpenVINO's public InferRequest.infer; besides the caller's
                   clock its own InferRequest.latency of the same inferences (latency_p50_ms)
ort-run            a bare loop over ONNX Runtime's public session.run
ort-binding        the same over its public I/O binding, inputs and outputs bound beforehand
compiled-model     the call that litert-benchmark times (CompiledModel.run_by_name), in
                   edgecnn's loop: what remains is the difference between the two clocks
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP_SECS = 0.3
OPENVINO_SETTINGS = "EDGECNN_BENCHMARK_OPENVINO"
"""A JSON object of further OpenVINO properties, for when edgecnn sets one."""


def ask(
    tool: str, model: Path, threads: int, secs: float, settings: dict[str, str] | None = None
) -> dict[str, float]:
    """{"p50_ms": …, "runs": …} of one tool in a process of its own, `secs` long."""
    command = [sys.executable, __file__, tool, str(model), str(threads), str(secs)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        OPENVINO_SETTINGS: json.dumps(settings or {}),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"p50_ms"')]
    if done.returncode != 0 or not lines:
        sys.exit(f"{tool} on {model.name}: {(done.stderr or done.stdout)[-2000:]}")
    answer: dict[str, float] = json.loads(lines[-1])
    return answer


def _litert_benchmark(model: Path, threads: int, secs: float) -> dict[str, float]:
    from ai_edge_litert.tools import benchmark_litert_model as tool

    # The tool rounds milliseconds to two places, which is coarser than LeNet-5.
    tool.round = lambda value, _digits: value

    def run(warm_up: int, runs: int) -> float:
        sys.argv = [
            "litert-benchmark",
            f"--model={model}",
            f"--num_threads={threads}",
            f"--warmup_runs={warm_up}",
            f"--num_runs={runs}",
        ]
        return float(tool.run_benchmark(tool.parse_args())["latency"]["median_ms"])

    pilot = run(5, 20)
    runs = max(20, int(secs * 1e3 / pilot))
    return {"p50_ms": run(max(5, int(WARM_UP_SECS * 1e3 / pilot)), runs), "runs": runs}


def _benchmark_app(model: Path, threads: int, secs: float) -> dict[str, float]:
    from openvino.tools.benchmark import benchmark, main

    from edgecnn.statistics.samples import median_interval

    found: dict[str, float] = {}
    original = benchmark.Benchmark.sync_inference

    def sync_inference(self: Any, *arguments: Any) -> Any:
        answer = original(self, *arguments)
        times = answer[0]
        low, high = median_interval(times) or (0.0, float("inf"))
        p50 = benchmark.percentile(times, 50)
        found.update(p50_ms=p50, runs=len(times), half_width=(high - low) / 2 / p50)
        return answer

    benchmark.Benchmark.sync_inference = sync_inference
    settings = json.loads(os.environ[OPENVINO_SETTINGS])
    config = Path("config.json")
    sys.argv = ["benchmark_app", "-m", str(model), "-d", "CPU", "-api", "sync"]
    sys.argv += ["-hint", "none", "-nstreams", "1", "-nthreads", str(threads), "-t", f"{secs:.0f}"]
    if settings:
        import tempfile

        config = Path(tempfile.mkdtemp()) / "config.json"
        config.write_text(json.dumps({"CPU": settings}))
        sys.argv += ["-load_config", str(config)]
    main.main()
    return found


def _litert_interpreter(model: Path, threads: int, secs: float) -> dict[str, float]:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model), num_threads=threads)
    interpreter.allocate_tensors()
    (described,) = interpreter.get_input_details()
    rng = np.random.default_rng(0)
    if np.issubdtype(described["dtype"], np.floating):
        tensor = rng.random(described["shape"], dtype=np.float32)
    else:
        tensor = rng.integers(-128, 128, described["shape"], described["dtype"])

    def call() -> None:
        interpreter.set_tensor(described["index"], tensor)
        interpreter.invoke()

    return _loop(call, secs)


def _openvino_infer(model: Path, threads: int, secs: float) -> dict[str, float]:
    import numpy as np
    import openvino

    core = openvino.Core()
    settings = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    settings |= json.loads(os.environ[OPENVINO_SETTINGS])
    request = core.compile_model(str(model), "CPU", settings).create_infer_request()
    tensor = request.get_input_tensor()
    rng = np.random.default_rng(0)
    tensor.data[:] = (rng.random(tensor.shape) * 100).astype(tensor.data.dtype)
    return _loop(request.infer, secs, lambda: request.latency)


def _ort_session(model: Path, threads: int) -> tuple[Any, dict[str, Any]]:
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {
        value.name: rng.random([1, *value.shape[1:]], dtype=np.float32)
        for value in session.get_inputs()
    }
    return session, feed


def _ort_run(model: Path, threads: int, secs: float) -> dict[str, float]:
    session, feed = _ort_session(model, threads)
    return _loop(lambda: session.run(None, feed), secs)


def _ort_binding(model: Path, threads: int, secs: float) -> dict[str, float]:
    session, feed = _ort_session(model, threads)
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    outputs = session.run(None, feed)
    import onnxruntime as ort

    for described, array in zip(session.get_outputs(), outputs, strict=True):
        binding.bind_ortvalue_output(described.name, ort.OrtValue.ortvalue_from_numpy(array))
    return _loop(lambda: session.run_with_iobinding(binding), secs)


def _loop(
    call: Callable[[], Any], secs: float, own_clock: Callable[[], float] | None = None
) -> dict[str, float]:
    """The loop everyone writes. `own_clock` gives the milliseconds of the last call."""
    times: list[float] = []
    told: list[float] = []
    for budget in (WARM_UP_SECS, secs):
        times, told = [], []
        end = time.perf_counter() + budget
        while time.perf_counter() < end or len(times) < 20:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
            if own_clock is not None:
                told.append(own_clock())
    found: dict[str, float] = {"p50_ms": statistics.median(times) * 1e3, "runs": len(times)}
    return found | ({"latency_p50_ms": statistics.median(told)} if told else {})


def _compiled_model(model: Path, threads: int, secs: float) -> dict[str, float]:
    import numpy as np
    from ai_edge_litert.tools import benchmark_litert_model as tool

    from edgecnn.benchmarking.loop.timed_loop import measure, warm_up
    from edgecnn.benchmarking.protocol import Protocol

    compiled, accelerator, _, _, options, cpu = tool._import_litert()  # noqa: SLF001
    loaded = compiled.from_file(
        str(model),
        options=options(
            hardware_accelerators=accelerator(accelerator.CPU),
            cpu_options=cpu(num_threads=threads),
        ),
    )
    key = next(iter(loaded.get_signature_list()))
    details = loaded.get_input_tensor_details(key)
    inputs = {name: loaded.create_input_buffer_by_name(key, name) for name in details}
    outputs = {
        name: loaded.create_output_buffer_by_name(key, name)
        for name in loaded.get_output_tensor_details(key)
    }
    np.random.seed(0)
    for name, buffer in inputs.items():
        tool.fill_random_input(buffer, details[name])
    protocol = Protocol("fidelity", 1, secs, 20, secs, warmup_min_secs=WARM_UP_SECS)
    invocations = [lambda: loaded.run_by_name(key, inputs, outputs)]
    warm_up(invocations, protocol)
    samples = measure(invocations, protocol).samples
    return {"p50_ms": float(np.median(samples)) / 1e6, "runs": int(samples.size)}


_TOOLS: dict[str, Callable[[Path, int, float], dict[str, float]]] = {
    "litert-benchmark": _litert_benchmark,
    "benchmark-app": _benchmark_app,
    "litert-interpreter": _litert_interpreter,
    "openvino-infer": _openvino_infer,
    "ort-run": _ort_run,
    "ort-binding": _ort_binding,
    "compiled-model": _compiled_model,
}

if __name__ == "__main__":
    _, chosen, path, count, length = sys.argv
    answer = _TOOLS[chosen](Path(path), int(count), float(length))
    print("\n" + json.dumps(answer))

"""What `benchmarks/optimize.py` runs in processes of their own: NNCF, and one contender's time.

python benchmarks/optimize_worker.py '{"do": "quantize" | "answer" | "time", …}'   →   one JSON line

`quantize` and `answer` run in the environment of NNCF and OpenVINO, where edgecnn is found on
PYTHONPATH: accuracy is edgecnn's own scorer there too, so that both searches ask the same question.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP_SECS = 0.2
SAMPLES = 32


def main() -> None:
    asked = json.loads(sys.argv[1])
    doing = {"quantize": quantize, "answer": answer, "time": timed}
    print("\n" + json.dumps(doing[asked.pop("do")](**asked)))


def quantize(onnx: str, folder: str, max_drop: float) -> dict[str, Any]:
    """NNCF's accuracy control on an ONNX file: seconds, full validations, what it left in float."""
    import nncf
    import openvino

    home = Path(folder)
    calibration, samples = np.load(home / "calibration.npy"), np.load(home / "samples.npy")
    model = openvino.Core().read_model(onnx)
    model.reshape([1, *samples.shape[1:]])
    key = pickle.loads((home / "key.pickle").read_bytes())
    counted = {"full": 0, "samples": 0}

    def validate(compiled: Any, items: Any) -> tuple[float, None]:
        places, outputs = [], []
        for place, tensor in items:
            places.append(place)
            outputs.append([np.array(each) for each in compiled(tensor[None]).values()])
        counted["full"] += len(places) == len(samples)
        counted["samples"] += len(places)
        return score(key, places, outputs), None

    started = time.monotonic()
    quantized = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(list(calibration), lambda tensor: [tensor[None]]),
        nncf.Dataset(list(enumerate(samples)), lambda item: [item[1][None]]),
        validation_fn=validate,
        max_drop=max_drop / 100,
    )
    seconds = time.monotonic() - started
    openvino.save_model(quantized, home / "nncf.xml", compress_to_fp16=False)
    return {
        "seconds": round(seconds, 1),
        "full_validations": counted["full"],
        "validations": round(counted["samples"] / len(samples), 1),
        "versions": {"nncf": nncf.__version__, "openvino": openvino.__version__},
        "xml": str(home / "nncf.xml"),
    }


def score(key: Any, places: Sequence[int], outputs: Sequence[Sequence[Any]]) -> float:
    """The task's metric over some of the samples."""
    from dataclasses import replace

    from edgecnn.evaluation.tasks import open_scorer

    task, whole = key
    scorer = open_scorer(
        task, replace(whole, ground_truth=[whole.ground_truth[place] for place in places])
    )
    columns = [np.concatenate(column) for column in zip(*outputs, strict=True)]
    return float(scorer.accuracy(scorer.ordered(columns)).value)


def answer(xml: str, samples: str, out: str) -> dict[str, Any]:
    """The outputs of an OpenVINO model for all samples, as a .npz file."""
    import openvino

    compiled = openvino.Core().compile_model(xml, "CPU", {"INFERENCE_NUM_THREADS": 1})
    rows = [
        [np.array(each) for each in compiled(tensor[None]).values()] for tensor in np.load(samples)
    ]
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    np.savez(out, *columns)
    return {"n": len(rows)}


def timed(
    kind: str, path: str, samples: str, secs: float, *, threads: int = 1, runtime: str = ""
) -> dict[str, Any]:
    """Median milliseconds of one inference; inputs change, and are ready before the clock runs."""
    tensors = np.load(samples)[:SAMPLES]
    calls = {"openvino": _openvino, "edgecnn": _edgecnn, "keras": _keras}[kind](
        path, tensors, threads, runtime
    )
    deadline = time.perf_counter() + WARM_UP_SECS
    while time.perf_counter() < deadline:
        for call in calls:
            call()
    times, deadline = [], time.perf_counter() + secs
    while time.perf_counter() < deadline:
        for call in calls:
            begun = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - begun)
    return {"p50_ms": float(np.median(times)) / 1e6, "runs": len(times)}


def _openvino(path: str, tensors: Any, threads: int, _runtime: str) -> list[Callable[[], Any]]:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([1, *tensors.shape[1:]])
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(model, "CPU", settings)

    def bound(tensor: Any) -> Callable[[], Any]:
        request = compiled.create_infer_request()
        request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(tensor[None])))
        outputs = [request.get_output_tensor(index).data for index in range(len(compiled.outputs))]

        def call() -> Any:
            request.infer()
            return outputs

        return call

    return [bound(tensor) for tensor in tensors]


def _edgecnn(path: str, tensors: Any, threads: int, runtime: str) -> list[Callable[[], Any]]:
    from edgecnn.runtimes import load
    from edgecnn.runtimes.tensors import to_model

    session = load(path, runtime, threads=threads)
    return [session.bind([to_model(tensor[None], session.inputs[0])]) for tensor in tensors]


def _keras(path: str, tensors: Any, threads: int, way: str) -> list[Callable[[], Any]]:
    import tensorflow as tf

    from edgecnn.keras_files import load_keras

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    model = load_keras(Path(path))
    if way == "predict":
        return [lambda tensor=tensor: model.predict(tensor[None], verbose=0) for tensor in tensors]
    return [lambda tensor=tensor: model.predict_on_batch(tensor[None]) for tensor in tensors]


if __name__ == "__main__":
    main()

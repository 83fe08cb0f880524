"""What a larger input brings and costs: our detectors, one set of weights, at several sizes.

Each size of the shipped int8 `.tflite` files (see `edgecnn.vision.detectors.input_size`), at its
threshold, answers all images of COCO sets, in one thread of LiteRT. Times are medians of inference
alone, taken in turns over the sizes, image by image; their ratios to the shipped size are what to
look at. The latency of each size on each runtime, in turns, follows.

    python benchmarks/input_sizes.py ../shared/data/stop_signs/far_validation \
        ../shared/data/stop_signs/ardakbas
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sign_sizes import recall_by_pixels

from edgecnn.data.boxes.coco import load_coco
from edgecnn.evaluation.detection import evaluate_detections
from edgecnn.files import write_text_atomically
from edgecnn.system.places import ASSETS
from edgecnn.vision import load_detector
from edgecnn.vision.detectors.input_size import Size, size_for

REPORT = Path(__file__).parent / "results" / "input_sizes.json"
SIZES = {
    "stop_sign_small": (384, 512, 640, 768, 1024, 1280),
    "stop_sign_nano": (384, 512, 640, 768, 1024),
}
SHIPPED = {"stop_sign_small": 512, "stop_sign_nano": 384}
LOWEST = 0.01
RUNTIMES_READ = {
    "litert:cpu": "tflite",
    "onnxruntime:cpu": "onnx",
    "openvino:cpu": "onnx",
    "opencv:cpu": "onnx",
}
WARM_UP, TURNS = 3, 30


def measured(model: str, folder: Path) -> list[dict[str, Any]]:
    detectors = {side: load_detector(model, input_size=(side, side)) for side in SIZES[model]}
    shown = {side: detector.min_score for side, detector in detectors.items()}
    for detector in detectors.values():
        detector.min_score = LOWEST
    data = load_coco(folder)
    found: dict[int, list[Any]] = {side: [] for side in detectors}
    times: dict[int, list[float]] = {side: [] for side in detectors}
    for file in data.files:
        image = np.ascontiguousarray(file.load().image[:, :, ::-1])
        for side, detector in detectors.items():
            tensor, place = detector.prepare(image)
            start = time.perf_counter()
            outputs = detector.infer(tensor)
            times[side].append(time.perf_counter() - start)
            found[side].append(detector.finish(outputs, place, image.shape))
    usual = median(times[SHIPPED[model]])
    rows = []
    for side, detector in detectors.items():
        scores = evaluate_detections(
            data.files,
            found[side],
            min_score=shown[side],
            place=detector.preprocessing.place,
            resamples=1000,
        )
        rows.append(
            {
                "model": model,
                "data": folder.name,
                "side": side,
                "min_score": shown[side],
                "images": scores.images,
                "signs": scores.signs,
                "ap50": scores.ap50,
                "ap50_ci95": scores.ap50_ci95,
                "ap50_95": scores.ap50_95,
                "recall": scores.recall,
                "false_alarms_per_100": scores.false_alarms_per_100,
                "recall_by_px": recall_by_pixels(data.files, found[side], shown[side]),
                "inference_ms": 1e3 * median(times[side]),
                "times_the_shipped_size": median(times[side]) / usual,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def latencies(model: str) -> list[dict[str, Any]]:
    """Inference alone of the int8 file that each runtime reads, one thread, squares and the
    rectangle that fits 16:9, all runtimes and sizes of a network in turns.
    """
    shapes = [shape for side in SIZES[model] for shape in ((side, side), size_for(side, 720, 1280))]
    waiting: dict[tuple[str, Size], Any] = {}
    for runtime, ending in RUNTIMES_READ.items():
        for shape in shapes:
            path = ASSETS / f"{model}_static_int8.{ending}"
            detector = load_detector(path, runtime=runtime, input_size=shape)
            tensor, _ = detector.prepare(np.zeros((720, 1280, 3), np.uint8))
            waiting[runtime, shape] = partial(detector.infer, tensor)
    times: dict[tuple[str, Size], list[float]] = {key: [] for key in waiting}
    for turn in range(WARM_UP + TURNS):
        for key, infer in waiting.items():
            start = time.perf_counter()
            infer()
            if turn >= WARM_UP:
                times[key].append(time.perf_counter() - start)
    rows = [
        {
            "model": model,
            "runtime": runtime,
            "input": f"{shape[1]}x{shape[0]}",
            "inference_ms": 1e3 * median(each),
        }
        for (runtime, shape), each in times.items()
    ]
    for row in rows:
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="COCO sets that no training saw")
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    rows = [row for model in SIZES for folder in options.folders for row in measured(model, folder)]
    every = [row for model in SIZES for row in latencies(model)]
    write_text_atomically(
        options.out, json.dumps({"rows": rows, "latencies": every}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()

"""What a second look brings for far signs, and costs, against larger inputs.

    python benchmarks/second_look.py ../shared/data/stop_signs/far_validation \
        ../shared/data/stop_signs/gtsdb --out benchmarks/results/second_look.json

Shipped int8 `.tflite` files on LiteRT, one thread. Every way answers every image of the sets; the
time is that of the whole call (image to boxes), all ways taking turns image by image, its median
and its mean, since a second look costs only where there is doubt.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from sign_sizes import recall_by_pixels

from edgecnn.data.boxes.coco import load_coco
from edgecnn.evaluation.detection import evaluate_detections
from edgecnn.files import write_text_atomically
from edgecnn.registry import require
from edgecnn.vision import load_detector
from edgecnn.vision.detectors.detector import Detector
from edgecnn.vision.detectors.second_look import SecondLook, load_second_look

LOWEST = 0.01
WAYS: dict[str, tuple[tuple[int, bool], ...]] = {
    "stop_sign_small": ((512, False), (512, True), (640, False), (768, False), (1024, False)),
    "stop_sign_nano": ((384, False), (384, True), (512, False), (512, True), (768, False)),
}


def opened(model: str, side: int, second: bool) -> SecondLook | Detector:
    load = load_second_look if second else load_detector
    return load(model, input_size=(side, side))


def measured(model: str, folders: list[Path]) -> list[dict[str, Any]]:
    ways = {(side, second): opened(model, side, second) for side, second in WAYS[model]}
    thresholds = {way: detector.min_score for way, detector in ways.items()}
    rows = []
    for folder in folders:
        data = load_coco(folder)
        found: dict[tuple[int, bool], list[Any]] = {way: [] for way in ways}
        times: dict[tuple[int, bool], list[float]] = {way: [] for way in ways}
        windows = dict.fromkeys(ways, 0)
        for file in data.files:
            image = np.ascontiguousarray(file.load().image[:, :, ::-1])
            for way, detector in ways.items():
                before = getattr(detector, "looked", 0)
                start = time.perf_counter()
                detector(image)
                times[way].append(time.perf_counter() - start)
                windows[way] += getattr(detector, "looked", 0) - before
                detector.min_score = LOWEST
                found[way].append(detector(image))
                detector.min_score = thresholds[way]
        usual = median(times[WAYS[model][0]])
        for way, detector in ways.items():
            scores = evaluate_detections(
                data.files,
                found[way],
                min_score=thresholds[way],
                place=detector.preprocessing.place,
            )
            rows.append(
                {
                    "model": model,
                    "input": way[0],
                    "second_look": way[1],
                    "data": folder.name,
                    "ap50": scores.ap50,
                    "ap50_95": scores.ap50_95,
                    "recall": scores.recall,
                    "recall_small": scores.recall_small,
                    "alarms": scores.false_alarms_per_100,
                    "recall_by_px": recall_by_pixels(data.files, found[way], thresholds[way]),
                    "windows_a_photo": windows[way] / len(data),
                    "call_ms": 1e3 * median(times[way]),
                    "mean_call_ms": 1e3 * mean(times[way]),
                    "times_the_shipped_size": median(times[way]) / usual,
                    "mean_times_the_shipped_size": mean(times[way]) / mean(times[WAYS[model][0]]),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="COCO sets")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    require("cv2", "opencv").setNumThreads(1)
    rows = [row for model in WAYS for row in measured(model, options.folders)]
    write_text_atomically(options.out, json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

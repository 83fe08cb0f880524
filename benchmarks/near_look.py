"""What a near look brings for signs that are large in the input, and costs.

    python benchmarks/near_look.py ../shared/data/stop_signs/ardakbas \
        ../shared/data/stop_signs/rf_stopsign_my ../shared/data/stop_signs/far_validation

Int8 `.tflite` files on LiteRT, one thread, each input size with and without
(`edgecnn.vision.detectors.near_look`). The time is that of the whole call, both ways taking turns
image by image, as the mean, since a near look costs only where something large is seen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sign_sizes import recall_by_pixels

from edgecnn.data.boxes.coco import load_coco
from edgecnn.evaluation.detection import evaluate_detections
from edgecnn.files import write_text_atomically
from edgecnn.registry import require
from edgecnn.vision import load_detector

RESULTS = Path(__file__).parent / "results" / "near_look.json"
LOWEST = 0.01
SIDES = {"stop_sign_small": (512, 640, 768, 1024), "stop_sign_nano": (384, 512, 768)}


def measured(name: str, model: str, side: int, folder: Path) -> list[dict[str, Any]]:
    ways = {
        near: load_detector(model, input_size=(side, side), near_look=near)
        for near in (False, True)
    }
    thresholds = {near: detector.min_score for near, detector in ways.items()}
    data = load_coco(folder)
    found: dict[bool, list[Any]] = {near: [] for near in ways}
    times: dict[bool, list[float]] = {near: [] for near in ways}
    for file in data.files:
        image = np.ascontiguousarray(file.load().image[:, :, ::-1])
        for near, detector in ways.items():
            start = time.perf_counter()
            detector(image)
            times[near].append(time.perf_counter() - start)
            detector.min_score = LOWEST
            found[near].append(detector(image))
            detector.min_score = thresholds[near]
    rows = []
    for near, detector in ways.items():
        place = detector.preprocessing.place
        scores = evaluate_detections(
            data.files, found[near], min_score=thresholds[near], place=place
        )
        rows.append(
            {
                "model": name,
                "input": side,
                "near_look": near,
                "data": folder.name,
                "ap50": scores.ap50,
                "ap50_95": scores.ap50_95,
                "recall": scores.recall,
                "precision": scores.precision,
                "alarms": scores.false_alarms_per_100,
                "recall_by_px": recall_by_pixels(data.files, found[near], thresholds[near]),
                "mean_call_ms": 1e3 * mean(times[near]),
                "times_without": mean(times[near]) / mean(times[False]),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="COCO sets")
    parser.add_argument("--model", action="append", help="NAME or NAME=FILE; both that ship")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    require("cv2", "opencv").setNumThreads(1)
    rows = []
    for word in options.model or list(SIDES):
        name, _, path = word.partition("=")
        for side in SIDES["stop_sign_nano" if "nano" in name else "stop_sign_small"]:
            for folder in options.folders:
                rows += measured(name, path or name, side, folder)
    write_text_atomically(options.out, json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

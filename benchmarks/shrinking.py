"""How fast, and how near to what training did, a frame becomes as small as a detector's input.

`edgecnn.vision.shrink.fit` against OpenCV's INTER_AREA, taking turns, in one thread, on drawn
street scenes; `apart` is the mean distance to `edgecnn.preprocessing` in gray levels.

    python benchmarks/shrinking.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.preprocessing.resample import resize
from edgecnn.vision.shrink import fit

REPORT = Path(__file__).parent / "results" / "shrinking.json"
FRAMES = ((720, 1280), (1080, 1920))
SIDES = (512, 768)
TURNS = 40


def measured(frame: Any, height: int, width: int) -> dict[str, float]:
    ways: dict[str, Callable[[], Any]] = {
        "fit": lambda: fit(frame, height, width),
        "area": lambda: cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    reference = resize(frame.astype(np.float32), height, width)
    apart = {name: float(np.abs(way() - reference).mean()) for name, way in ways.items()}
    return {
        "fit_ms": 1e3 * median(times["fit"]),
        "area_over_fit": median(times["area"]) / median(times["fit"]),
        "fit_apart": apart["fit"],
        "area_apart": apart["area"],
    }


def main() -> None:
    cv2.setNumThreads(1)
    rows = []
    for height, width in FRAMES:
        frame = SyntheticScenes(3, 1, height, width)[0].picture
        for side in SIDES:
            row = {"frame": [width, height], "side": side}
            row |= measured(frame, round(height * side / width), side)
            rows.append(row)
            print(json.dumps(row))
    REPORT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

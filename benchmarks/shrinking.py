"""How fast, and how near to what training did, a frame becomes as small as a detector's input.

`edgecnn.vision.detectors.shrink.fit` against OpenCV's INTER_AREA, taking turns, in one thread, on
drawn street scenes; `apart` is the mean distance to `edgecnn.preprocessing` in gray levels. And a
photo of 12 megapixels, JPEG: decoded in full and then fitted, against decoded no larger than is
needed (`edgecnn.vision.sources.reduced_jpeg`) and fitted from there.

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
from edgecnn.vision.detectors.shrink import fit
from edgecnn.vision.sources.reduced_jpeg import reduction

REPORT = Path(__file__).parent / "results" / "shrinking.json"
PHOTOS = REPORT.with_name("reduced_photos.json")
FRAMES = ((720, 1280), (1080, 1920))
SIDES = (512, 768)
TURNS = 40
PHOTO = (4000, 3000)


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


def decoded(side: int) -> dict[str, Any]:
    """A 4000×3000 JPEG, from bytes to the network's pixels."""
    photo = SyntheticScenes(3, 1, 750, 1000)[0].image
    photo = cv2.GaussianBlur(cv2.resize(photo, PHOTO, interpolation=cv2.INTER_CUBIC), (0, 0), 1)
    noise = np.random.default_rng(0).normal(0, 6, photo.shape)
    content = cv2.imencode(".jpg", np.clip(photo + noise, 0, 255).astype(np.uint8))[1]
    height = round(PHOTO[1] * side / PHOTO[0])
    factor = reduction((PHOTO[1], PHOTO[0]), (side, side))
    flags = {1: 1, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
             8: cv2.IMREAD_REDUCED_COLOR_8}  # fmt: skip
    ways: dict[str, Callable[[], Any]] = {
        "whole": lambda: fit(_image(content, cv2.IMREAD_COLOR), height, side),
        "reduced": lambda: fit(_image(content, flags[factor]), height, side),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS // 4):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    whole = _image(content, cv2.IMREAD_COLOR)
    reference = resize(whole.astype(np.float32), height, side)
    return {
        "photo": list(PHOTO),
        "side": side,
        "reduced_by": factor,
        "whole_ms": 1e3 * median(times["whole"]),
        "whole_over_reduced": median(times["whole"]) / median(times["reduced"]),
        "whole_apart": float(np.abs(ways["whole"]() - reference).mean()),
        "reduced_apart": float(np.abs(ways["reduced"]() - reference).mean()),
    }


def _image(content: Any, flag: int) -> Any:
    image = cv2.imdecode(content, flag)
    assert image is not None, "it was encoded above"
    return image


def main() -> None:
    cv2.setNumThreads(1)
    rows = []
    for height, width in FRAMES:
        frame = SyntheticScenes(3, 1, height, width)[0].image
        for side in SIDES:
            row = {"frame": [width, height], "side": side}
            row |= measured(frame, round(height * side / width), side)
            rows.append(row)
            print(json.dumps(row))
    REPORT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    photos = [decoded(side) for side in SIDES]
    PHOTOS.write_text(json.dumps(photos, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(photos, indent=1))


if __name__ == "__main__":
    main()

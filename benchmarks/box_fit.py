"""How well a detector's boxes fit, by how large the sign is in the network's input.

    python benchmarks/box_fit.py ../shared/data/stop_signs/ardakbas \
        ../shared/data/stop_signs/far_validation --sides 512,1024
    python benchmarks/box_fit.py … --model before=old.tflite --model after=new.tflite

The overlap (IoU) of each sign with the box that fits it best, of those with a score of at least
0.3: its median and mean for each range of sizes. A box that overlaps by 0.75 counts for half of
AP50-95 and for all of AP50.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.boxes.coco import load_coco
from edgecnn.files import write_text_atomically
from edgecnn.geometry import iou
from edgecnn.registry import require
from edgecnn.vision import load_detector

RESULTS = Path(__file__).parent / "results" / "box_fit.json"
EDGES = (0, 24, 48, 96, 192, 384, math.inf)
"""Of a sign's side, the root of its area, in pixels of the input."""
LOWEST_SCORE = 0.3


def fits(model: str, side: int, folder: Path) -> Iterator[tuple[float, float]]:
    """(side of a sign in the input, overlap of its best box) for every sign of a set."""
    detector = load_detector(model, input_size=(side, side), min_score=LOWEST_SCORE)
    for file in load_coco(folder).files:
        if not len(file.boxes):
            continue
        image = np.ascontiguousarray(file.load().image[:, :, ::-1])
        found = detector(image)
        scale = side / max(image.shape[:2])
        best = iou(file.boxes, found.xyxy).max(axis=1, initial=0)
        sides = file.boxes[:, 2:] - file.boxes[:, :2]
        for each, overlap in zip(sides, best, strict=True):
            yield scale * math.sqrt(float(each[0] * each[1])), float(overlap)


def rows(name: str, model: str, side: int, folders: list[Path]) -> Iterator[dict[str, Any]]:
    pairs = np.asarray([pair for folder in folders for pair in fits(model, side, folder)])
    for low, high in pairwise(EDGES):
        here = pairs[(pairs[:, 0] >= low) & (pairs[:, 0] < high), 1]
        if len(here):
            yield {
                "model": name,
                "input": side,
                "px": f"{low}+" if math.isinf(high) else f"{low}-{high}",
                "signs": len(here),
                "median_iou": float(np.median(here)),
                "mean_iou": float(here.mean()),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="COCO sets, pooled")
    parser.add_argument("--model", action="append", help="NAME or NAME=FILE; both that ship")
    parser.add_argument("--sides", default="512,1024", help="of square inputs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    require("cv2", "opencv").setNumThreads(1)
    models = options.model or ["stop_sign_small", "stop_sign_nano"]
    found = []
    for word in models:
        name, _, path = word.partition("=")
        for side in map(int, options.sides.split(",")):
            for row in rows(name, path or name, side, options.folders):
                found.append(row)
                print(json.dumps(row), flush=True)
    document = {"data": [folder.name for folder in options.folders], "rows": found}
    write_text_atomically(options.out, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

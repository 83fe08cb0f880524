"""How well stop-sign detectors see photos of each source, with what training saw of it.

    python benchmarks/by_source.py --data ../shared/data/stop_signs
    python benchmarks/by_source.py --data ../shared/data/stop_signs --model mine.tflite \
        --out benchmarks/results/by_source_mine.json

Photos of a source that training took others from are friendlier than any that it never saw, so
the headline is the source that was left out of training; `far_validation`, which is for validation
alone, has a column of its own. Each source is scored on the photos that training did not see: all
of one that was left out, the held-out blocks of the others. Weights for a row of another source
left out are trained by naming all but it, from weights that never saw it either:

    edgecnn train --model stop_sign_small --data coco:A,B,C --out left.keras
    edgecnn convert left.keras --to tflite:static_int8 --calibration coco:A,B,C --out left

`alarms` are photos with a false alarm in 100 without a sign, at the threshold of the file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sign_sizes import recall_by_pixels

from edgecnn.data import load
from edgecnn.data.boxes.base import BoxedFile, split_in_blocks
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.splitting.training_overlap import overlap_mask
from edgecnn.detection.detections import Detections
from edgecnn.detection.nms import iou
from edgecnn.evaluation.detection import evaluate_detections
from edgecnn.files import write_text_atomically
from edgecnn.manifest import Manifest
from edgecnn.registry import require
from edgecnn.vision import Detector, load_detector

RESULTS = Path(__file__).parent / "results" / "by_source.json"
SOURCES = (
    "roadsign877",
    "rf_stopsigns210",
    "gtsdb",
    "rf_roadsigns_id",
    "rf_stopsign_my",
    "panoramax_fr",
    "ardakbas",
    "far_validation",
)
FAR = "far_validation"
LOWEST_SCORE = 0.01
THRESHOLDS = np.arange(0.30, 0.96, 0.05)
BLOCK, EVERY, OFFSET = 40, 5, 2
"""What the first weights were held out of."""


@dataclass(frozen=True)
class Part:
    """The photos of a source that training did not see, and how many of all it saw."""

    files: tuple[BoxedFile, ...]
    saw: int
    of: int


def unseen(folder: Path, manifest: Manifest) -> Part:
    known = manifest.data.get("sha256")
    if isinstance(known, Mapping):  # of the first weights: a digest a source, of its kept blocks
        whole = load_coco(folder)
        files = whole.files
        kept, held = split_in_blocks(whole, block=BLOCK, every=EVERY, offset=OFFSET)
        if known.get(folder.name) == kept.sha256:
            return Part(held.files, len(kept), len(files))
        return Part(files, 0, len(files))
    dataset: Any = load(f"coco:{folder}")
    files = dataset["test"].files
    seen = overlap_mask(manifest, dataset, "test")
    if seen is None:
        return Part(files, 0, len(files))
    rest = tuple(file for file, was in zip(files, seen.tolist(), strict=True) if not was)
    return Part(rest, int(seen.sum()), len(files))


def found_in(detector: Detector, files: Sequence[BoxedFile]) -> list[Detections]:
    """Boxes down to LOWEST_SCORE in every photo."""
    shown = detector.min_score
    detector.min_score = LOWEST_SCORE
    try:
        return [detector(np.ascontiguousarray(file.load().image[:, :, ::-1])) for file in files]
    finally:
        detector.min_score = shown


def scored(
    detector: Detector, files: Sequence[BoxedFile], found: Sequence[Detections]
) -> dict[str, Any]:
    negatives = [
        bool(len(one.at_least(detector.min_score)))
        for one, file in zip(found, files, strict=True)
        if file.without_objects
    ]
    row: dict[str, Any] = {
        "photos": len(files),
        "signs": sum(len(file.boxes) for file in files),
        "negatives": len(negatives),
        "alarms": 100 * float(np.mean(negatives)) if negatives else None,
    }
    if row["signs"]:
        scores = evaluate_detections(
            files,
            found,
            min_score=detector.min_score,
            place=detector.preprocessing.place,
            resamples=400,
        )
        row |= {
            name: getattr(scores, name)
            for name in (
                "ap50", "ap50_ci95", "ap50_95", "recall", "recall_small", "recall_medium",
                "recall_large", "precision",
            )
        }  # fmt: skip
    if row["signs"]:
        row["recall_by_px"] = recall_by_pixels(files, found, detector.min_score)
    row["thresholds"] = [_at(files, found, float(score)) for score in THRESHOLDS]
    return row


def _at(
    files: Sequence[BoxedFile], found: Sequence[Detections], min_score: float
) -> dict[str, float | None]:
    """What a threshold does: photos with a false alarm in 100, and recall at an IoU of 0.5."""
    alarms, hits = [], []
    for file, each in zip(files, found, strict=True):
        shown = each.at_least(min_score)
        if len(file.boxes):
            hits += (iou(file.boxes, shown.xyxy).max(axis=1, initial=0) >= 0.5).tolist()
        elif file.without_objects:
            alarms.append(bool(len(shown)))
    return {
        "min_score": round(min_score, 2),
        "alarms": 100 * float(np.mean(alarms)) if alarms else None,
        "recall": float(np.mean(hits)) if hits else None,
    }


def measured(model: str, side: int | None, data: Path, sources: Sequence[str]) -> dict[str, Any]:
    size = None if side is None else (side, side)
    detector = load_detector(model, input_size=size)
    manifest = load_detector(model).artifact.manifest if size else detector.artifact.manifest
    rows: dict[str, Any] = {}
    pooled: list[tuple[BoxedFile, Detections]] = []
    for source in sources:
        part = unseen(data / source, manifest)
        found = found_in(detector, part.files)
        rows[source] = {"saw": part.saw, "of": part.of, **scored(detector, part.files, found)}
        if not part.saw and source != FAR:
            pooled += zip(part.files, found, strict=True)
    left_out = [name for name, row in rows.items() if not row["saw"] and name != FAR]
    together = (
        scored(detector, [file for file, _ in pooled], [found for _, found in pooled])
        if pooled
        else None
    )
    return {
        "model": Path(model).name,
        "input": side or max(detector.preprocessing.shape[:2]),
        "min_score": detector.min_score,
        "sha256": detector.artifact.sha256,
        "left_out": left_out,
        "unseen_sources": together,
        "sources": rows,
    }


def table(rows: Sequence[Mapping[str, Any]], sources: Sequence[str]) -> str:
    """Markdown: a row a model and size, a column a source."""
    lines = [
        "| model | input | sources left out | " + " | ".join(sources) + " |",
        "|---" * (3 + len(sources)) + "|",
    ]
    for row in rows:
        cells = [_cell(row["unseen_sources"])]
        for source in sources:
            part = row["sources"][source]
            saw = f" (saw {part['saw']} of {part['of']})" if part["saw"] else ""
            cells.append(_cell(part) + saw)
        lines.append(f"| {row['model']} | {row['input']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(part: Mapping[str, Any] | None) -> str:
    if part is None:
        return "–"
    words = []
    if "ap50" in part:
        words.append(f"{part['ap50']:.3f} / {part['ap50_95']:.3f}")
    if part["alarms"] is not None:
        words.append(f"alarms {part['alarms']:.1f}")
    return ", ".join(words) or "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the COCO sources")
    parser.add_argument("--model", action="append", help="names or files instead of those shipped")
    parser.add_argument("--sources", default=",".join(SOURCES))
    parser.add_argument("--input-sizes", default="", help="sides; without, the file's own")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    require("cv2", "opencv").setNumThreads(1)
    sources = options.sources.split(",")
    sides = [int(side) for side in options.input_sizes.split(",") if side] or [None]
    rows = []
    for model in options.model or ("stop_sign_small", "stop_sign_nano"):
        for side in sides:
            rows.append(measured(model, side, options.data, sources))
            print(table(rows[-1:], sources), flush=True)
    document = {"data": options.data.name, "rows": rows}
    write_text_atomically(options.out, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

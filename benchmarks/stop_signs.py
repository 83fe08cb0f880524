"""How well and how fast the shipped stop-sign detectors see: every file in every runtime.

    python benchmarks/stop_signs.py --data ../shared/data/stop_signs

Photographs, none of which the weights have seen:

- `roadsign877`: held-out blocks of file numbers (the third of every five blocks of 40); streets,
  most without a stop sign. The only images that show false alarms.
- `rf_stopsigns210`: held-out block of the same rule.
- `ardakbas`: a whole source that training never touched; close-ups, stretched to squares.

`streets` is the first two together, `all` the three. How well a source is seen that training never
took a photo from, `by_source.py` shows; `--leave-out SOURCE` scores on the whole of a source here
(results/stop_signs_left_out.json: weights trained on roadsign877 alone, by a trainer of its own
that is gone).

Times are one thread, the median of 200 inferences after 20, input bound before and outputs on
the host after; `frame_ms` is a whole call on a 640×480 image. Results go to
benchmarks/results/stop_signs.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxDataset, BoxedFile, split_in_blocks
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.detection.detections import Detections
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import EdgeCNNError
from edgecnn.evaluation.detection import GroundTruth, evaluate_detections
from edgecnn.files import write_text_atomically
from edgecnn.registry import RUNTIMES, require
from edgecnn.system.places import ASSETS
from edgecnn.vision import Detector, load_detector
from edgecnn.vision.detectors.detector import shipped_models

RESULTS = Path(__file__).parent / "results" / "stop_signs.json"
CONFIGURATIONS = ("litert:cpu", "onnxruntime:cpu", "openvino:cpu", "opencv:cpu")
LOWEST_SCORE = 0.01
STREETS = ("roadsign877", "rf_stopsigns210")
CLOSE_UPS = "ardakbas"


def evaluation_sets(folder: Path) -> dict[str, BoxDataset]:
    """The held-out parts of the training sources, and the source kept for validation."""
    sets = {}
    for name in STREETS:
        _, held_out = split_in_blocks(load_coco(folder / name), block=40, every=5, offset=2)
        sets[name] = held_out
    return {**sets, CLOSE_UPS: load_coco(folder / CLOSE_UPS)}


def score(detector: Detector, sets: dict[str, BoxDataset], min_score: float) -> dict[str, Any]:
    """Scores a set and on all together, with every box down to LOWEST_SCORE."""
    place = detector.preprocessing.place
    ground_truths: list[GroundTruth] = []
    found: list[Detections] = []
    scores = {}
    for name, data in sets.items():
        start = len(ground_truths)
        for file in data.files:
            result = detector(_bgr(file))
            ground_truths.append(
                GroundTruth(
                    file.boxes,
                    file.ignored,
                    file.height,
                    file.width,
                    incomplete=file.incomplete,
                )
            )
            found.append(result)
        scores[name] = evaluate_detections(
            ground_truths[start:], found[start:], min_score=min_score, place=place
        ).to_dict()
        if name == CLOSE_UPS and start:
            scores["streets"] = evaluate_detections(
                ground_truths[:start], found[:start], min_score=min_score, place=place
            ).to_dict()
    scores["all"] = evaluate_detections(
        ground_truths, found, min_score=min_score, place=place
    ).to_dict()
    return scores


@cache
def _images() -> dict[Path, npt.NDArray[np.uint8]]:
    return {}


def _bgr(file: BoxedFile) -> npt.NDArray[np.uint8]:
    """A photo as a camera would give it, decoded once for all files and runtimes."""
    kept = _images()
    if file.path not in kept:
        kept[file.path] = np.ascontiguousarray(file.load().image[:, :, ::-1])
    return kept[file.path]


def speed(detector: Detector, *, count: int = 200) -> dict[str, float]:
    """Milliseconds on one thread: the inference alone, and a whole 640×480 frame."""
    frame = SyntheticScenes(0, 1, 480, 640)[0].image
    tensor, _ = detector.prepare(frame)
    infer = detector.session.bind([tensor])
    return {
        "infer_ms": _median_ms(infer, count),
        "frame_ms": _median_ms(lambda: detector(frame), count),
    }


def _median_ms(work: Any, count: int) -> float:
    samples = []
    for index in range(count + 20):
        start = time.perf_counter_ns()
        work()
        if index >= 20:
            samples.append(time.perf_counter_ns() - start)
    return float(np.median(samples)) / 1e6


def measure(path: Path, configuration: str, sets: dict[str, BoxDataset]) -> dict[str, Any] | None:
    """One file in one runtime; None when this runtime is absent or does not take the file."""
    runtime = configuration.partition(":")[0]
    artifact = load_artifact(path)
    try:
        if artifact.format not in RUNTIMES.load(runtime).formats:
            return None
        detector = load_detector(path, runtime=configuration, min_score=LOWEST_SCORE)
    except EdgeCNNError as error:
        print(f"{path.name} {configuration}: {error.message}", flush=True)
        return None
    min_score = float(artifact.manifest.metrics.get("min_score", 0.4))
    scores = score(detector, sets, min_score)
    detector.min_score = min_score  # fewer boxes to sort out, as in use
    row = {
        "file": path.name,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "configuration": configuration,
        "input": list(detector.preprocessing.shape),
        "precision": detector.session.effective.precision,
        "runtime_version": detector.session.effective.runtime_version,
        "min_score": min_score,
        **speed(detector),
        "scores": scores,
    }
    _show(row)
    return row


def _show(row: dict[str, Any]) -> None:
    everything = row["scores"]["all"]
    alarms = everything["false_alarms_per_100"]
    print(
        f"{row['file']:38} {row['configuration']:16} AP50 {everything['ap50']:.3f} "
        f"AP50-95 {everything['ap50_95']:.3f} recall {everything['recall']:.3f} "
        f"alarms/100 {'–' if alarms is None else format(alarms, '.1f')} "
        f"{row['infer_ms']:.2f} ms, frame {row['frame_ms']:.2f} ms",
        flush=True,
    )


def _files(models: list[Path] | None) -> Sequence[Path]:
    if models:
        return models
    return [
        path
        for name in shipped_models()
        for path in sorted(ASSETS.glob(f"{name}*"))
        if path.suffix in (".tflite", ".onnx")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Score and time the stop-sign detectors.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the COCO sources")
    parser.add_argument(
        "--model", type=Path, action="append", help="a file, or several, instead of those that ship"
    )
    parser.add_argument("--leave-out", help="score on the whole of this source, not on a part")
    parser.add_argument("--runtimes", default=",".join(CONFIGURATIONS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    require("cv2", "opencv").setNumThreads(1)
    sets = evaluation_sets(options.data)
    if options.leave_out:
        sets = {**sets, options.leave_out: load_coco(options.data / options.leave_out)}
    rows = [
        row
        for path in _files(options.model)
        for configuration in options.runtimes.split(",")
        if (row := measure(path, configuration, sets)) is not None
    ]
    document = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"processor": _processor(), "system": platform.platform()},
        "threads": 1,
        "sets": {
            name: {
                "photos": len(data),
                "signs": sum(len(file.boxes) for file in data.files),
                "without_signs": len(data.negatives),
                "sha256": data.sha256,
            }
            for name, data in sets.items()
        },
        "rows": rows,
    }
    write_text_atomically(options.out, json.dumps(document, indent=1) + "\n")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()

"""Two runtimes, or two models, side by side: python demos/compare_runtimes.py synthetic

The same frames go to both. To compare a detector of another maker with ours, add
--models stop_sign_small yolo11n.tflite --classes "stop sign".

Both look at every frame, one after the other, so that neither takes the other's cores. What is
compared is the whole way from image to boxes; `edgecnn benchmark` measures the network alone,
with warm-ups, repetitions and intervals.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from edgecnn.errors import EdgeCNNError, GateError
from edgecnn.files import refuse_input_as_output
from edgecnn.vision import Detections, Detector, load_detector
from edgecnn.vision.outputs.recording import Recorder
from edgecnn.vision.overlay import StatusPanel, draw
from edgecnn.vision.pipeline.detecting import warm_up
from edgecnn.vision.sources import parse_source
from edgecnn.vision.sources.capture import Capture
from edgecnn.vision.tracking import Track, enlarged_iou

WARM_UP = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", nargs="?", default="0")
    parser.add_argument("--runtimes", nargs=2, default=["litert:cpu", "onnxruntime:cpu"])
    parser.add_argument("--models", nargs=2, default=["stop_sign_small"] * 2)
    parser.add_argument("--classes", default="", help="what to find, as in 'stop sign,person'")
    parser.add_argument("--heads", nargs=2, default=["", ""], help="of models that do not say it")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many")
    parser.add_argument("--record", type=Path, help="write a .mp4 instead of opening a window")
    arguments = parser.parse_args()
    try:
        compare(arguments)
    except EdgeCNNError as error:
        print(f"{error.message}\n  → {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def compare(arguments: argparse.Namespace) -> None:
    """Show both, then say how long each took and how far they agreed."""
    source = parse_source(arguments.source)
    if arguments.record:
        refuse_input_as_output(arguments.record, source.files)
    wanted = [name.strip() for name in arguments.classes.split(",") if name.strip()]
    detectors = [
        load_detector(model, runtime=runtime, classes=wanted, head=head)
        for model, runtime, head in zip(
            arguments.models, arguments.runtimes, arguments.heads, strict=True
        )
    ]
    for detector in detectors:
        warm_up(detector)
    durations: tuple[list[float], list[float]] = ([], [])
    agreements: list[float] = []
    recorder = Recorder(arguments.record, force=True) if arguments.record else None
    capture = Capture(source)
    capture.start()
    try:
        while (frame := capture.next()) is not None:
            halves, found = [], []
            for index, detector in enumerate(detectors):
                began = time.perf_counter_ns()
                found.append(detector(frame.image))
                durations[index].append((time.perf_counter_ns() - began) / 1e6)
                halves.append(half(frame.image, found[-1], detector, arguments.runtimes[index],
                                   durations[index]))  # fmt: skip
            agreements.append(agreement(*found))
            both = np.concatenate(halves, axis=1)
            if recorder is not None:
                recorder.write(both, frame.seconds)
            else:
                cv2.imshow("the same frames (q quits)", both)
                if cv2.waitKey(1) == ord("q"):
                    break
            if len(agreements) == arguments.frames:
                break
    finally:
        capture.close()
        if recorder is not None:
            recorder.close()
    tell(arguments.runtimes, detectors, durations, agreements)
    if recorder is not None and recorder.trouble:
        raise GateError(recorder.trouble, hint="free some space and run it again")


def half(
    image: np.ndarray, found: Detections, detector: Detector, runtime: str, took: list[float]
) -> np.ndarray:
    """The frame with this runtime's boxes; without a tracker, to show what it really says."""
    names = [detector.name_of(int(class_id)) for class_id in found.class_ids]
    tracks = [
        Track(number, tuple(map(float, box)), score, True, 1, 0.0, 0.0, score, name)
        for number, ((box, score), name) in enumerate(zip(found, names, strict=True), start=1)
    ]
    fps = 1000 / max(median(took[-30:]), 1e-3)
    precision = detector.session.effective.precision
    return draw(image, tracks, StatusPanel(fps, runtime=runtime, precision=precision))


def agreement(first: Detections, second: Detections) -> float:
    """The share of boxes that the other has, too (IoU 0.5 or more); 1 when both have none."""
    if not len(first) or not len(second):
        return float(len(first) == len(second))
    overlap = enlarged_iou(first.xyxy.astype(float), second.xyxy.astype(float), 0.0) >= 0.5
    return float((overlap.any(1).sum() + overlap.any(0).sum()) / (len(first) + len(second)))


def tell(
    runtimes: list[str],
    detectors: list[Detector],
    durations: tuple[list[float], list[float]],
    agreements: list[float],
) -> None:
    for runtime, detector, times in zip(runtimes, detectors, durations, strict=True):
        settled = times[WARM_UP:] or times
        took = f"{median(settled):7.2f} ms a frame (median of {len(settled)})" if settled else "-"
        print(f"{runtime:<18} {detector.session.effective.precision:<9} {took}")
    if agreements:
        print(f"same boxes: {np.mean(agreements):.1%} over {len(agreements)} frames")


if __name__ == "__main__":
    sys.exit(main())

"""What a call of a shipped detector takes besides its inference: from a camera's frame to boxes.

    python benchmarks/frame_to_boxes.py

Preparing (shrink, letterbox, levels), inference and finishing (peaks, boxes) of one frame after
another, in one thread on LiteRT. `ms` is the processor time of the thread, which a busy machine
changes little; `wall_ms` is what the clock said. Medians over all frames; frames of both sizes and
all detectors take turns.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgecnn.benchmarking.machine.description import capture
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.files import write_text_atomically
from edgecnn.registry import require
from edgecnn.vision import load_detector

RESULTS = Path(__file__).parent / "results" / "frame_to_boxes.json"
FRAMES = ((1280, 720), (1920, 1080))
ALLOWED_MS = {(1280, 720): 1.5, (1920, 1080): 3.0}
"""Without inference, on one core."""
INPUTS = (("stop_sign_small", None), ("stop_sign_small", 768), ("stop_sign_nano", None))
CALLS = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    require("cv2", "opencv").setNumThreads(1)
    detectors = {
        (name, side): load_detector(name, input_size=side and (side, side)) for name, side in INPUTS
    }
    frames = {size: drawn(*size) for size in FRAMES}
    taken: dict[tuple[Any, Any], list[list[tuple[float, float]]]] = defaultdict(list)
    for number in range(options.calls + 5):
        for key, size in itertools.product(detectors, FRAMES):
            detector, frame = detectors[key], frames[size][number % len(frames[size])]
            (tensor, place), preparing = timed(lambda: detector.prepare(frame))  # noqa: B023
            outputs, inference = timed(lambda: detector.infer(tensor))  # noqa: B023
            _, finishing = timed(lambda: detector.finish(outputs, place, frame.shape))  # noqa: B023
            if number >= 5:
                taken[key, size].append([preparing, inference, finishing])
    rows = []
    for ((name, side), (width, height)), calls in taken.items():
        cpu, wall = np.moveaxis(np.asarray(calls), 2, 0) * 1e3
        beside = median((cpu[:, 0] + cpu[:, 2]).tolist())
        rows.append(
            {
                "detector": name,
                "input": detectors[name, side].preprocessing.shape[:2],
                "frame": [width, height],
                "calls": len(calls),
                **{
                    f"{stage}_ms": round(median(cpu[:, at].tolist()), 3)
                    for at, stage in enumerate(("preparing", "inference", "finishing"))
                },
                "beside_inference_ms": round(beside, 3),
                "allowed_ms": ALLOWED_MS[width, height],
                "beside_inference_wall_ms": round(median((wall[:, 0] + wall[:, 2]).tolist()), 3),
            }
        )
        print(json.dumps(rows[-1]))
    machine = capture().machine
    document = {
        "machine": machine["cpu_model"],
        "load": machine["load_average"],
        "rows": rows,
    }
    write_text_atomically(options.out, json.dumps(document, indent=1) + "\n")


def drawn(width: int, height: int) -> list[Any]:
    """Eight street scenes of that size, BGR."""
    cv2 = require("cv2", "opencv")
    scenes = SyntheticScenes(7, 8)
    return [cv2.resize(scenes[number].image[:, :, ::-1], (width, height)) for number in range(8)]


def timed(call: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """What it gives back, and (seconds of this thread's processor, of the clock)."""
    clock, processor = time.perf_counter(), time.thread_time()
    found = call()
    return found, (time.thread_time() - processor, time.perf_counter() - clock)


if __name__ == "__main__":
    main()

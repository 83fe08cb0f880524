"""How many scenes a second are drawn to train on? The goal is 200 on two cores.

    python benchmarks/scenes.py --out benchmarks/results/scenes.json

Scenes of 416×416, as the stop-sign detectors are trained on (`train --drawn`), in as many processes
as there are cores to use, one OpenCV thread each. Every round draws other scenes; the digest over
the first hundred shows whether two machines or versions draw identical scenes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.files import write_text_atomically
from edgecnn.registry import require
from edgecnn.runtimes.host import cpu_name

SEED, SIDE = 7, 416
GOAL_PER_S = 200.0
DIGESTED = 100


def draw(first: int, count: int) -> float:
    """Draw scenes first … first + count − 1; seconds of processor time."""
    require("cv2", "opencv").setNumThreads(1)
    scenes = SyntheticScenes(SEED, first + count, SIDE, SIDE)
    began = time.process_time()
    for index in range(first, first + count):
        scenes[index]
    return time.process_time() - began


def digest() -> str:
    """SHA-256 over images and boxes of the first hundred scenes."""
    content = hashlib.sha256()
    for scene in SyntheticScenes(SEED, DIGESTED, SIDE, SIDE):
        content.update(scene.image.tobytes())
        content.update(scene.boxes.tobytes())
    return content.hexdigest()


def one_round(pool: ProcessPoolExecutor, cores: int, first: int, count: int) -> dict[str, Any]:
    began = time.perf_counter()
    starts = [first + worker * count for worker in range(cores)]
    processor = sum(pool.map(draw, starts, [count] * cores))
    return {
        "per_s": cores * count / (time.perf_counter() - began),
        "processor_ms": 1e3 * processor / (cores * count),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scenes", type=int, default=400, help="a round and core")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    load_before = os.getloadavg()
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(draw, [0] * cores, [20] * cores))  # import, fonts and sheets of noise
        rounds = [
            one_round(pool, cores, number * cores * options.scenes, options.scenes)
            for number in range(options.rounds)
        ]
    rate = median(one["per_s"] for one in rounds)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_name(), "cores": cores, "system": platform.platform(),
            "load_before": load_before, "load_after": os.getloadavg(),
        },
        "versions": {name: version(name) for name in ("opencv-python", "numpy")},
        "scenes": f"{SIDE}x{SIDE}, seed {SEED}, {options.scenes} a round and core",
        "sha256_first_100": digest(),
        "summary": {"per_s": rate, "goal": GOAL_PER_S, "reached": rate >= GOAL_PER_S},
        "rounds": rounds,
    }  # fmt: skip
    print(json.dumps(document["summary"], indent=2))
    if options.out is not None:
        write_text_atomically(options.out, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

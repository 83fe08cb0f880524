"""Does the live pipeline overlap its stages, and how old is a result?

    python benchmarks/live_pipeline.py --out benchmarks/results/live_pipeline.json

A drawn street of 640×480 goes through `Pipeline` headless, the network on one thread. Two goals:

- a file: at least 90% of the frames per second that the slowest single stage allows. Every
  stage is timed alone, on the same frames, in the same process, before each run: alone and not
  within the run, where a stage that waits for a core would count as slow and flatter the share;
- a live source at 30 frames/s: 95% of results are known within two inference times plus 15 ms
  after capture.

Where the stages are of one size, cores set another limit: two of them cannot do four stages at
once. `limit_of_cores_fps` is cores over the sum of all stages' processor time, and
`share_of_possible` the share of the lower of the two limits. It explains; the goal is
the first share.

Rounds alternate between stages alone and the pipeline, so that a machine that is busy with
something else disturbs both; load averages and every round are kept. On a machine that others
use, `chrt -f 1 python benchmarks/live_pipeline.py` goes before them for the quarter of a minute
that it takes; the result says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from edgecnn.files import write_text_atomically
from edgecnn.runtimes.host import cpu_name
from edgecnn.vision import Detector, load_detector
from edgecnn.vision.pipeline import Pipeline
from edgecnn.vision.pipeline.detecting import warm_up
from edgecnn.vision.sources import Source, parse_source
from edgecnn.vision.sources.frames import ImageArray
from edgecnn.vision.sources.readers import open_reader
from edgecnn.vision.sources.street import Street
from edgecnn.vision.tracking import Tracker

WIDTH, HEIGHT, FPS = 640, 480, 30.0
SETTLING = 20
ALLOWANCE_MS = 15.0
GOAL_SHARE = 0.9


class Replay:
    """Drawn frames handed out at 30 a second, as a camera does: drawing costs nothing then."""

    fps = FPS
    unreadable = 0

    def __init__(self, frames: list[ImageArray], count: int) -> None:
        self._frames, self._count, self._given = frames, count, 0
        self._began = time.monotonic()

    def read(self) -> tuple[ImageArray, float, str] | None:
        if self._given == self._count:
            time.sleep(0.5)  # a live source that ends is a camera that went: let results out
            return None
        early = self._began + self._given / FPS - time.monotonic()
        if early > 0:
            time.sleep(early)
        image = self._frames[self._given % len(self._frames)]
        self._given += 1
        return image.copy(), -1.0, ""

    def close(self) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="stop_sign_small,stop_sign_nano")
    parser.add_argument("--runtime", default="litert:cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    street = Street(0, width=WIDTH, height=HEIGHT, fps=FPS)
    frames = [street.draw(tick) for tick in range(arguments.frames)]
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "street.mp4"
        write_video(video, frames)
        models = {
            name: measure(name, arguments.runtime, arguments.rounds, video, frames)
            for name in arguments.models.split(",")
        }
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_name(),
            "cores": len(os.sched_getaffinity(0)),
            "system": platform.platform(),
            "scheduler": scheduler(),
            "load_before": load_before,
            "load_after": os.getloadavg(),
        },
        "versions": {name: version(name) for name in ("opencv-python", "numpy", "ai-edge-litert")},
        "frames": f"{WIDTH}x{HEIGHT}, {arguments.frames} a round, headless",
        "models": models,
    }
    print(json.dumps({name: models[name]["summary"] for name in models}, indent=2))
    if arguments.out is not None:
        write_text_atomically(arguments.out, json.dumps(document, indent=1) + "\n")
    return 0


def measure(
    name: str, runtime: str, rounds: int, video: Path, frames: list[ImageArray]
) -> dict[str, Any]:
    """All rounds of one model."""
    detector = load_detector(name, runtime=runtime, threads=1)
    warm_up(detector)
    measured = [one_round(video, detector, frames) for _ in range(rounds)]
    return {
        "file": detector.artifact.name,
        "sha256": detector.artifact.sha256,
        "runtime": runtime,
        "precision": detector.session.effective.precision,
        "summary": summary(measured),
        "rounds": measured,
    }


def scheduler() -> str:
    """How this process competes with others: "fifo" goes before everything that is ordinary."""
    return {os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr"}.get(os.sched_getscheduler(0), "ordinary")


def write_video(path: Path, frames: list[ImageArray]) -> None:
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), fourcc, FPS, (WIDTH, HEIGHT))
    for frame in frames:
        writer.write(frame)
    writer.release()


def one_round(video: Path, detector: Detector, frames: list[ImageArray]) -> dict[str, Any]:
    alone, processor = stages_alone(video, detector, frames)
    slowest = max(alone, key=lambda stage: alone[stage])
    limit = 1000 / alone[slowest]
    of_cores = 1000 * len(os.sched_getaffinity(0)) / sum(processor.values())
    fps = file_fps(video, detector)
    latency, drops = live_latency(frames, detector)
    return {
        "alone_mean_ms": alone,
        "alone_processor_ms": processor,
        "slowest": slowest,
        "limit_fps": limit,
        "pipeline_fps": fps,
        "share": fps / limit,
        "limit_of_cores_fps": of_cores,
        "share_of_possible": fps / min(limit, of_cores),
        "live_latency_p95_ms": latency,
        "live_allowed_ms": 2 * alone["infer"] + ALLOWANCE_MS,
        "live_drops": drops,
        "load": os.getloadavg()[0],
    }


def stages_alone(
    video: Path, detector: Detector, frames: list[ImageArray]
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean milliseconds of each stage with nothing else running: by the clock, and of processors.

    The mean and not the median, because a rate is made of all frames, slow ones included.
    """
    reader = open_reader(parse_source(str(video)))
    prepared: list[Any] = []
    answered: list[Any] = []
    tracker = Tracker()

    def infer(number: int) -> None:
        tensor, place = prepared[number]
        answered.append((detector.infer(tensor), place))

    def follow(number: int) -> None:
        outputs, place = answered[number]
        found = detector.finish(outputs, place, frames[number].shape)
        tracker.update(found.xyxy, found.scores, number / FPS)

    stages: dict[str, Callable[[int], object]] = {
        "decode": lambda _: reader.read(),
        "prepare": lambda number: prepared.append(detector.prepare(frames[number])),
        "infer": infer,
        "follow": follow,
    }
    clock, processor = {}, {}
    for stage, work in stages.items():
        for number in range(SETTLING):
            work(number)
        began, used = time.perf_counter(), time.process_time()
        for number in range(SETTLING, len(frames)):
            work(number)
        count = len(frames) - SETTLING
        clock[stage] = 1000 * (time.perf_counter() - began) / count
        processor[stage] = 1000 * (time.process_time() - used) / count
    reader.close()
    return clock, processor


def file_fps(video: Path, detector: Detector) -> float:
    """Frames per second through the pipeline, once it has filled."""
    with Pipeline(str(video), detector) as pipeline:
        finished = [result.finished_ns for result in pipeline]
    settled = finished[SETTLING:]
    return (len(settled) - 1) * 1e9 / (settled[-1] - settled[0])


def live_latency(frames: list[ImageArray], detector: Detector) -> tuple[float, int]:
    """95th percentile, milliseconds, from capture to result; and how many frames were dropped."""
    source = Source("camera", "replay", live=True)
    ages = []
    with Pipeline(source, detector, opener=lambda _: Replay(frames, len(frames))) as pipeline:
        for result in pipeline:
            ages.append((result.finished_ns - result.frame.captured_ns) / 1e6)
            if result.frame.number >= len(frames) - 1:
                break
        drops = pipeline.capture.drops
    return float(np.quantile(ages[SETTLING:], 0.95)), drops


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    shares = [one["share"] for one in rounds]
    latencies = [one["live_latency_p95_ms"] for one in rounds]
    allowed = [one["live_allowed_ms"] for one in rounds]
    return {
        "share_of_slowest_stage": {"median": median(shares), "least": min(shares),
                                   "goal": GOAL_SHARE, "reached": median(shares) >= GOAL_SHARE},
        "share_of_possible": median(one["share_of_possible"] for one in rounds),
        "live_p95_ms": {"median": median(latencies), "most": max(latencies),
                        "allowed": median(allowed),
                        "reached": median(latencies) < median(allowed)},
        "pipeline_fps": median(one["pipeline_fps"] for one in rounds),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

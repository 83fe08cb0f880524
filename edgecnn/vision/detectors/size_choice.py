"""Choose the input size for a source: what was asked for, in the shape of its frames, or the
largest that keeps its frame rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from edgecnn.errors import InputError
from edgecnn.system.opencv_threads import opencv_in_one_thread
from edgecnn.vision.detectors.detector import Detector
from edgecnn.vision.detectors.input_size import CHOICES, Size, parse_size, size_for
from edgecnn.vision.detectors.second_look import SecondLook
from edgecnn.vision.pipeline.detecting import DetectorLike
from edgecnn.vision.sources import Source
from edgecnn.vision.sources.capture import Capture, Patience
from edgecnn.vision.sources.frames import ImageArray

AUTO = "auto"
USUAL_FPS = 30.0
"""Where a source does not state its frame rate."""
RESERVE = 0.85
"""Share of the time between two frames that detecting one may take."""
TRIED = 7
"""Calls that a size is timed by, after two that warm up."""


def choose_size(
    text: str,
    source: Source,
    load: Callable[[Size], DetectorLike],
    patience: Patience | None = None,
) -> tuple[Size | None, str]:
    """The input size for `source`, None where nothing is asked for, and what to say about it.

    `text` is "", a longer side, "WIDTHxHEIGHT", or "auto"; `load` loads the detector at a size.
    A longer side becomes the rectangle that fits the source's first frame, which is waited for
    with `patience`; for images of many sizes it is the square. Raises InputError for another text
    and for a source without a frame.
    """
    if not text:
        return None, ""
    automatic = text.strip().lower() == AUTO
    size_asked = None if automatic else parse_size(text)
    if isinstance(size_asked, tuple):
        return size_asked, ""
    frame, fps = _first_frame(source, patience)
    if source.kind == "pictures":
        frame = frame[: min(frame.shape[:2]), : min(frame.shape[:2])]
    height, width = frame.shape[:2]
    if size_asked is not None:
        return size_for(size_asked, height, width), ""
    rate = fps or USUAL_FPS
    for longer in sorted(CHOICES, reverse=True):
        size = size_for(longer, height, width)
        took = _seconds(load(size), frame)
        if took <= RESERVE / rate or longer == min(CHOICES):
            late = "" if took <= 1 / rate else ", which is too slow for it"
            return size, (
                f"input {size[1]}×{size[0]}: {took * 1e3:.1f} ms a frame at {rate:g} frames a "
                f"second{late}"
            )
    raise AssertionError("a choice was made above")


def _first_frame(source: Source, patience: Patience | None) -> tuple[ImageArray, float]:
    capture = Capture(source, patience=patience)
    capture.start()
    try:
        frame = capture.next()
    finally:
        capture.close()
    if frame is None:
        raise InputError(f"{source}: no frame can be read", hint="pass --input-size WIDTHxHEIGHT")
    return frame.image, capture.fps


def _seconds(detector: DetectorLike, frame: ImageArray) -> float:
    """What detecting takes at most, as in a pipeline."""
    detect = detector.run_worst_case if isinstance(detector, Detector | SecondLook) else detector
    times = []
    with opencv_in_one_thread():
        for number in range(TRIED + 2):
            start = time.perf_counter()
            detect(frame)
            if number >= 2:
                times.append(time.perf_counter() - start)
    return median(times)

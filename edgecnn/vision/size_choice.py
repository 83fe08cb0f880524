"""Which input size a source gets: what was asked for, in the shape of its frames, or the largest
that keeps its frame rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from edgecnn.errors import InputError
from edgecnn.vision.frames import ImageArray
from edgecnn.vision.input_size import CHOICES, Size, parse_size, size_for
from edgecnn.vision.pipeline.detecting import Detects
from edgecnn.vision.readers import open_reader
from edgecnn.vision.sources import Source

AUTO = "auto"
USUAL_FPS = 30.0
"""Where a source does not state its frame rate."""
RESERVE = 0.85
"""Share of the time between two frames that detecting one may take."""
TRIED = 7
"""Calls that a size is timed by, after two that warm up."""


def choose_size(
    text: str, source: Source, load: Callable[[Size], Detects]
) -> tuple[Size | None, str]:
    """The input size for `source`, None where nothing is asked for, and what to say about it.

    `text` is "", a longer side, "WIDTHxHEIGHT", or "auto"; `load` loads the detector at a size.
    A longer side becomes the rectangle that fits the source's first frame; for images of many
    sizes it is the square. Raises InputError for another text and for a source without a frame.
    """
    if not text:
        return None, ""
    automatic = text.strip().lower() == AUTO
    size_asked = None if automatic else parse_size(text)
    if isinstance(size_asked, tuple):
        return size_asked, ""
    frame, fps = _first_frame(source)
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


def _first_frame(source: Source) -> tuple[ImageArray, float]:
    reader = open_reader(source)
    try:
        read = reader.read()
    finally:
        reader.close()
    if read is None:
        raise InputError(f"{source}: no frame can be read", hint="give --input-size WIDTHxHEIGHT")
    return read[0], reader.fps


def _seconds(detector: Detects, frame: ImageArray) -> float:
    times = []
    for number in range(TRIED + 2):
        start = time.perf_counter()
        detector(frame)
        if number >= 2:
            times.append(time.perf_counter() - start)
    return median(times)

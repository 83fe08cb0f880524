"""How the shipped detectors do on clips, sign by sign.

    python benchmarks/clips.py --clip ../shared/data/video/stock_stop_sign_zoom.mp4 \
        --out benchmarks/results/clips.json

Drawn streets (`edgecnn.vision.sources.street`, 1280×720, 30 frames a second): each scene is nine
seconds of a drive towards one stop sign and past it, from 38 to 3 meters, with one or two other
signs. In the first frame the sign is 28 pixels large, which a network with an input of 512 sees as
11. For each network and input size: at which size a sign is first shown (the median over the
scenes, and the share of signs that ever is), how many frames of those after that have no box, and
false tracks an hour. The clip has no boxes: how many of its frames have a track, and how many
tracks there are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgecnn.files import write_text_atomically
from edgecnn.vision import load_detector
from edgecnn.vision.clips import ClipFigures, follow, score_clip
from edgecnn.vision.sources import parse_source
from edgecnn.vision.sources.frames import ImageArray
from edgecnn.vision.sources.readers import open_reader
from edgecnn.vision.sources.street import SCENE_S, Street

RESULTS = Path(__file__).parent / "results" / "clips.json"
WIDTH, HEIGHT, FPS = 1280, 720, 30.0
SIZES: dict[str, tuple[int | None, ...]] = {
    "stop_sign_small": (None, 768, 1024),
    "stop_sign_nano": (None, 512, 768),
}
"""Longer sides of inputs; None is the size that ships."""


def street(seed: int, ticks: range) -> Iterator[tuple[ImageArray, float]]:
    drawn = Street(seed, width=WIDTH, height=HEIGHT, fps=FPS)
    for tick in ticks:
        yield drawn.draw(tick), tick / FPS


def on_streets(detector: Any, scenes: int, every: int) -> dict[str, Any]:
    """Figures over `scenes` scenes, each a clip of its own, of every `every`th frame."""
    figures = []
    for scene in range(scenes):
        first = round(scene * SCENE_S * FPS)
        ticks = range(first, first + round(SCENE_S * FPS), every)
        where = Street(0, width=WIDTH, height=HEIGHT, fps=FPS)
        ground_truth = [where.stop_signs(tick) for tick in ticks]
        figures.append(score_clip(follow(detector, street(0, ticks)), ground_truth))
    return summary(figures)


def summary(clips: list[ClipFigures]) -> dict[str, Any]:
    signs = [sign for clip in clips for sign in clip.signs]
    found = [sign for sign in signs if sign.found_px is not None]
    after = sum(_frames_after(clip) for clip in clips)
    seconds = sum(clip.seconds for clip in clips)
    return {
        "signs": len(signs),
        "found": len(found),
        "found_px": median([sign.found_px for sign in found if sign.found_px]) if found else None,
        "found_px_90": (
            float(np.quantile([sign.found_px for sign in found if sign.found_px], 0.9))
            if found
            else None
        ),
        "missed_share": sum(sign.missed for sign in signs) / after if after else None,
        "unshown_share": sum(sign.unshown for sign in signs) / after if after else None,
        "tracks_a_sign": sum(sign.tracks for sign in found) / len(found) if found else None,
        "false_tracks": sum(clip.false_tracks or 0 for clip in clips),
        "false_tracks_per_hour": 3600 * sum(clip.false_tracks or 0 for clip in clips) / seconds,
        "seconds": seconds,
    }


def _frames_after(clip: ClipFigures) -> int:
    """Frames in which a sign is in view after it was found."""
    step = clip.seconds / clip.frames
    return sum(
        sign.frames - round(sign.found_after_s / step) - 1
        for sign in clip.signs
        if sign.found_after_s is not None
    )


def on_clip(detector: Any, path: Path) -> dict[str, Any]:
    reader = open_reader(parse_source(str(path)))

    def frames() -> Iterator[tuple[ImageArray, float]]:
        while (read := reader.read()) is not None:
            yield read[0], read[1]

    try:
        return score_clip(follow(detector, frames())).to_dict()
    finally:
        reader.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--every", type=int, default=3, help="take every so many frames")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--model", type=Path, action="append", help="instead of those shipped")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    wanted: dict[str, tuple[int | None, ...]] = (
        {str(path): (None,) for path in options.model} if options.model else SIZES
    )
    rows = []
    for model, sides in wanted.items():
        for side in sides:
            # 16:9, as the street is
            size = None if side is None else (round(side * 9 / 16 / 64 + 0.49) * 64, side)
            detector = load_detector(model, input_size=size, near_look=True)
            row: dict[str, Any] = {
                "model": Path(model).name,
                "input": list(detector.preprocessing.shape[:2]),
                "min_score": detector.min_score,
                "streets": on_streets(detector, options.scenes, options.every),
            }
            if options.clip is not None:
                row["clip"] = on_clip(detector, options.clip)
            rows.append(row)
            print(json.dumps(row), flush=True)
    document = {
        "streets": f"{options.scenes} scenes of {WIDTH}x{HEIGHT}, seed 0, "
        f"{FPS / options.every:g} frames a second",
        "clip": None if options.clip is None else options.clip.name,
        "rows": rows,
    }
    write_text_atomically(options.out, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

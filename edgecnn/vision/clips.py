"""Evaluate a detector on a clip, sign by sign: from which size on it finds each one, how often it
loses it again, and what it follows that is not a sign.

    figures = score_clip(follow(load_detector("stop_sign_small"), frames), truth)

A detector that misses every other frame of a near sign may have the average precision of one that
misses all far signs; on a drive they are not the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.geometry import iou
from edgecnn.vision.pipeline.detecting import DetectorLike, DetectorStages
from edgecnn.vision.sources.frames import ImageArray
from edgecnn.vision.tracking import Track, Tracker, TrackerSettings

Box = npt.NDArray[np.float32]
LEAST_OVERLAP = 0.3
"""Intersection over union from which a track is on a sign: far signs have few pixels."""


@dataclass(frozen=True)
class Tracked:
    """The tracks that are shown in a frame, `seconds` after the clip began."""

    seconds: float
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class SignFigures:
    """What became of one sign.

    It is in `frames` of the clip and `begins_px` large (its longer side) in the first. It is found
    when a track on it is first shown: `found_px` large, `found_after_s` after it came into view,
    None for one that never is. Of the frames after that `missed` have no box on it, and in
    `unshown` not even a track that waits for it. `tracks` different ones were on it.
    """

    sign: int
    frames: int
    begins_px: float
    found_px: float | None
    found_after_s: float | None
    missed: int
    unshown: int
    tracks: int


@dataclass(frozen=True)
class ClipFigures:
    """A whole clip. `false_tracks` never were on a sign; None where nobody says where signs are."""

    frames: int
    seconds: float
    tracks: int
    frames_with_a_track: int
    signs: tuple[SignFigures, ...] = ()
    false_tracks: int | None = None

    @property
    def false_tracks_per_hour(self) -> float | None:
        """None where it is not known, and for a clip of no length."""
        if self.false_tracks is None or self.seconds <= 0:
            return None
        return 3600 * self.false_tracks / self.seconds

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"false_tracks_per_hour": self.false_tracks_per_hour}


def follow(
    detector: DetectorLike,
    frames: Iterable[tuple[ImageArray, float]],
    settings: TrackerSettings | None = None,
) -> Iterator[Tracked]:
    """Run a detector over (image BGR, seconds) of a clip, with the tracker and the thresholds that
    `detect` has, frame by frame.
    """
    stages = DetectorStages(detector)
    tracker = Tracker(stages.tracking(settings or TrackerSettings()))
    for image, seconds in frames:
        prepared = stages.prepare(image, _untimed)
        detections = stages.find(stages.infer(prepared, _untimed), image, _untimed)
        tracks, _ = tracker.update(
            detections.xyxy, detections.scores, seconds, stages.labels(detections)
        )
        yield Tracked(seconds, tracks)


def score_clip(
    tracked: Iterable[Tracked], ground_truth: Iterable[Mapping[int, Box]] | None = None
) -> ClipFigures:
    """Figures of a clip. `ground_truth` has, for each frame, the boxes (4,) of the signs in it by
    number; a sign keeps its number.

    Without it there is nothing to say of signs, and false tracks are not known. Raises InputError
    when there are not as many frames of one as of the other, and for a clip without any.
    """
    seen: dict[int, _Sign] = {}
    on_a_sign: set[int] = set()
    all_tracks: set[int] = set()
    frames = with_a_track = 0
    first = last = 0.0
    truth_of_frames = None if ground_truth is None else iter(ground_truth)
    for frame in tracked:
        signs: Mapping[int, Box] = {}
        if truth_of_frames is not None:
            signs_of_frame = next(truth_of_frames, None)
            if signs_of_frame is None:
                raise InputError(
                    f"the clip has more frames than its ground truth, which has {frames}"
                )
            signs = signs_of_frame
        first = frame.seconds if not frames else first
        last = frame.seconds
        frames += 1
        with_a_track += bool(frame.tracks)
        all_tracks |= {track.id for track in frame.tracks}
        matched = _matched(frame.tracks, signs)
        on_a_sign |= {track.id for track in matched.values()}
        for number, box in signs.items():
            sign = seen.setdefault(number, _Sign(number, _side(box), frame.seconds))
            sign.add(box, frame.seconds, matched.get(number))
    if not frames:
        raise InputError("a clip without frames has no figures")
    if truth_of_frames is not None and next(truth_of_frames, None) is not None:
        raise InputError(f"the ground truth has more frames than the clip, which has {frames}")
    step = (last - first) / (frames - 1) if frames > 1 else 0.0
    return ClipFigures(
        frames,
        last - first + step,
        len(all_tracks),
        with_a_track,
        tuple(sign.figures() for sign in seen.values()),
        None if ground_truth is None else len(all_tracks - on_a_sign),
    )


@dataclass
class _Sign:
    number: int
    begins_px: float
    began_s: float
    frames: int = 0
    found_px: float | None = None
    found_s: float = 0.0
    missed: int = 0
    unshown: int = 0
    tracks: set[int] = field(default_factory=set)

    def add(self, box: Box, seconds: float, track: Track | None) -> None:
        self.frames += 1
        if track is not None:
            self.tracks.add(track.id)
        if self.found_px is None:
            if track is not None:
                self.found_px, self.found_s = _side(box), seconds
            return
        self.missed += track is None or not track.seen
        self.unshown += track is None

    def figures(self) -> SignFigures:
        return SignFigures(
            self.number,
            self.frames,
            self.begins_px,
            self.found_px,
            None if self.found_px is None else self.found_s - self.began_s,
            self.missed,
            self.unshown,
            len(self.tracks),
        )


def _matched(tracks: Iterable[Track], signs: Mapping[int, Box]) -> dict[int, Track]:
    """The track on each sign, the best overlap first; each track is on one sign at most."""
    candidates = list(tracks)
    if not candidates or not signs:
        return {}
    numbers = list(signs)
    boxes = np.asarray([track.xyxy for track in candidates], np.float32)
    overlaps = iou(np.stack([signs[number] for number in numbers]), boxes)
    matches: dict[int, Track] = {}
    while overlaps.max() >= LEAST_OVERLAP:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        matches[numbers[int(row)]] = candidates[int(column)]
        overlaps[row, :] = overlaps[:, column] = 0
    return matches


def _side(box: Box) -> float:
    return float((box[2:] - box[:2]).max())


def _untimed(stage: str, duration_ns: int) -> None:
    """Nobody looks at the clock here."""

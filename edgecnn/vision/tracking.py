"""Track detections over frames, with hysteresis.

Written here rather than taken: supervision's ByteTrack brings matplotlib and scipy to a
Raspberry Pi, norfair brings filterpy and scipy, and both assume crowds. A camera sees a few stop
signs at once, so greedy association is as good as an optimal one, and numpy suffices.

Association follows ByteTrack (Y. Zhang et al., 2022): strong detections first, then weak ones,
which may keep a track but not begin one. Boxes are enlarged before they are compared, so that a
small sign that jumps more than its own width is still met (C-BIoU, F. Yang et al., 2023).
Each side of a box is filtered with a constant-velocity Kalman filter in real time, so that
dropped frames do not stretch the motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names
from edgecnn.geometry import iou

Box = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

SIGN = "stop sign"
"""What the detectors that ship here find."""
SAME_SIGN = 0.7
"""Signs do not stand in front of each other: boxes that share more are one sign."""
GAP = 5.0
"""So many times the usual time between frames, and the patience of a track, are a gap."""


@dataclass(frozen=True)
class TrackerSettings:
    """When a track begins, stays and ends.

    A detection of at least `begin_score` begins a track, one of at least `keep_score` keeps
    one alive. A track is shown after `confirm_hits` hits and gone after `patience_s` without
    one, and while it waits it moves on by its own speed.
    """

    begin_score: float = 0.4
    keep_score: float = 0.2
    confirm_hits: int = 2
    patience_s: float = 0.6
    least_overlap: float = 0.15
    enlarge: float = 0.5
    score_smoothing: float = 0.3


@dataclass(frozen=True)
class Track:
    """A sign that is followed. `xyxy` is its filtered box in pixels of the frame."""

    id: int
    xyxy: tuple[float, float, float, float]
    score: float
    seen: bool
    """False while it was not detected in this frame and is only expected."""
    hits: int
    began_s: float
    last_seen_s: float
    best_score: float
    label: str = SIGN
    """What its class is called."""


@dataclass(frozen=True)
class TrackChange:
    """A track that appeared or left."""

    kind: Literal["appear", "leave"]
    track: Track


@dataclass
class _Motion:
    """Position and speed of the four values of a box, each filtered for itself.

    State (4, 2), covariance (4, 2, 2). Noise grows with the box: a near sign moves and is
    measured in more pixels than a far one.
    """

    state: Floats
    covariance: Floats

    MEASURED = 0.06
    ACCELERATION = 3.0

    @classmethod
    def start(cls, box: Floats) -> _Motion:
        size = _size(box)
        state = np.stack([box, np.zeros(4)], axis=1)
        covariance = np.zeros((4, 2, 2))
        covariance[:, 0, 0] = (cls.MEASURED * size) ** 2
        covariance[:, 1, 1] = (1.5 * size) ** 2
        return cls(state, covariance)

    @property
    def box(self) -> Floats:
        return self.state[:, 0]

    def predict(self, dt: float) -> None:
        if dt <= 0:
            return
        step = np.asarray([[1.0, dt], [0.0, 1.0]])
        self.state = self.state @ step.T
        force = (self.ACCELERATION * _size(self.box)) ** 2
        noise = force * np.asarray([[dt**4 / 4, dt**3 / 2], [dt**3 / 2, dt**2]])
        self.covariance = step @ self.covariance @ step.T + noise

    def correct(self, box: Floats) -> None:
        noise = (self.MEASURED * _size(box)) ** 2
        gain = self.covariance[:, :, 0] / (self.covariance[:, 0, 0] + noise)[:, None]
        self.state = self.state + gain * (box - self.box)[:, None]
        self.covariance = self.covariance - gain[:, :, None] * self.covariance[:, None, 0, :]


@dataclass
class _Follow:
    id: int
    motion: _Motion
    score: float
    began_s: float
    last_seen_s: float
    label: str
    hits: int = 1
    best_score: float = 0.0
    confirmed: bool = False
    seen: bool = True

    def public(self) -> Track:
        left, top, right, bottom = (float(value) for value in self.motion.box)
        return Track(
            self.id,
            (min(left, right), min(top, bottom), max(left, right), max(top, bottom)),
            self.score,
            self.seen,
            self.hits,
            self.began_s,
            self.last_seen_s,
            self.best_score,
            self.label,
        )


@dataclass
class Tracker:
    """Call `update` with every frame's boxes; it answers with the tracks to show."""

    settings: TrackerSettings = field(default_factory=TrackerSettings)

    def __post_init__(self) -> None:
        self._follows: list[_Follow] = []
        self._next_id = 1
        self._now_s: float | None = None
        self._usual_s: float | None = None

    def update(
        self,
        xyxy: npt.NDArray[np.floating],
        scores: npt.NDArray[np.floating],
        now_s: float,
        labels: Sequence[str] | None = None,
    ) -> tuple[tuple[Track, ...], tuple[TrackChange, ...]]:
        """Boxes (n, 4) and scores (n,) of a frame at `now_s` → tracks shown, and changes.

        `labels` are what the class of each box is called, stop signs without; a track keeps its
        class.

        Time that runs backwards (a camera that came back, a video that started over) counts as
        no time: the times of the tracks go back with it. Over a gap (a camera that was away) no
        track is followed: what stands there afterwards may be another sign. Boxes that are not
        finite or have no area are passed over.
        """
        boxes, certainty, kinds = _usable(xyxy, scores, labels)
        passed = 0.0 if self._now_s is None else now_s - self._now_s
        dt, back = max(0.0, passed), min(0.0, passed)
        self._now_s = now_s
        gone = self._leave(now_s) if self._is_gap(dt) else []
        for follow in self._follows:
            follow.began_s += back
            follow.last_seen_s += back
            follow.motion.predict(dt)
            follow.seen = False
        free = self._match(boxes, certainty, kinds, now_s)
        for index in free:
            if certainty[index] >= self.settings.begin_score:
                self._begin(boxes[index], float(certainty[index]), kinds[index], now_s)
        changes = [*gone, *self._leave(now_s), *self._appear()]
        return self.tracks, tuple(changes)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The confirmed tracks, best first."""
        confirmed = [follow.public() for follow in self._follows if follow.confirmed]
        return tuple(sorted(confirmed, key=lambda track: -track.score))

    def _match(
        self, boxes: Floats, scores: Floats, labels: Sequence[str], now_s: float
    ) -> list[int]:
        """Give each track at most one box, strong boxes first; return the boxes left over."""
        strong = [i for i in range(len(boxes)) if scores[i] >= self.settings.begin_score]
        weak = [
            i for i in range(len(boxes)) if self.settings.keep_score <= scores[i]
            and scores[i] < self.settings.begin_score
        ]  # fmt: skip
        waiting = list(range(len(self._follows)))
        free = list(strong)
        for candidates in (strong, weak):
            for track, box in self._pairs(waiting, candidates, boxes, labels):
                follow = self._follows[track]
                follow.motion.correct(boxes[box])
                alpha = self.settings.score_smoothing
                follow.score += alpha * (float(scores[box]) - follow.score)
                follow.best_score = max(follow.best_score, float(scores[box]))
                follow.hits += 1
                follow.seen = True
                follow.last_seen_s = now_s
                waiting.remove(track)
                if box in free:
                    free.remove(box)
        return free

    def _pairs(
        self,
        tracks: Sequence[int],
        candidates: Sequence[int],
        boxes: Floats,
        labels: Sequence[str],
    ) -> list[tuple[int, int]]:
        """Pairs of (track, box) by falling overlap, each used once."""
        if not tracks or not candidates:
            return []
        track_boxes = np.stack([self._follows[track].motion.box for track in tracks])
        overlap = enlarged_iou(track_boxes, boxes[list(candidates)], self.settings.enlarge)
        for place, track in enumerate(tracks):
            for other, box in enumerate(candidates):
                if self._follows[track].label != labels[box]:
                    overlap[place, other] = -1.0
        pairs: list[tuple[int, int]] = []
        while True:
            row, column = np.unravel_index(int(np.argmax(overlap)), overlap.shape)
            if overlap[row, column] < self.settings.least_overlap:
                return pairs
            pairs.append((tracks[int(row)], candidates[int(column)]))
            overlap[row, :] = -1.0
            overlap[:, column] = -1.0

    def _is_gap(self, passed_s: float) -> bool:
        """Whether so much time lies between no two frames otherwise; it is remembered if not."""
        usual = self._usual_s
        if usual is not None and passed_s > max(GAP * usual, GAP * self.settings.patience_s):
            return True
        self._usual_s = passed_s if not usual else usual + 0.1 * (passed_s - usual)
        return False

    def _begin(self, box: Floats, score: float, label: str, now_s: float) -> None:
        motion = _Motion.start(box)
        follow = _Follow(self._next_id, motion, score, now_s, now_s, label, best_score=score)
        self._next_id += 1
        self._follows.append(follow)

    def _appear(self) -> list[TrackChange]:
        changes = []
        for follow in self._follows:
            if not follow.confirmed and follow.seen and follow.hits >= self.settings.confirm_hits:
                follow.confirmed = True
                changes.append(TrackChange("appear", follow.public()))
        return changes

    def _covered(self, follow: _Follow) -> bool:
        return not follow.seen and any(
            other.seen
            and other.label == follow.label
            and shared_part(follow.motion.box, other.motion.box) > SAME_SIGN
            for other in self._follows
        )

    def _leave(self, now_s: float) -> list[TrackChange]:
        # One that was never confirmed gets less patience: a flash of light is not a sign. One that
        # lies within a sign that is seen gets none: it is the same sign, followed twice.
        patience = self.settings.patience_s
        kept, changes = [], []
        for follow in self._follows:
            limit = patience if follow.confirmed else patience / 2
            if now_s - follow.last_seen_s <= limit and not self._covered(follow):
                kept.append(follow)
            elif follow.confirmed:
                changes.append(TrackChange("leave", follow.public()))
        self._follows = kept
        return changes


def shared_part(first: Floats, second: Floats) -> float:
    """The part of the smaller of two boxes (4,) that lies in the other."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    smaller = min(float(np.prod(np.clip(box[2:] - box[:2], 0, None))) for box in (first, second))
    return float(np.prod(np.clip(high - low, 0, None))) / smaller if smaller > 0 else 0.0


def one_by_one(settings: TrackerSettings) -> TrackerSettings:
    """Settings for images that have nothing to do with each other: no memory at all."""
    return replace(
        settings, confirm_hits=1, patience_s=0.0, least_overlap=math.inf,
        keep_score=settings.begin_score,
    )  # fmt: skip


def enlarged_iou(first: Floats, second: Floats, enlarge: float) -> Floats:
    """IoU (n, m) of boxes (n, 4) and (m, 4) after each grew by `enlarge` of its size a side."""
    return iou(_enlarged(first, enlarge), _enlarged(second, enlarge))


def _enlarged(boxes: Floats, by: float) -> Floats:
    margin = (boxes[:, 2:] - boxes[:, :2]) * by
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _size(box: Floats) -> float:
    return max(1.0, float(abs(box[2] - box[0]) + abs(box[3] - box[1])) / 2)


def _usable(
    xyxy: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    labels: Sequence[str] | None,
) -> tuple[Floats, Floats, list[str]]:
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    certainty = np.asarray(scores, np.float64).reshape(-1)
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(certainty)
    good &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kinds = [SIGN] * len(boxes) if labels is None else labels
    return boxes[good], certainty[good], [kinds[index] for index in np.flatnonzero(good).tolist()]


__getattr__ = old_names(__name__, {"Change": "TrackChange"})

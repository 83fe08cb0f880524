"""Figures of a clip are those of its signs: found at which size, lost how often, and false ones."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.detection.detections import Detections
from edgecnn.errors import InputError
from edgecnn.vision.clips import follow, score_clip
from edgecnn.vision.sources.street import Street
from edgecnn.vision.tracking import TrackerSettings

FPS = 10.0
FRAMES = 30
CAREFUL = TrackerSettings(begin_score=0.5, keep_score=0.3, confirm_hits=2, patience_s=0.35)


def sign_in(frame):
    """The box of a sign that grows as it comes nearer."""
    side = 10.0 + 2 * frame
    return np.asarray([50, 40, 50 + side, 40 + side], np.float32)


def figures(found_in, *, also=None, ground_truth=True):
    """Of a clip whose sign a detector finds in the frames for which `found_in` holds; `also` gives
    more boxes of a frame.
    """
    blank = np.zeros((200, 200, 3), np.uint8)
    number = iter(range(FRAMES))

    def detector(image):
        frame = next(number)
        boxes = [sign_in(frame)] if found_in(frame) else []
        boxes += also(frame) if also else []
        return Detections(
            np.asarray(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32)
        )

    frames = [(blank, frame / FPS) for frame in range(FRAMES)]
    known = [{7: sign_in(frame)} for frame in range(FRAMES)] if ground_truth else None
    return score_clip(follow(detector, frames, CAREFUL), known)


def test_a_sign_is_found_at_the_size_it_has_when_its_track_is_first_shown():
    (sign,) = figures(lambda frame: frame >= 5).signs
    assert (sign.sign, sign.frames, sign.begins_px) == (7, FRAMES, 10.0)
    assert sign.found_px == 10 + 2 * 6  # the second hit confirms
    assert sign.found_after_s == pytest.approx(0.6)
    assert (sign.missed, sign.unshown, sign.tracks) == (0, 0, 1)


def test_a_short_gap_is_missed_but_shown_and_a_long_one_is_neither():
    (short,) = figures(lambda frame: frame not in (12, 13)).signs
    assert (short.missed, short.unshown, short.tracks) == (2, 0, 1)
    (long,) = figures(lambda frame: not 12 <= frame < 20).signs
    assert long.missed == 9  # eight, and one until the new track is confirmed
    assert 0 < long.unshown < long.missed
    assert long.tracks == 2


def test_a_sign_that_is_never_found_has_no_size():
    (sign,) = figures(lambda frame: False).signs
    assert (sign.found_px, sign.found_after_s, sign.missed, sign.tracks) == (None, None, 0, 0)


def test_a_track_beside_the_sign_is_a_false_one():
    def elsewhere(frame):
        return [np.asarray([150, 150, 180, 180], np.float32)] if frame < 6 else []

    found = figures(lambda frame: True, also=elsewhere)
    assert (found.tracks, found.false_tracks) == (2, 1)
    assert found.seconds == pytest.approx(FRAMES / FPS)
    assert found.false_tracks_per_hour == pytest.approx(1200)


def test_without_truth_nothing_is_said_of_signs():
    found = figures(lambda frame: frame < 10, ground_truth=False)
    assert found.signs == ()
    assert found.false_tracks is None
    assert found.false_tracks_per_hour is None
    assert (found.tracks, found.frames) == (1, FRAMES)
    assert 9 <= found.frames_with_a_track < FRAMES


@pytest.mark.parametrize("known", [FRAMES - 1, FRAMES + 1])
def test_a_truth_of_another_length_is_refused(known):
    tracked = follow(lambda image: Detections.none(), [(np.zeros((9, 9, 3), np.uint8), 0.0)] * 30)
    with pytest.raises(InputError, match="more frames than"):
        score_clip(tracked, [{}] * known)


def test_a_clip_without_frames_is_refused():
    with pytest.raises(InputError, match="without frames"):
        score_clip([])


def test_a_street_knows_where_its_stop_sign_is():
    """The drawn sign is where `stop_signs` says: without it the frame is another one there."""
    street = Street(2, width=320, height=240)
    sizes = []
    for tick in (60, 150, 220):
        ((number, box),) = street.stop_signs(tick).items()
        assert number == 0
        drawn = street.draw(tick).astype(int)
        stop, street._signs = street._signs[0], street._signs[1:]
        bare = street.draw(tick).astype(int)
        street._signs = [stop, *street._signs]
        left, top, right, bottom = np.rint(box).astype(int)
        other = np.abs(drawn - bare).max(axis=2) > 8
        assert other[top:bottom, left:right].mean() > 0.6
        assert not other[: max(0, top - 2)].any()  # above a sign there is no pole
        sizes.append(right - left)
    assert sizes == sorted(sizes)
    assert set(street.stop_signs(271 + 60)) == {1}

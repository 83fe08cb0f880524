from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.vision.tracking import Tracker, TrackerSettings, enlarged_iou, one_by_one

FPS = 30


def boxes(*rows):
    return np.asarray(rows, np.float32).reshape(-1, 4)


def scores(*values):
    return np.asarray(values, np.float32)


def square(x, y, side=40):
    return (x, y, x + side, y + side)


def run(tracker, frames):
    """frames: a list of [(box, score), …] → the tracks of each frame and all changes."""
    shown, changes = [], []
    for number, found in enumerate(frames):
        tracks, changed = tracker.update(
            boxes(*[box for box, _ in found]), scores(*[score for _, score in found]), number / FPS
        )
        shown.append(tracks)
        changes += changed
    return shown, changes


def test_a_sign_that_moves_keeps_its_number():
    shown, changes = run(Tracker(), [[(square(10 + 6 * i, 50), 0.9)] for i in range(40)])
    assert {track.id for tracks in shown for track in tracks} == {1}
    assert [change.kind for change in changes] == ["appear"]


def test_a_single_flash_is_never_shown():
    shown, changes = run(Tracker(), [[], [(square(10, 10), 0.99)], *[[]] * 30])
    assert not any(shown)
    assert not changes


def test_a_track_survives_missed_frames_and_is_marked_as_expected():
    frames = [[(square(10 + 4 * i, 50), 0.9)] if i % 3 == 0 else [] for i in range(60)]
    shown, changes = run(Tracker(), frames)
    after = shown[5:]
    assert all(len(tracks) == 1 and tracks[0].id == 1 for tracks in after)
    assert {tracks[0].seen for tracks in after} == {True, False}
    assert len(changes) == 1


def test_a_weak_box_keeps_a_track_but_does_not_begin_one():
    weak = [[(square(10, 10), 0.25)]] * 30
    assert not any(run(Tracker(), weak)[0])
    shown, _ = run(Tracker(), [[(square(10, 10), 0.9)]] * 3 + weak * 3)
    assert all(shown[2:])


def test_a_sign_that_is_gone_leaves_after_its_patience():
    tracker = Tracker(TrackerSettings(patience_s=0.5))
    frames = [[(square(10, 10), 0.9)]] * 5 + [[]] * 30
    shown, changes = run(tracker, frames)
    assert [change.kind for change in changes] == ["appear", "leave"]
    last = max(number for number, tracks in enumerate(shown) if tracks)
    assert 4 / FPS + 0.4 < last / FPS <= 4 / FPS + 0.5 + 1e-9


def test_two_signs_that_stand_side_by_side_do_not_swap_numbers():
    frames = [[(square(50 + i, 50), 0.9), (square(110 - i / 2, 50), 0.8)] for i in range(25)]
    shown, _ = run(Tracker(), frames)
    left = {min(tracks, key=lambda track: track.xyxy[0]).id for tracks in shown[2:]}
    assert len(left) == 1


def test_a_small_sign_that_jumps_more_than_half_its_width_is_still_met():
    shown, changes = run(Tracker(), [[(square(10 + 8 * i, 50, 12), 0.9)] for i in range(20)])
    assert len(changes) == 1
    assert all(tracks[0].id == 1 for tracks in shown[2:])


def test_dropped_frames_do_not_lose_a_moving_sign():
    tracker = Tracker()
    for number in (*range(10), 15, 16, 17):  # five frames are missing
        tracks, _ = tracker.update(boxes(square(10 + 8 * number, 50)), scores(0.9), number / FPS)
    assert [track.id for track in tracks] == [1]


def test_a_sign_that_was_taken_for_two_becomes_one_again():
    twice = [(square(50, 50, 60), 0.9), (square(85, 85, 30), 0.8)]
    shown, changes = run(Tracker(), [twice] * 4 + [[(square(50, 50, 66), 0.9)]] * 3)
    assert [track.id for track in shown[-1]] == [1]
    assert changes[-1].kind == "leave"


def test_time_that_runs_backwards_is_no_time():
    tracker = Tracker()
    for now in (5.0, 5.03, 0.0, 0.03):
        tracks, _ = tracker.update(boxes(square(10, 10)), scores(0.9), now)
    assert len(tracks) == 1


def test_a_track_is_not_shown_longer_because_the_clock_went_back():
    tracker = Tracker()
    for now in (100.0, 100.03, 100.06):
        tracker.update(boxes(square(10, 10)), scores(0.9), now)
    patience = tracker.settings.patience_s
    tracks, _ = tracker.update(boxes(), scores(), 1.0)
    assert [track.last_seen_s for track in tracks] == [pytest.approx(1.0)]
    assert [track.began_s for track in tracks] == [pytest.approx(0.94)]
    tracks, changes = tracker.update(boxes(), scores(), 1.1 + patience)
    assert tracks == ()
    assert [change.kind for change in changes] == ["leave"]


@pytest.mark.parametrize(
    ("interval", "away", "kept"), [(0.03, 30.0, False), (0.03, 1.0, True), (2, 9, True)]
)
def test_over_a_gap_no_sign_is_followed(interval: float, away: float, kept: bool):
    tracker = Tracker()
    times = [number * interval for number in range(6)]
    for now in times:
        tracker.update(boxes(square(10, 10)), scores(0.9), now)
    _, changes = tracker.update(boxes(square(10, 10)), scores(0.9), times[-1] + away)
    assert [change.kind for change in changes] == ([] if kept else ["leave"])
    tracks, changes = tracker.update(
        boxes(square(10, 10)), scores(0.9), times[-1] + away + interval
    )
    assert [track.id for track in tracks] == ([1] if kept else [2])


def test_images_have_no_memory():
    tracker = Tracker(one_by_one(TrackerSettings()))
    first, _ = tracker.update(boxes(square(10, 10)), scores(0.9), 0.0)
    second, changes = tracker.update(boxes(square(10, 10)), scores(0.9), 1.0)
    assert first[0].id != second[0].id
    assert [change.kind for change in changes] == ["leave", "appear"]


finite = st.floats(-1e4, 1e4, width=32)
anything = st.floats(width=32)
box = st.tuples(*[finite] * 4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.tuples(st.tuples(*[anything] * 4), anything), max_size=5), max_size=12))
def test_no_input_breaks_the_tracker_and_its_boxes_are_boxes(frames):
    shown, changes = run(Tracker(), frames)
    for tracks in shown:
        assert len({track.id for track in tracks}) == len(tracks)
        for track in tracks:
            left, top, right, bottom = track.xyxy
            assert np.isfinite(track.xyxy).all()
            assert left <= right
            assert top <= bottom
    seen = set()
    for change in changes:  # every track appears once, before it leaves
        assert (change.track.id in seen) == (change.kind == "leave")
        seen ^= {change.track.id} if change.kind == "appear" else set()


@settings(deadline=None)
@given(st.lists(box, min_size=1, max_size=5), st.lists(box, min_size=1, max_size=5))
def test_overlap_is_symmetric_and_between_zero_and_one(first, second):
    a, b = (
        np.sort(np.asarray(rows).reshape(-1, 2, 2), 1).reshape(-1, 4) for rows in (first, second)
    )
    forth, back = enlarged_iou(a, b, 0.5), enlarged_iou(b, a, 0.5)
    assert np.allclose(forth, back.T)
    assert (forth >= 0).all()
    assert (forth <= 1 + 1e-9).all()


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(-9, 9), st.floats(-9, 9))
def test_a_filtered_box_follows_constant_motion_closely(steps, dx, dy):
    tracker = Tracker()
    for i in range(steps + 20):
        tracks, _ = tracker.update(boxes(square(200 + dx * i, 200 + dy * i)), scores(0.9), i / FPS)
    center = np.asarray(tracks[0].xyxy).reshape(2, 2).mean(0)
    true = (220 + dx * (steps + 19), 220 + dy * (steps + 19))
    assert center == pytest.approx(true, abs=3.0)


def test_a_track_keeps_its_class_and_takes_no_box_of_another():
    tracker = Tracker()
    both = np.asarray([[10, 10, 60, 60], [12, 12, 62, 62]], np.float32)
    for number in range(4):
        labels = ["person", "dog"] if number % 2 else ["dog", "person"]
        places = both if number % 2 else both[::-1]
        tracks, _ = tracker.update(places, np.asarray([0.9, 0.8], np.float32), number / 25, labels)

    assert sorted((track.id, track.label) for track in tracks) == [(1, "dog"), (2, "person")]
    assert {track.label: round(track.xyxy[0]) for track in tracks} == {"person": 10, "dog": 12}

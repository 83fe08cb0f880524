"""Where a detector is in doubt about something small it looks again, from nearer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.detection.detections import Detections
from edgecnn.errors import InputError
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.vision.detectors.second_look import SecondLook, with_closer

FRAME = np.zeros((720, 1280, 3), np.uint8)
SIGN = (900, 300, 930, 330)
"""Painted white: 12 pixels in an input of 512."""


class Eye:
    """A detector that sees the white parts of an image, with a score for the size that they have
    in its input: a stand-in for a network, so that every number is known.
    """

    class_names = ("stop sign",)

    def __init__(self, side, scores, *, names=("stop sign",)):
        self.preprocessing = LetterboxPreprocessing(side, side, 3)
        self.min_score = 0.5
        self.class_names = names
        self._scores = scores
        self.calls = []

    def prepare(self, image):
        place = self.preprocessing.place(*image.shape[:2])
        self.calls.append(image.shape[:2])
        return image, place

    def infer(self, image):
        return [image]

    def finish(self, outputs, place, shape, *, min_score):
        white = outputs[0][:, :, 0] > 0
        if not white.any():
            return Detections.none()
        rows, columns = (np.flatnonzero(white.any(axis=axis)) for axis in (1, 0))
        box = np.asarray([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
        side = float((box[0, 2] - box[0, 0]) * place.width / shape[1])
        score = np.asarray([self._scores(side)], np.float32)
        return Detections(box, score).at_least(min_score)

    def name_of(self, class_id):
        return self.class_names[class_id]


def frame_with(box):
    frame = FRAME.copy()
    left, top, right, bottom = box
    frame[top:bottom, left:right] = 255
    return frame


def by_size(side):
    """Small things are doubtful, large ones certain."""
    return min(1.0, side / 32)


def looking(scores=by_size, closer=by_size):
    return SecondLook(Eye(512, scores), Eye(256, closer))


def test_a_small_sign_is_looked_at_again_and_its_box_is_that_of_the_frame():
    second = looking()
    found = second(frame_with(SIGN))
    assert second.looked == 1
    np.testing.assert_array_equal(found.xyxy, [SIGN])
    assert found.scores[0] == pytest.approx(30 / 32)  # at 12/32 the first look was in doubt
    (window,) = second.closer.calls
    assert window == (256, 256)


def test_what_the_second_look_does_not_see_is_dropped():
    second = looking(closer=lambda side: 0.0)
    assert len(second(frame_with(SIGN))) == 0


def test_nothing_in_doubt_costs_nothing():
    second = looking(scores=lambda side: 0.05)
    assert len(second(frame_with(SIGN))) == 0
    assert second.looked == 0


def test_large_signs_are_left_to_the_first_look():
    second = looking()
    found = second(frame_with((600, 200, 760, 360)))
    assert second.looked == 0
    assert found.scores[0] == 1.0


@pytest.mark.parametrize("box", [(0, 0, 30, 30), (1250, 690, 1280, 720)])
def test_a_sign_in_the_corner_of_the_frame_has_its_window_inside(box):
    second = looking()
    found = second(frame_with(box))
    np.testing.assert_array_equal(found.xyxy, [box])
    assert second.looked == 1
    assert second.closer.calls == [(256, 256)]


def test_a_frame_without_more_pixels_than_the_input_is_looked_at_once():
    second = looking()
    small = np.zeros((288, 512, 3), np.uint8)
    small[100:112, 100:112] = 255
    second(small)
    assert second.looked == 0


@pytest.mark.parametrize(("shape", "windows"), [((720, 1280, 3), 2), ((288, 512, 3), 0)])
def test_the_most_that_a_frame_can_cost_has_all_its_windows(shape, windows):
    second = looking()
    second.run_worst_case(np.zeros(shape, np.uint8))  # in which nothing is in doubt
    assert second.first.calls == [shape[:2]]
    assert second.closer.calls == [(256, 256)] * windows
    assert second.looked == 0


def test_a_second_look_is_one_of_the_same_network():
    with pytest.raises(InputError, match="same detector"):
        SecondLook(Eye(512, by_size), Eye(256, by_size, names=("car",)))


class ManyEyes(Eye):
    """Sees each white part for itself, and is as sure of each as of the other."""

    def finish(self, outputs, place, shape, *, min_score):
        cv2 = pytest.importorskip("cv2", reason="cv2 is not installed")
        white = (outputs[0][:, :, 0] > 0).astype(np.uint8)
        _, _, parts, _ = cv2.connectedComponentsWithStats(white)
        boxes = np.asarray(
            [(x, y, x + wide, y + high) for x, y, wide, high, _ in parts[1:]], np.float32
        ).reshape(-1, 4)
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32)).at_least(min_score)


@pytest.mark.parametrize("gap", [0, 1, 4])
def test_a_sign_at_the_edge_of_anothers_window_is_not_lost(gap):
    """The window shows x from 787 to 1043; a box that its edge cuts is left out there."""
    second = SecondLook(ManyEyes(512, by_size), ManyEyes(256, by_size))
    neighbor = (1013 - gap, 310, 1043 - gap, 340)
    frame = frame_with(SIGN)
    frame[neighbor[1] : neighbor[3], neighbor[0] : neighbor[2]] = 255
    found = second(frame)
    assert second.looked == 1
    assert sorted(found.xyxy.tolist()) == sorted([[*SIGN], [*neighbor]])


@pytest.mark.parametrize(
    ("metrics", "given", "score"),
    [({"min_score_second_look": 0.8}, None, 0.8), ({}, None, 0.5),
     ({"min_score_second_look": 0.8}, 0.3, 0.3)],
)  # fmt: skip
def test_a_second_look_has_a_threshold_of_its_own_unless_one_is_given(metrics, given, score):
    first, closer = Eye(512, by_size), Eye(256, by_size)
    first.artifact = SimpleNamespace(manifest=Manifest(metrics=metrics))
    assert with_closer(first, closer, min_score=given).min_score == score

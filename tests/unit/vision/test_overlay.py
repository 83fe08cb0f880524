from __future__ import annotations

import numpy as np
import pytest

from edgecnn.vision.evidence.computing import redness
from edgecnn.vision.evidence.drawing import lay_heat_over, with_evidence
from edgecnn.vision.overlay import FOUND, StatusPanel, draw
from edgecnn.vision.pipeline import Evidence, StageTime
from edgecnn.vision.tracking import Track

STAGES = {"infer": StageTime(4.2, None, 40), "draw": StageTime(1.0, 2.0, 200)}
HUD = StatusPanel(
    29.7, "stop_sign_small", "litert:cpu", "int8", 3, STAGES, recording=True, paused=True,
    notices=("saved …", ""),
)  # fmt: skip


def track(*xyxy, seen=True):
    return Track(1, xyxy, 0.93, seen, 5, 0.0, 1.0, 0.95)


def make_image(height=240, width=320):
    return np.full((height, width, 3), 90, np.uint8)


def test_drawing_leaves_the_frame_as_it_was():
    image = make_image()
    drawn = draw(image, [track(50, 60, 120, 140)], HUD)
    assert (image == 90).all()
    assert drawn.shape == image.shape
    assert (drawn != image).any()


def test_a_box_lies_where_the_track_says():
    drawn = draw(make_image(), [track(50, 60, 120, 140)])
    found = (drawn == FOUND).all(axis=2)
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert abs(rows.max() - 140) <= 3
    assert abs(columns.min() - 50) <= 3
    assert abs(columns.max() - 120) <= 3


def test_an_expected_box_looks_different_from_a_found_one():
    box = (50, 60, 120, 140)
    assert (
        draw(make_image(), [track(*box)]) != draw(make_image(), [track(*box, seen=False)])
    ).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (40, 40), (97, 97), (3000, 40), (2400, 3200)])
@pytest.mark.parametrize("box", [(-50, -50, 5000, 5000), (0, 0, 1, 1), (4000, 10, 5000, 20)])
def test_any_size_of_frame_and_any_box_can_be_drawn(size: tuple[int, int], box: tuple):
    assert draw(make_image(*size), [track(*box)], HUD).shape == (*size, 3)


def test_redness_sees_red_and_neither_white_nor_blue():
    image = np.zeros((30, 90, 3), np.uint8)
    image[:, :30] = (30, 20, 200)
    image[:, 30:60] = 255
    image[:, 60:] = (200, 20, 30)
    strength = redness(image)
    assert strength[15, 10] == 1.0
    assert strength[15, 40:].max() == 0.0


def test_evidence_stands_beside_the_image_and_glows_in_it():
    heat = np.zeros((24, 32), np.float32)
    heat[10:14, 10:14] = 0.9
    evidence = Evidence(heat, heat, heat)
    image = make_image()
    glowing = lay_heat_over(image, evidence)
    assert (glowing[120, 120] != 90).any()
    assert (glowing[200, 300] == 90).all()
    beside = with_evidence(glowing, image, evidence)
    assert beside.shape == (240, 320 + 107, 3)
    assert (beside[:, :320] == glowing).all()


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (481, 641)])
def test_a_detector_that_tells_nothing_still_has_an_image(size: tuple[int, int]):
    image = make_image(*size)
    evidence = Evidence(redness(image), None, None)
    assert with_evidence(lay_heat_over(image, evidence), image, evidence).shape[0] == size[0]

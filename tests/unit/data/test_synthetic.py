"""Drawn scenes: the same for the same seed, with boxes that fit what was drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn.data.synthetic import faces, weather
from edgecnn.data.synthetic.backgrounds import draw_background
from edgecnn.data.synthetic.scenes import SyntheticScenes, draw_scene, load_backgrounds, place
from edgecnn.errors import InputError

pytest.importorskip("cv2", reason="scenes are drawn with opencv-python")

EFFECTS = ("fog", "rain", "snow", "night", "glare", "tone", "motion_blur", "defocus",
           "sensor_noise", "jpeg")  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_scene_is_the_same_whenever_it_is_drawn():
    scenes = SyntheticScenes(seed=3, number=10, height=128, width=160)
    first = scenes[7]
    _ = scenes[2]
    again = SyntheticScenes(seed=3, number=10, height=128, width=160)[7]

    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes, again.boxes)


def test_other_seeds_and_numbers_give_other_scenes():
    scenes = SyntheticScenes(seed=3, number=10, height=96, width=96)
    other = SyntheticScenes(seed=4, number=10, height=96, width=96)

    assert (scenes[0].image != scenes[1].image).any()
    assert (scenes[0].image != other[0].image).any()


@pytest.mark.parametrize("number", range(25))
def test_boxes_lie_in_the_image_and_are_no_slivers(number):
    scene = SyntheticScenes(seed=1, number=25, height=200, width=300)[number]

    assert scene.image.shape == (200, 300, 3)
    assert scene.image.dtype == np.uint8
    for boxes in (scene.boxes, scene.ignored):
        assert boxes.dtype == np.float32
        assert (boxes >= 0).all()
        assert (boxes <= (300, 200, 300, 200)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert ((scene.boxes[:, 2:] - scene.boxes[:, :2]) >= 7).all()


def test_most_scenes_have_a_sign_and_some_have_none_or_several():
    counts = np.asarray([len(scene.boxes) for scene in SyntheticScenes(5, 150, 96, 96)])

    assert 0.1 < (counts == 0).mean() < 0.5
    assert (counts == 1).mean() > 0.35
    assert (counts >= 2).any()


@pytest.mark.parametrize("seed", range(12))
def test_a_box_fits_the_plate_that_was_drawn(seed):
    """On plain gray, what changed is the plate (and its pole below): edges within 2 pixels."""
    canvas = np.full((300, 300, 3), 128, np.uint8)
    generator = rng(seed)
    face = np.full((faces.SIZE, faces.SIZE, 4), 255, np.uint8)
    face[:, :, :3] = (200, 20, 30)
    plate = faces.stop_face(rng(seed), word="")
    face[:, :, 3] = plate[:, :, 3]

    placed = place(canvas, face, generator, [], faces.octagon())

    assert placed is not None
    box, _ = placed
    pixels = canvas.astype(int)
    reddish = pixels[:, :, 0] > pixels[:, :, 1] + 12
    reddish &= pixels[:, :, 1] <= pixels[:, :, 2] + 4  # a wooden pole is brown
    if reddish.sum() < 60:  # hidden, or hardly any light: nothing to measure
        pytest.skip("too little of this plate is seen")
    rows, columns = np.flatnonzero(reddish.any(axis=1)), np.flatnonzero(reddish.any(axis=0))
    seen = np.asarray([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    assert (seen[:2] >= box[:2] - 2).all()
    assert (seen[2:] <= box[2:] + 2).all()


def test_the_octagon_is_regular():
    corners = faces.octagon()
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)

    np.testing.assert_allclose(sides, 1 / (1 + math.sqrt(2)), rtol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(faces.octagon(turned=True) - 0.5, axis=1),
        np.linalg.norm(corners - 0.5, axis=1),
        rtol=1e-5,
    )


def test_a_stop_sign_is_mostly_red_with_white_in_it_and_open_corners():
    face = faces.stop_face(rng(2), word="STOP")
    red = (face[:, :, 0] > 120) & (face[:, :, 1] < 90)
    white = face[:, :, :3].min(axis=2) > 200
    plate = face[:, :, 3] > 127

    assert 0.45 < red[plate].mean() < 0.85
    assert 0.05 < white[plate].mean() < 0.4
    assert plate.mean() == pytest.approx(2 * (math.sqrt(2) - 1), abs=0.02)
    assert face[0, 0, 3] == face[-1, -1, 3] == 0


@pytest.mark.parametrize("word", sorted(set(faces.WORDS)))
def test_every_word_leaves_white_ink(word):
    blank = faces.stop_face(rng(1), word="")
    written = faces.stop_face(rng(1), word=word)

    assert (written != blank).any(axis=2).mean() > 0.03


@pytest.mark.parametrize("kind", faces.OTHER_KINDS)
def test_every_other_sign_can_be_drawn(kind):
    face = faces.other_face(rng(4), kind)

    assert face.shape == (faces.SIZE, faces.SIZE, 4)
    assert 0.1 < (face[:, :, 3] > 127).mean() <= 1


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("size", [(64, 96), (9, 7)])
def test_every_effect_keeps_shape_and_type_and_changes_something(effect, size):
    image = draw_background(rng(1), *size)

    results = [getattr(weather, effect)(image.copy(), rng(seed)) for seed in range(4)]

    assert all(r.shape == image.shape and r.dtype == np.uint8 for r in results)
    assert any((r != image).any() for r in results)


def test_backgrounds_come_from_a_folder(tmp_path):
    from PIL import Image

    Image.new("RGB", (50, 40), (9, 200, 9)).save(tmp_path / "a.png")
    Image.new("L", (50, 40), 77).save(tmp_path / "b.jpg")
    photos = load_backgrounds(tmp_path)
    assert [photo.shape for photo in photos] == [(40, 50, 3)] * 2

    scene = draw_scene(
        rng(0), 60, 60, np.ascontiguousarray(np.tile(photos[0], (2, 2, 1))[:60, :60])
    )
    assert scene.image.shape == (60, 60, 3)
    with pytest.raises(InputError, match="no images"):
        load_backgrounds(tmp_path / "none")


def test_an_index_beyond_the_end_ends_the_iteration():
    assert len(list(SyntheticScenes(0, 3, 64, 64))) == 3

"""Fast resizing stays close to the resizing that training did."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.preprocessing.resample import resize
from edgecnn.vision.detectors.shrink import fit

cv2 = pytest.importorskip("cv2", reason="the live detector resizes with OpenCV")


def apart(image, height, width):
    reference = resize(image.astype(np.float32), height, width)
    return float(np.abs(fit(image, height, width).astype(np.float32) - reference).mean())


@pytest.mark.parametrize("size", [(288, 384), (312, 416), (400, 500), (250, 330)])
def test_an_image_comes_out_as_in_training(size):
    scenes = SyntheticScenes(3, 4, 480, 640)
    assert np.mean([apart(scene.image, *size) for scene in scenes]) < 1.5


@pytest.mark.parametrize(
    ("shape", "share"),
    [((540, 720), 0.9), ((720, 960), 1.0), ((1080, 1440), 0.9), ((2160, 2880), 0.9)],
)
def test_shrinking_is_nearer_to_training_than_opencvs_area_averages(shape, share):
    image = SyntheticScenes(3, 1, *shape)[0].image
    reference = resize(image.astype(np.float32), 288, 384)
    area = cv2.resize(image, (384, 288), interpolation=cv2.INTER_AREA)

    assert apart(image, 288, 384) < share * np.abs(area.astype(np.float32) - reference).mean()


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 1), (64, 64)), ((1, 900), (1, 64)), ((700, 1), (64, 1)),
                        ((480, 640), (480, 640)), ((3000, 4000), (288, 384))],
)  # fmt: skip
def test_any_size_goes_to_any_size(shape, size):
    flat = np.full((*shape, 3), 77, np.uint8)
    assert fit(flat, *size).shape == (*size, 3)
    assert (fit(flat, *size) == 77).all()

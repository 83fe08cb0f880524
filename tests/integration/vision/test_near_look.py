"""The shipped detectors see signs that fill a large input, by its half."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.synthetic.faces import octagon, stop_face
from edgecnn.geometry import iou
from edgecnn.vision import load_detector
from edgecnn.vision.detectors.second_look import load_second_look

cv2 = pytest.importorskip("cv2", reason="cv2 is not installed")
pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")

WIDTH, HEIGHT = 1280, 720


def close_up(side):
    """A gray street with a stop sign of `side` pixels in its middle, BGR, and its box."""
    rng = np.random.default_rng(4)
    face = stop_face(rng, word="STOP")
    face = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    image = rng.normal(110, 6, (HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.float32)
    left, top = (WIDTH - side) // 2, (HEIGHT - side) // 2
    region = image[top : top + side, left : left + side]
    region += (face[:, :, 2::-1] - region) * (face[:, :, 3:] / 255)
    corners = octagon() * side + (left, top)
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return np.rint(image).astype(np.uint8), box.astype(np.float32)


@pytest.mark.parametrize(
    ("model", "size"), [("stop_sign_small", (576, 1024)), ("stop_sign_nano", (448, 768))]
)
def test_the_box_of_a_sign_that_fills_the_frame_is_that_of_the_sign(model, size):
    image, box = close_up(620)
    near = load_detector(model, input_size=size, near_look=True)
    found = near(image)
    assert len(found) == 1
    assert iou(box[None], found.xyxy)[0, 0] > 0.8
    plain = load_detector(model, input_size=size)(image)
    assert iou(box[None], plain.xyxy).max(initial=0) < iou(box[None], found.xyxy)[0, 0]


def test_only_a_frame_with_something_large_is_looked_at_twice():
    near = load_detector("stop_sign_nano", input_size=(448, 768), near_look=True)
    assert near.smaller is not None
    large, _ = close_up(620)
    small, box = close_up(90)
    outputs = {}
    for name, image in (("large", large), ("small", small)):
        tensor, _ = near.prepare(image)
        outputs[name] = near.infer(tensor)
    assert len(outputs["small"]) == 2
    assert len(outputs["large"]) > 2
    tensor, _ = near.prepare(small)
    assert len(near.infer(tensor, at_most=True)) == 6  # of 768, 384 and 192
    np.testing.assert_array_equal(near.own(outputs["large"])[0], outputs["large"][0])
    found = near(small)
    plain = load_detector("stop_sign_nano", input_size=(448, 768))(small)
    np.testing.assert_array_equal(found.xyxy, plain.xyxy)
    assert iou(box[None], found.xyxy).max() > 0.6


@pytest.mark.parametrize("runtime", ["litert:cpu", "onnxruntime:cpu", "openvino:cpu"])
def test_every_runtime_has_a_near_look(runtime):
    image, box = close_up(620)
    near = load_detector("stop_sign_nano", runtime=runtime, input_size=(448, 768), near_look=True)
    assert iou(box[None], near(image).xyxy).max(initial=0) > 0.8


def test_a_second_look_has_a_near_look_as_well():
    image, box = close_up(620)
    second = load_second_look("stop_sign_nano", input_size=(448, 768), near_look=True)
    assert iou(box[None], second(image).xyxy).max(initial=0) > 0.8


def test_an_input_that_is_small_already_has_no_half():
    assert load_detector("stop_sign_nano", input_size=(256, 256), near_look=True).smaller is None

"""A detector is explained by its heat maps, class by class, wherever among its outputs they are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.explanation.explain import explain
from edgecnn.explanation.sections.answer import answer
from edgecnn.explanation.subject import ExplainedModel, open_explained_model
from edgecnn.manifest import Manifest, write_manifest
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing

SIDE, CELLS = 64, 8
COLORS = ("red", "green", "blue")
MORE = (*COLORS, "cyan", "magenta")
"""So many that the heat maps hold more numbers than the boxes."""


def manifest_of(classes, head="heat_map"):
    return Manifest(
        task="detection",
        preprocessing=ImagePreprocessing(SIDE, SIDE, 3),
        postprocessing=Postprocessing(head, class_names=classes),
        labels=classes,
    )


@pytest.fixture
def saved(tmp_path):
    """A detector that finds cells by their color, with the heat maps behind the boxes."""
    from edgecnn.keras_files import import_keras

    keras = import_keras()

    def save(classes, head="heat_map"):
        image = keras.Input((SIDE, SIDE, 3), name="input")
        x = keras.layers.Conv2D(3, 8, 8, activation="relu", name="color")(image)
        heat = keras.layers.Conv2D(len(classes), 1, name="found")(x)
        model = keras.Model(image, [keras.layers.Conv2D(4, 1, name="sides")(x), heat])
        model.get_layer("color").set_weights(
            [np.broadcast_to(np.eye(3) / 64, (8, 8, 3, 3)), np.zeros(3)]
        )
        kernel = np.zeros((1, 1, 3, len(classes)))
        kernel[0, 0, :, :3] = 8 * np.eye(3)
        bias = np.full(len(classes), -4.0)
        model.get_layer("found").set_weights([kernel, bias])
        path = tmp_path / "detector.keras"
        model.save(path)
        write_manifest(path, manifest_of(classes, head))
        return path

    return save


def spot(channel, row, column):
    """A black image with one cell of one color."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, channel] = 255
    return image


@pytest.mark.parametrize("classes", [COLORS, MORE])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_class_that_is_named_is_the_one_that_is_shown(saved, classes, channel):
    made = explain(saved(classes), spot(channel, 2, 5), top=2)

    assert made.classes[0] == channel
    assert made.scores.shape == (len(classes),)
    assert made.scores[channel] == pytest.approx(1 / (1 + np.exp(-4)), rel=1e-4)
    assert f"surest place for {COLORS[channel]} has a score of 98" in answer(made).caption
    first, second = made.class_maps
    assert np.argwhere(first.heat).tolist() == [[2, 5]]
    assert not second.heat.any()


def test_a_files_maps_are_known_by_their_shapes():
    heat = np.full((1, 5, CELLS, CELLS), -4.0, np.float32)  # channels first
    heat[0, 4, 1, 1] = 4
    box = np.full((1, 4, CELLS, CELLS), 9.0, np.float32)
    artifact = SimpleNamespace(name="d.onnx", manifest=manifest_of(MORE))
    session = SimpleNamespace(run=lambda _: [box, heat])
    subject = ExplainedModel(artifact, ImagePreprocessing(SIDE, SIDE, 3), None, session, MORE)

    (scores,) = subject.scores(np.zeros((1, SIDE, SIDE, 3), np.float32))

    assert scores == pytest.approx([0.018] * 4 + [0.982], abs=1e-3)


def test_a_detector_of_another_head_is_refused(saved):
    with pytest.raises(InputError, match="detector with the head yolo_rows, and explain is for"):
        open_explained_model(saved(COLORS, head="yolo_rows"))

"""Whose classes, whose scores and whose colors an explanation shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError
from edgecnn.explanation.explain import explain
from edgecnn.explanation.grad_cam import class_maps
from edgecnn.explanation.network import spatial_layers
from edgecnn.explanation.sections.answer import answer
from edgecnn.explanation.sections.colors import colors
from edgecnn.explanation.sections.layers import first_layer
from edgecnn.explanation.sections.shifts import shift
from edgecnn.explanation.subject import ExplainedModel, open_explained_model
from edgecnn.preprocessing import ImagePreprocessing

SIDE = 8


@pytest.fixture(scope="module")
def keras():
    from edgecnn.keras_files import import_keras

    return import_keras()


@pytest.fixture
def saved(keras, tmp_path):
    """A saved model of one dense layer over the pixels, with its weights and bias."""

    def save(weights, bias, activation="softmax", channels=1):
        model = keras.Sequential([
            keras.Input((SIDE, SIDE, channels)),
            keras.layers.Flatten(),
            keras.layers.Dense(len(bias), activation=activation, name="answer"),
        ])  # fmt: skip
        model.get_layer("answer").set_weights([np.asarray(weights, np.float32), np.asarray(bias)])
        path = tmp_path / "model.keras"
        model.save(path)
        return path

    return save


def dark_and_bright(labels) -> Dataset:
    """A black image of label 0 and a white one of label 1."""
    images = np.zeros((2, SIDE, SIDE, 1), np.uint8)
    images[1] = 255
    split = Split(images, np.asarray([0, 1], np.int64))
    return Dataset("made", "classification", tuple(labels), {"test": split}, "ab", (SIDE, SIDE))


def for_dark_and_bright(classes: int, dark: int, bright: int):
    """Weights and bias that answer `dark` to black images and `bright` to white ones."""
    weights, bias = np.zeros((SIDE * SIDE, classes)), np.zeros(classes)
    bias[dark], weights[:, bright] = 5, 1
    return weights, bias


def test_labels_of_a_folder_are_found_among_the_models_own_classes(saved):
    path = saved(*for_dark_and_bright(1000, dark=7, bright=1))  # ImageNet's cock and goldfish

    made = explain(
        path, dataset=dark_and_bright(("n01514668", "n01443537")),
        shifts=(0,), preprocessing="0..1",
    )  # fmt: skip

    assert made.ground_truth == 7
    assert "That is right" in answer(made).caption
    assert [point.correct for point in made.curves[0].points] == [2]


def test_classes_in_another_order_are_matched_by_name(saved):
    path = saved(*for_dark_and_bright(2, dark=1, bright=0))

    made = explain(
        path, dataset=dark_and_bright(("night", "day")), shifts=(0,),
        preprocessing="0..1", labels=("day", "night"),
    )  # fmt: skip

    assert made.ground_truth == 1
    assert made.curves[0].points[0].accuracy == 1
    assert "answers night" in answer(made).caption


def test_data_whose_classes_cannot_be_matched_are_refused(saved):
    path = saved(*for_dark_and_bright(7, dark=0, bright=1))

    with pytest.raises(InputError, match=r"7 classes, the data set has 2 .night, day.*--labels"):
        explain(path, dataset=dark_and_bright(("night", "day")), preprocessing="0..1")


def quantized_softmax(path, classes: int) -> None:
    """An ONNX file whose answer is 0.6 for class 0, in uint8 steps of 1/256."""
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    from onnx import TensorProto, helper, numpy_helper

    rest = np.log(0.4 / 0.6 / (classes - 1))
    bias = np.full(classes, rest, np.float32)
    bias[0] = 0
    constants = {
        "weights": np.zeros((SIDE * SIDE, classes), np.float32),
        "bias": bias,
        "step": np.asarray(1 / 256, np.float32),
        "zero": np.asarray(0, np.uint8),
    }
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
        helper.make_node("QuantizeLinear", ["shares", "step", "zero"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "step", "zero"], ["answer"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, SIDE, SIDE])
    answered = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, classes])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [image], [answered], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path
    )


def scores_of(subject: ExplainedModel, levels: float) -> list[float]:
    image = np.full((SIDE, SIDE, 1), levels, np.uint8)
    return subject.scores(subject.preprocessing(image)[None])[0].tolist()


def test_a_softmax_whose_small_scores_were_rounded_away_stays_as_it_is(tmp_path):
    path = tmp_path / "model.onnx"
    quantized_softmax(path, 1000)
    scores = scores_of(open_explained_model(path, option="0..1"), 0)
    assert scores[0] == pytest.approx(0.6, abs=1 / 256)
    assert sum(scores) < 0.7


def test_sigmoids_stay_as_they_are(saved):
    chances = np.asarray([0.9, 0.8, 0.1])
    path = saved(np.zeros((SIDE * SIDE, 3)), np.log(chances / (1 - chances)), "sigmoid")
    assert scores_of(open_explained_model(path, option="0..1"), 0) == pytest.approx(
        chances, abs=1e-5
    )


def test_logits_stay_logits_for_an_image_where_they_look_like_probabilities(saved):
    weights, _ = for_dark_and_bright(2, dark=0, bright=1)
    subject = open_explained_model(
        saved(weights, np.asarray([0.75, 0.25]), "linear"), option="0..1"
    )
    assert not subject.answers_probabilities
    black = scores_of(subject, 0)
    assert black == pytest.approx(np.exp([0.75, 0.25]) / np.exp([0.75, 0.25]).sum())


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_a_single_score_is_that_of_the_second_of_two_classes(saved, activation):
    path = saved(np.full((SIDE * SIDE, 1), 1.0), [-2.0], activation)
    made = explain(
        path, dataset=dark_and_bright(("night", "day")), shifts=(0,),
        preprocessing="0..1", labels=("night", "day"),
    )  # fmt: skip

    assert made.scores == pytest.approx([0.881, 0.119], abs=1e-3)
    assert "answers night, with 88" in answer(made).caption
    assert made.ground_truth == 0
    assert [point.correct for point in made.curves[0].points] == [2]


def test_grad_cam_of_a_single_score_speaks_for_both_classes(keras):
    image = keras.Input((SIDE, SIDE, 1))
    maps = keras.layers.Conv2D(1, 1, activation="relu", name="conv", kernel_initializer="ones")
    x = keras.layers.GlobalAveragePooling2D()(maps(image))
    dense = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
    model = keras.Model(image, dense(x))
    zero, one = class_maps(
        model, np.ones((SIDE, SIDE, 1), np.float32), [0, 1], spatial_layers(model)
    )
    assert not zero.heat.any()
    assert one.heat.all()


@pytest.mark.parametrize("labels", [(), ("cat",), ("cat", "dog", "cow")])
def test_a_single_score_without_two_names_is_refused(saved, labels):
    path = saved(np.zeros((SIDE * SIDE, 1)), [0.0], "sigmoid")
    with pytest.raises(InputError, match=f"one score.*it has the names of {len(labels)}"):
        open_explained_model(path, option="0..1", labels=labels)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_answer_that_is_not_a_number_is_refused(saved, bad):
    path = saved(np.zeros((SIDE * SIDE, 2)), [bad, 0.0], "linear")
    with pytest.raises(InputError, match=r"model\.keras answers with scores that are not finite"):
        explain(path, np.zeros((SIDE, SIDE, 1), np.uint8), preprocessing="0..1")


def test_the_answer_comes_before_the_classes_that_are_asked_for(saved):
    path = saved(*for_dark_and_bright(4, dark=2, bright=1))
    image = np.zeros((SIDE, SIDE, 1), np.uint8)
    made = explain(path, image, preprocessing="0..1", classes=("3", "0"))
    assert made.classes == (2, 3, 0)
    again = explain(path, image, preprocessing="0..1", classes=("3", "2"))
    assert again.classes == (2, 3)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"shifts": (0, 1)}, "--shifts"),
        ({"samples": 40}, "--samples"),
        ({"others": [Path("folder/other.onnx")], "shifts": (0,)}, "other.onnx, --shifts"),
    ],
)
def test_what_is_measured_on_data_is_refused_without(saved, given, named):
    path = saved(*for_dark_and_bright(2, dark=0, bright=1))
    with pytest.raises(InputError, match=f"^--data is required with {named}$") as refused:
        explain(path, np.zeros((SIDE, SIDE, 1), np.uint8), **given)
    assert "--data" in refused.value.hint


def test_equal_accuracies_are_not_called_equal_answers(saved):
    made = explain(
        saved(*for_dark_and_bright(2, dark=0, bright=1)),
        dataset=dark_and_bright(("night", "day")), shifts=(0,),
        preprocessing="0..1", labels=("night", "day"),
    )  # fmt: skip
    caption = shift(replace(made, curves=made.curves * 2)).caption
    assert "The other files have the same accuracy at every shift" in caption


@pytest.fixture
def of_red(keras, tmp_path):
    """A network for channels in the order blue, green, red that looks at red alone."""
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(1, 1, activation="relu", name="conv")(image)
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="answer")(x))
    model.get_layer("conv").set_weights([np.array([0, 0, 1.0]).reshape(1, 1, 3, 1), np.zeros(1)])
    model.get_layer("answer").set_weights([np.array([[4.0, 0.0]]), np.zeros(2)])
    path = tmp_path / "red.keras"
    model.save(path)
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    return explain(path, noise, preprocessing=ImagePreprocessing(SIDE, SIDE, 3, order="bgr"))


def test_the_channels_of_a_bgr_network_have_their_own_names_and_light(of_red):
    shares = {one.channel: one.share for one in of_red.colors}
    assert shares == {"blue": 0, "green": 0, "red": pytest.approx(1)}
    (row,) = colors(of_red).rows
    lit = {tile.title: tile.image.any(axis=(0, 1)).tolist() for tile in row.tiles}
    assert lit == {
        "red": [True, False, False],
        "green": [False, True, False],
        "blue": [False, False, True],
    }


def test_the_filters_of_a_bgr_network_are_drawn_in_their_colors(of_red):
    (row,) = first_layer(of_red).rows
    (tile,) = row.tiles
    assert tile.image[0, 0].tolist() == [255, 128, 128]


def test_an_image_with_its_own_contrast_is_shown_without_being_cut_off():
    soft = np.linspace(100, 140, 32 * 32).reshape(32, 32, 1).astype(np.uint8)
    wants = ImagePreprocessing(32, 32, 1, contrast="picture")
    shown = ExplainedModel(None, wants, None, None, ()).pixels(wants(soft))
    assert ((shown > 0) & (shown < 255)).all()
    assert shown.max() - shown.min() > 128

"""What a network costs, counted by hand; and that its drawing shows all of it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import keras
import pytest
from keras import layers

from edgecnn import models
from edgecnn.errors import InputError
from edgecnn.models import drawing
from edgecnn.models.summary import summarize


@pytest.fixture(scope="module")
def lenet5():
    return summarize(models.outline("lenet5"))


@pytest.fixture(scope="module")
def resnet8():
    return summarize(models.outline("resnet8"))


def test_counts_every_layers_work(lenet5):
    work = {layer.name: layer.macs for layer in lenet5.layers}

    assert work["c1"] == 28 * 28 * 6 * 25
    assert work["c3"] == 10 * 10 * 16 * 25 * 6
    assert work["c5"] == 120 * 25 * 16
    assert lenet5.macs == sum(work.values()) == 416_520


def test_parameters_of_the_layers_add_up(lenet5, resnet8):
    for summary in (lenet5, resnet8):
        assert sum(layer.parameters for layer in summary.layers) == summary.parameters


def test_the_most_that_lies_in_memory_is_input_and_output_of_the_widest_layer(lenet5):
    assert lenet5.peak_activation_elements == 28 * 28 * 6 + 14 * 14 * 6


def test_a_shortcut_stays_in_memory_beside_the_block():
    image = keras.Input((8, 8, 4), name="input")
    inside = layers.Conv2D(4, 3, padding="same")(image)
    inside = layers.Conv2D(4, 3, padding="same")(inside)
    model = keras.Model(image, layers.Add()([image, inside]))

    assert summarize(model).peak_activation_elements == 3 * 8 * 8 * 4


def test_a_layer_says_what_it_reads(resnet8):
    reads = {layer.name: layer.reads for layer in resnet8.layers}

    assert set(reads["block1_add"]) == {"stem_relu", "block1_2_norm"}


def test_a_network_with_a_model_inside_says_what_each_layer_reads():
    body = keras.Sequential(
        [keras.Input((8, 8, 1), name="of_body"), layers.Conv2D(2, 3, name="conv")], name="body"
    )
    image = keras.Input((8, 8, 1), name="input")
    model = keras.Model(image, layers.Flatten(name="flat")(body(image)))
    reads = {layer.name: layer.reads for layer in summarize(model).layers}

    assert reads == {"input": (), "conv": ("input",), "flat": ("conv",)}


def test_normalization_and_activation_share_the_box_of_their_convolution(resnet8):
    boxes, reads = drawing.grouped(resnet8.layers)

    assert [layer.name for layer in boxes["stem_conv"].guests] == ["stem_norm", "stem_relu"]
    assert set(reads["block1_add"]) == {"stem_conv", "block1_2_conv"}


def test_the_drawing_has_a_box_for_each_and_no_two_overlap(resnet8):
    boxes, reads = drawing.grouped(resnet8.layers)
    plan = drawing.arrange(list(boxes), reads)

    assert {placed.name for placed in plan.boxes} == set(boxes)
    for one in plan.boxes:
        assert one.x - drawing.BOX_WIDTH / 2 >= 0
        assert one.x + drawing.BOX_WIDTH / 2 <= plan.width
        for other in plan.boxes:
            apart = abs(one.x - other.x) >= drawing.BOX_WIDTH
            assert one is other or apart or abs(one.y - other.y) >= drawing.BOX_HEIGHT


def test_every_line_goes_from_a_box_to_the_one_that_reads_it(resnet8):
    boxes, reads = drawing.grouped(resnet8.layers)
    plan = drawing.arrange(list(boxes), reads)
    tops = {(placed.x, placed.y) for placed in plan.boxes}
    bottoms = {(placed.x, placed.y + drawing.BOX_HEIGHT) for placed in plan.boxes}

    assert len(plan.edges) == sum(map(len, reads.values()))
    assert all(edge[0] in bottoms and edge[-1] in tops for edge in plan.edges)


def test_names_of_layers_are_escaped():
    model = keras.Sequential([keras.Input((4,), name="input"), layers.Dense(2, name="a<b&c")])
    drawn = drawing.svg(summarize(model))

    assert "a&lt;b&amp;c" in drawn
    ET.fromstring(drawn)


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("html", b"<!doctype")]
)
def test_is_written_as_what_the_ending_says(lenet5, tmp_path, ending, start):
    path = tmp_path / f"net.{ending}"
    drawing.write(lenet5, path)

    assert path.read_bytes().startswith(start)


def test_another_ending_is_refused(lenet5, tmp_path):
    with pytest.raises(InputError, match=r"\.svg, \.png, \.html"):
        drawing.write(lenet5, tmp_path / "net.gif")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (416_520, "417 k"), (1_814_073_344, "1.81 G")]
)
def test_large_counts_are_shortened(count, text):
    assert drawing.short(count) == text

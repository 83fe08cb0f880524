"""Which operators a recipe's names of layers mean."""

from __future__ import annotations

import pytest

from edgecnn.conversion.inference.activations import GraphOperator
from edgecnn.conversion.quantizers.layers import named_layers
from edgecnn.conversion.recipe import PRESETS


def chosen(name: str, *operators: str) -> list[str]:
    graph = [GraphOperator("Conv", ("x",), (each,)) for each in operators]
    recipe = PRESETS["static_int8"].keeping({name: "float32"})
    return [operator.name for operator, _ in named_layers(graph, recipe, "net")]


@pytest.mark.parametrize("name", ["conv2d", "conv2d_1"])
def test_a_name_that_an_operator_has_means_no_other_layer(name: str):
    """PyTorch calls its layers conv2d, conv2d_1, conv2d_2."""
    assert chosen(name, "conv2d", "conv2d_1", "conv2d_2") == [name]


def test_a_name_in_keras_is_that_of_the_layer_that_exporting_counted_once_more():
    assert chosen("conv", "net/conv_1/Conv2D", "net/conv/Conv2D") == ["net/conv_1/Conv2D"]


def test_all_operators_of_a_layer_with_its_outputs_name_are_meant():
    assert chosen("conv", "conv/pad", "conv") == ["conv", "conv/pad"]

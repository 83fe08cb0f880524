"""Which layer an operator is from, by its name in a traced graph."""

from __future__ import annotations

import pytest

from edgecnn.conversion.exporters.preflight import layer_of

LAYERS = frozenset({"conv", "conv_1", "block", "lstm"})


@pytest.mark.parametrize(
    ("operator", "layer"),
    [
        ("model_1/conv_1/convolution", "conv_1"),  # a layer of this name, and no second call
        ("model_1/conv_1_2/convolution", "conv_1"),  # its second call
        ("model_1/block_1/conv_3/BiasAdd", "conv"),  # the innermost
        ("StatefulPartitionedCall/model/lstm_1/while/add", "lstm"),
        ("model/nothing/Add", ""),
        ("Add", ""),
    ],
)
def test_the_innermost_scope_that_is_a_layer_is_named(operator: str, layer: str):
    assert layer_of(operator, LAYERS) == layer


def test_without_layers_the_scope_is_named():
    assert layer_of("sequential/dense/MatMul", frozenset()) == "dense"
    assert layer_of("MatMul", frozenset()) == ""

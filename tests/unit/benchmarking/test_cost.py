"""The cost of a model by its file, against numbers worked out by hand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.benchmarking.cost import UncountableError, cost_of
from edgecnn.benchmarking.cost.graph import CostedGraph, CostedOperator, GraphCost, Tensor
from edgecnn.errors import InputError

onnx = pytest.importorskip("onnx")
helper = onnx.helper
FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8


def model(
    path: Path,
    nodes: list[object],
    shapes: tuple[list[object], list[object]],
    constants: dict[str, np.ndarray],
    value_info: tuple[object, ...] = (),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, shapes[0])],
        [helper.make_tensor_value_info("y", FLOAT, shapes[1])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        value_info=list(value_info),
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize("batch", [1, 4, "batch"])
def test_a_convolution_costs_a_window_for_each_output(batch: int | str, tmp_path: Path):
    path = model(
        tmp_path / "conv.onnx",
        [helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
         helper.make_node("Relu", ["c"], ["y"])],
        ([batch, 3, 32, 32], [batch, 8, 16, 16]),
        {"w": weights(8, 3, 3, 3), "b": weights(8)},
    )  # fmt: skip
    cost = cost_of(path)
    assert cost.macs == 16 * 16 * 8 * 3 * 3 * 3
    assert cost.parameters == 8 * 27 + 8
    assert cost.weight_bytes == 4 * cost.parameters
    assert cost.activation_bytes == 4 * (3 * 32 * 32 + 8 * 16 * 16)
    assert cost.bytes_moved(4) == cost.weight_bytes + 4 * cost.activation_bytes


@pytest.mark.parametrize(
    ("node", "constants", "into", "out", "macs"),
    [
        (("Conv", {"group": 8}), weights(8, 1, 3, 3), [1, 8, 6, 6], [1, 8, 4, 4], 16 * 8 * 9),
        (("ConvTranspose", {"strides": [2, 2]}), weights(8, 4, 2, 2),
         [1, 8, 5, 5], [1, 4, 10, 10], 25 * 8 * 4 * 4),
        (("Gemm", {"transB": 1}), weights(10, 64), [1, 64], [1, 10], 640),
        (("Gemm", {}), weights(64, 10), [1, 64], [1, 10], 640),
        (("MatMul", {}), weights(64, 10), [1, 7, 64], [1, 7, 10], 7 * 640),
    ],
)  # fmt: skip
def test_products_are_counted(
    node: tuple[str, dict[str, object]],
    constants: np.ndarray,
    into: list[object],
    out: list[object],
    macs: int,
    tmp_path: Path,
):
    kind, attributes = node
    path = model(
        tmp_path / "one.onnx",
        [helper.make_node(kind, ["x", "w"], ["y"], **attributes)],
        (into, out),
        {"w": constants},
    )
    cost = cost_of(path)
    assert (cost.macs, cost.parameters) == (macs, constants.size)
    assert cost.activation_bytes == 4 * (prod(into) + prod(out))


def test_pooling_and_sums_move_bytes_and_compute_no_products(tmp_path: Path):
    path = model(
        tmp_path / "pool.onnx",
        [helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
         helper.make_node("Add", ["p", "p"], ["s"]),
         helper.make_node("Flatten", ["s"], ["y"])],
        ([1, 4, 8, 8], [1, 64]),
        {},
    )  # fmt: skip
    pool, add = 4 * 64 + 4 * 16, 3 * 4 * 16
    assert cost_of(path) == GraphCost(0, 0, 0, 4 * (pool + add))


def test_quantized_weights_and_activations_count_as_they_are_stored(tmp_path: Path):
    scale, zero = np.float32(0.1), np.uint8(128)
    path = model(
        tmp_path / "qdq.onnx",
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
         helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
         helper.make_node("DequantizeLinear", ["wq", "s", "z"], ["wd"]),
         helper.make_node("Conv", ["xd", "wd"], ["c"]),
         helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
         helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["y"])],
        ([1, 3, 8, 8], [1, 4, 8, 8]),
        {"s": scale, "z": zero, "wq": np.ones((4, 3, 1, 1), np.uint8)},
    )  # fmt: skip
    cost = cost_of(path)
    assert cost.macs == 64 * 4 * 3
    assert (cost.parameters, cost.weight_bytes) == (12, 12)
    first = 3 * 64 * (4 + 1)  # the float input becomes bytes
    convolution = 3 * 64 + 4 * 64  # bytes in, bytes out
    last = 4 * 64 * (1 + 4)  # and are numbers again at the end
    assert cost.activation_bytes == first + convolution + last


def test_work_on_constants_alone_is_done_before_the_first_inference(tmp_path: Path):
    path = model(
        tmp_path / "folded.onnx",
        [helper.make_node("MatMul", ["a", "b"], ["w"]),
         helper.make_node("MatMul", ["x", "w"], ["y"])],
        ([1, 16], [1, 8]),
        {"a": weights(16, 32), "b": weights(32, 8)},
    )  # fmt: skip
    assert cost_of(path).macs == 16 * 8


def test_a_loop_cannot_be_counted(tmp_path: Path):
    path = model(
        tmp_path / "lstm.onnx",
        [helper.make_node("LSTM", ["x", "w", "r"], ["", "", "y"], hidden_size=2)],
        ([3, 1, 4], [1, 1, 2]),
        {"w": weights(1, 8, 4), "r": weights(1, 8, 2)},
    )
    with pytest.raises(UncountableError, match="LSTM"):
        cost_of(path)


@pytest.mark.parametrize("name", ["broken.onnx", "broken.tflite"])
def test_a_damaged_file_is_an_input_error(name: str, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(64)))
    with pytest.raises(InputError):
        cost_of(path)


def test_an_unknown_format_is_not_counted(tmp_path: Path):
    with pytest.raises(UncountableError, match=r"\.engine"):
        cost_of(tmp_path / "model.engine")


@settings(deadline=None)
@given(channels=st.lists(st.integers(1, 9), min_size=2, max_size=6), batch=st.integers(1, 5))
def test_a_chain_costs_the_sum_of_its_links_whatever_the_batch(channels: list[int], batch: int):
    tensors = {f"t{index}": Tensor((batch, size), "float32") for index, size in enumerate(channels)}
    operators = []
    for index, (into, out) in enumerate(pairwise(channels)):
        tensors[f"w{index}"] = Tensor((out, into), "int8", constant=True)
        operators.append(
            CostedOperator(
                "Dense", (f"t{index}", f"w{index}"), (f"t{index + 1}",), "compute",
                batch * into * out, (f"w{index}",),
            )
        )  # fmt: skip
    cost = CostedGraph(tensors, operators, ["t0"], batch).cost()
    products = sum(into * out for into, out in pairwise(channels))
    assert cost.macs == cost.parameters == cost.weight_bytes == products
    assert cost.activation_bytes == 4 * (2 * sum(channels) - channels[0] - channels[-1])


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Conv", ["x"], ["y"]),
        helper.make_node("Gemm", ["nobody", "w"], ["y"]),
        helper.make_node("MatMul", [], ["y"]),
        helper.make_node("Relu", ["x"], []),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(node: object, tmp_path: Path):
    path = model(tmp_path / "odd.onnx", [node], ([1, 4], [1, 4]), {"w": weights(4, 4)})
    with pytest.raises((InputError, UncountableError)):
        cost_of(path)


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_whatever_the_bytes_the_answer_is_a_cost_or_an_error_in_words(
    seed: int, tmp_path_factory: pytest.TempPathFactory
):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("bytes")
    path = model(
        folder / "m.onnx",
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])],
        ([1, 3, 8, 8], [1, 4, 6, 6]),
        {"w": weights(4, 3, 3, 3)},
    )
    data = bytearray(path.read_bytes())
    for at in rng.integers(0, len(data), 4):
        data[at] = rng.integers(0, 256)
    path.write_bytes(data)
    with suppress(InputError, UncountableError):
        cost = cost_of(path)
        assert {type(number) for number in astuple(cost)} == {int}  # as JSON takes them
        assert min(astuple(cost)) >= 0
        assert cost.parameters <= 4 * cost.weight_bytes  # no type has fewer than two bits
        assert cost.weight_bytes <= 16 * cost.parameters  # and none more than 128
        assert cost.activation_bytes > 0 or cost.macs == 0

"""Networks whose output is constant on some inputs only, measured without data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Measurement

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

BRIEF = Protocol(
    "brief", processes=1, min_secs=0.0, min_runs=64, max_secs=0.5, max_runs=100,
    warmup_min_secs=0.0, warmup_max_secs=0.1,
)  # fmt: skip


def measured(tmp_path: Path, nodes, inputs, *, output=("float32", [1, 4]), **constants):
    helper = onnx.helper

    def value(name: str, dtype: str, shape: list[int]):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes],
        "odd",
        [value(name, *kind) for name, kind in inputs.items()],
        [value("y", *output)],
        [onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()],
    )
    path = tmp_path / "odd.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    results = benchmark([path], ["onnxruntime:cpu"], protocol=BRIEF, passes=("response",))
    (row,) = results.measurements
    assert row.status == "ok", row.error
    return row


def reasons(row: Measurement) -> str:
    return " ".join(row.reasons)


VECTOR = ("float32", [1, 4])


def test_a_difference_of_two_inputs_is_no_constant(tmp_path: Path):
    row = measured(tmp_path, [("Sub", ["a", "b"], ["y"])], {"a": VECTOR, "b": VECTOR})
    assert row.pass_result("response")["varies"]
    assert "constant" not in reasons(row)


def test_a_network_of_pixels_is_no_constant_on_noise_below_one(tmp_path: Path):
    nodes = [
        ("MatMul", ["x", "eye"], ["m"]),  # a subtraction in front would prove the range
        ("Sub", ["m", "limit"], ["s"]),
        ("Relu", ["s"], ["y"]),
    ]
    row = measured(
        tmp_path, nodes, {"x": VECTOR}, eye=np.eye(4, dtype=np.float32), limit=np.float32(100)
    )
    assert "constant on noise 0…1 and not on noise 0…255" in reasons(row)
    assert "--data" in reasons(row)
    assert row.verdict != "INVALID"


def test_a_network_of_negative_values_is_no_constant(tmp_path: Path):
    row = measured(tmp_path, [("Neg", ["x"], ["n"]), ("Relu", ["n"], ["y"])], {"x": VECTOR})
    assert row.pass_result("response")["varies_with"] == "noise -1…1"
    assert row.verdict != "INVALID"


def test_what_never_moves_is_invalid_and_data_are_asked_for(tmp_path: Path):
    row = measured(tmp_path, [("Mul", ["x", "zero"], ["y"])], {"x": VECTOR}, zero=np.float32(0))
    assert row.verdict == "INVALID"
    assert "the same for every synthetic input (noise 0…1, noise -1…1," in reasons(row)
    assert "pass --data to" in reasons(row)
    assert "runtime" not in reasons(row)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_whole_pixels_cover_the_whole_range(tmp_path: Path, dtype: str):
    high = np.iinfo(dtype).max - 20
    row = measured(
        tmp_path,
        [
            ("DequantizeLinear", ["x", "one"], ["f"]),
            ("Sub", ["f", "high"], ["s"]),
            ("Relu", ["s"], ["y"]),
        ],
        {"x": (dtype, [1, 8, 8, 3])},
        output=("float32", [1, 8, 8, 3]),
        one=np.float32(1),
        high=np.float32(high),
    )
    assert row.pass_result("response")["varies"]


def test_a_threshold_without_a_batch_is_fed(tmp_path: Path):
    row = measured(
        tmp_path,
        [("Mul", ["x", "threshold"], ["y"])],
        {"x": VECTOR, "threshold": ("float32", [])},
    )
    assert row.verdict != "INVALID"


def test_float64_and_booleans_are_fed(tmp_path: Path):
    row = measured(
        tmp_path,
        [("Where", ["which", "x", "zero"], ["y"])],
        {"x": ("float64", [1, 4]), "which": ("bool", [1, 4])},
        output=("float64", [1, 4]),
        zero=np.float64(0),
    )
    assert row.pass_result("response")["fed"] == "noise 0…1, whole numbers 0…1"
    assert row.pass_result("response")["varies"]


def test_ids_stay_within_the_table_that_looks_them_up(tmp_path: Path):
    table = np.random.default_rng(0).random((30, 4), dtype=np.float32)
    row = measured(
        tmp_path,
        [("Gather", ["table", "ids"], ["y"])],
        {"ids": ("int64", [1, 6])},
        output=("float32", [1, 6, 4]),
        table=table,
    )
    assert row.pass_result("response")["fed"] == "whole numbers 0…29"

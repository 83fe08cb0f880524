"""The recipe of a file is what its tensors say."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgecnn.embedded_manifest import load_artifact
from edgecnn.formats.recipes import recipe_in
from edgecnn.manifest import Manifest, write_manifest

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(8, 4)).astype(np.float32)
INT8 = RNG.integers(-128, 127, (8, 4)).astype(np.int8)
SCALE, ZERO = np.float32(0.1), np.int8(0)


def model(path: Path, nodes, *, dtype="float32", **stored) -> Path:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
        "g",
        [helper.make_tensor_value_info("x", kind, [1, 8])],
        [helper.make_tensor_value_info("y", kind, [1, 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(made, path)
    return path


FLOAT = [("MatMul", ["x", "w"], ["y"])]
WEIGHTS_ONLY = [("DequantizeLinear", ["q", "s", "z"], ["w"]), ("MatMul", ["x", "w"], ["y"])]
QDQ = [
    ("QuantizeLinear", ["x", "s", "z"], ["xq"]),
    ("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
    ("DequantizeLinear", ["q", "s", "zw"], ["w"]),
    ("MatMul", ["xf", "w"], ["y"]),
]
DYNAMIC = [
    ("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
    ("MatMulInteger", ["xq", "q", "xz"], ["i"]),
    ("Cast", ["i"], ["f"], {"to": 1}),
    ("Mul", ["f", "xs"], ["y"]),
]
BRANCH = helper.make_graph(
    [helper.make_node("MatMul", ["x", "inside"], ["b"])],
    "branch",
    [],
    [helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT16, [1, 4])],
    [numpy_helper.from_array(WEIGHTS.astype(np.float16), "inside")],
)
CONSTANT = [
    ("Constant", [], ["w"], {"value": numpy_helper.from_array(WEIGHTS.astype(np.float16))}),
    *FLOAT,
]


@pytest.mark.parametrize(
    ("nodes", "stored", "recipe"),
    [
        (FLOAT, {"w": WEIGHTS}, "float32"),
        (FLOAT, {"w": WEIGHTS.astype(np.float16)}, "float16"),
        (FLOAT, {"w": WEIGHTS.astype(np.float64)}, "float64"),
        (WEIGHTS_ONLY, {"q": INT8, "s": SCALE, "z": ZERO}, "int8_weights"),
        (QDQ, {"q": INT8, "s": SCALE, "z": np.uint8(0), "zw": ZERO}, "static_int8"),
        (QDQ, {"q": INT8, "s": SCALE, "z": np.int16(0), "zw": ZERO}, "int16x8"),
        (DYNAMIC, {"q": INT8}, "dynamic_int8"),
        (CONSTANT, {}, "float16"),
        (
            [("If", ["c"], ["y"], {"then_branch": BRANCH, "else_branch": BRANCH})],
            {"c": np.bool_(True)},
            "float16",
        ),
        ([("Relu", ["x"], ["y"])], {}, ""),
    ],
)
def test_an_onnx_file_is_named_by_what_it_stores(tmp_path: Path, nodes, stored, recipe: str):
    path = model(tmp_path / "called_float32.onnx", nodes, **stored)
    assert recipe_in(path) == recipe
    assert load_artifact(path).manifest.recipe == recipe


def test_weights_that_are_quantized_when_loaded_are_static_int8(tmp_path: Path):
    nodes = [
        ("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        ("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
        ("QuantizeLinear", ["w", "s", "z"], ["wq"]),
        ("DequantizeLinear", ["wq", "s", "z"], ["wf"]),
        ("MatMul", ["xf", "wf"], ["y"]),
    ]
    path = model(tmp_path / "m.onnx", nodes, w=WEIGHTS, s=SCALE, z=ZERO)
    assert recipe_in(path) == "static_int8"


def test_a_manifest_that_says_float32_over_half_weights_is_not_believed(tmp_path: Path):
    path = model(tmp_path / "m.onnx", FLOAT, w=WEIGHTS.astype(np.float16))
    write_manifest(path, Manifest(model="m", recipe="float32"))
    assert load_artifact(path).manifest.recipe == "float16"


@pytest.mark.parametrize(
    ("policies", "recipe"),
    [
        (["float32", "float32"], "float32"),
        (["mixed_float16", "float32"], "mixed_float16"),
        (["mixed_bfloat16", "mixed_bfloat16"], "mixed_bfloat16"),
    ],
)
def test_a_keras_file_is_named_by_the_policy_of_its_layers(tmp_path: Path, policies, recipe):
    layers = [
        {"config": {"dtype": {"class_name": "DTypePolicy", "config": {"name": policy}}}}
        for policy in policies
    ]
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
    assert recipe_in(path) == recipe


def test_a_keras_file_that_keras_quantized_is_named_by_its_mode(tmp_path: Path):
    policy = {"class_name": "QuantizedDTypePolicy",
              "config": {"mode": "int8", "source_name": "float32"}}  # fmt: skip
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"layers": [{"dtype": policy}]}))
    assert recipe_in(path) == "int8"


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.keras", "m.pb"])
def test_a_file_that_cannot_be_read_has_no_recipe(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(b"\x00\x01TFL3 nothing of the kind")
    assert recipe_in(path) == ""

"""What a .tflite or .onnx file proves about the input that it wants."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.feeding import infer_from_file
from edgecnn.feeding.inferred_input import infer_from_first_operators
from edgecnn.formats.front import InputOperators, read_input_operators


def onnx_file(path: Path, *nodes: Any, kind: str = "FLOAT", **constants: Any) -> Path:
    """A model from "x" (1, 3, 8, 8) by `nodes` to "y", and a convolution to "out"."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((2, 3, 3, 3), np.float32)
    graph = helper.make_graph(
        [*nodes, helper.make_node("Conv", ["y" if nodes else "x", "w"], ["out"])],
        "g",
        [helper.make_tensor_value_info("x", getattr(TensorProto, kind), [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in {"w": weights, **constants}.items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def node(operator: str, *inputs: str, out: str = "y", **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(operator, list(inputs), [out], **attributes)


def f32(*values: float) -> Any:
    return np.asarray(values if len(values) > 1 else values[0], np.float32)


def channels(*values: float) -> Any:
    return np.asarray(values, np.float32).reshape(1, 3, 1, 1)


ONNX = {
    "divided by 255": ([node("Div", "x", "c")], {"c": f32(255)}, "raw"),
    "multiplied": ([node("Mul", "c", "x")], {"c": f32(1 / 127.5)}, "raw"),
    "scaled and moved": (
        [node("Mul", "x", "c", out="a"), node("Sub", "a", "d")],
        {"c": f32(1 / 127.5), "d": f32(1)}, "raw"),
    "ImageNet's statistics of pixels": (
        [node("Sub", "x", "c", out="a"), node("Div", "a", "d")],
        {"c": channels(123.7, 116.3, 103.5), "d": channels(58.4, 57.1, 57.4)}, "raw"),
    "ImageNet's statistics of 0…1": (
        [node("Sub", "x", "c", out="a"), node("Div", "a", "d")],
        {"c": channels(0.485, 0.456, 0.406), "d": channels(0.229, 0.224, 0.225)}, "0..1"),
    "a first batch normalization": (
        [node("BatchNormalization", "x", "s", "b", "m", "v")],
        {"s": f32(1, 1, 1), "b": f32(0, 0, 0), "m": f32(120, 110, 100),
         "v": f32(3600, 3600, 3600)}, "raw"),
    "only the mean taken away": (
        [node("Sub", "x", "c")], {"c": channels(103.9, 116.8, 123.7)}, "raw"),
    "behind a transposition": (
        [node("Transpose", "x", out="a", perm=[0, 1, 2, 3]), node("Div", "a", "c")],
        {"c": f32(255)}, "raw"),
    "a quantized first tensor": (
        [node("QuantizeLinear", "x", "s", "z", out="q"), node("DequantizeLinear", "q", "s", "z")],
        {"s": f32(0.9), "z": np.asarray(0, np.uint8)}, "raw"),
    "quantized for −1…1": (
        [node("QuantizeLinear", "x", "s", "z", out="q"), node("DequantizeLinear", "q", "s", "z")],
        {"s": f32(1 / 127.5), "z": np.asarray(0, np.int8)}, "-1..1"),
    "nothing": ([], {}, None),
    "a small bias": ([node("Add", "x", "c")], {"c": channels(0.1, 0.2, 0.3)}, None),
    "a constant divided by it": ([node("Div", "c", "x")], {"c": f32(255)}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", ONNX)
def test_an_onnx_file_proves_its_range(case: str, tmp_path: Path):
    pytest.importorskip("onnx")
    nodes, constants, expected = ONNX[case]
    proof = infer_from_file(onnx_file(tmp_path / "model.onnx", *nodes, **constants))
    assert (proof.preset if proof else None) == expected


def test_an_onnx_file_that_takes_bytes_takes_pixels(tmp_path: Path):
    pytest.importorskip("onnx")
    path = onnx_file(tmp_path / "model.onnx", node("Cast", "x", to=1), kind="UINT8")
    proof = infer_from_file(path)
    assert proof is not None
    assert proof.preset == "raw"


@pytest.mark.parametrize("length", [0, 9, 100, 180])
def test_a_file_that_breaks_off_proves_nothing(length: int, tmp_path: Path):
    pytest.importorskip("onnx")
    path = onnx_file(tmp_path / "model.onnx", node("Div", "x", "c"), c=f32(255))
    path.write_bytes(path.read_bytes()[:length])
    assert read_input_operators(path) is None or infer_from_file(path) is None


def converted(model: Any, path: Path) -> Path:
    import tensorflow as tf

    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return path


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [(1 / 255, 0.0, "raw"), (1 / 127.5, -1.0, "raw"), (2.0, -1.0, "0..1"), (1.0, 0.0, None)],
)
def test_a_tflite_file_proves_its_range(scale, offset, expected, tmp_path: Path):
    """Behind the padding: TensorFlow folds scales into a convolution that comes right after."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), batch_size=1),
            layers.Rescaling(scale, offset),
            layers.ZeroPadding2D(1),
            layers.Conv2D(2, 3, padding="same"),
            layers.Flatten(),
        ]
    )
    proof = infer_from_file(converted(model, tmp_path / "model.tflite"))
    assert (proof.preset if proof else None) == expected


INPUTS = {
    "int8, pixels up to 229": (InputOperators("int8", low=0.0, high=229.0), "raw"),
    "uint8, scale 1": (InputOperators("uint8", low=0.0, high=255.0), "raw"),
    "uint8 without a scale": (InputOperators("uint8"), "raw"),
    "int8, 1/255": (InputOperators("int8", low=0.0, high=1.0), "0..1"),
    "uint8, 1/128": (InputOperators("uint8", low=-1.0, high=0.992), "-1..1"),
    "torchvision's statistics": (InputOperators("int8", low=-2.118, high=2.64), "imagenet-torch"),
    "Caffe's means": (InputOperators("int8", low=-123.7, high=151.1), "caffe"),
    "statistics of some data": (InputOperators("int8", low=-1.6, high=2.0), None),
    "a spectrogram": (InputOperators("int8", low=-83.0, high=130.0), None),
    "float": (InputOperators("float32"), None),
}


@pytest.mark.parametrize("case", INPUTS)
def test_the_range_of_an_integer_input_says_what_goes_in(case: str):
    front, expected = INPUTS[case]
    proof = infer_from_first_operators(front)
    assert (proof.preset if proof else None) == expected


def test_pixels_that_are_kept_in_an_int8_lose_128():
    """Scale 1 and zero point 0, as microcontrollers have it."""
    proof = infer_from_first_operators(InputOperators("int8", low=-128.0, high=127.0))
    assert proof is not None
    assert (proof.mean, proof.std) == ((128.0,), (1.0,))


def test_metadata_of_the_task_libraries_is_read(tmp_path: Path):
    """A flatbuffer with NormalizationOptions(mean=[127.5], std=[127.5]) inside of a model."""
    keras = pytest.importorskip("keras")
    flatbuffers = pytest.importorskip("flatbuffers")
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 3), batch_size=1), layers.Conv2D(2, 3)])
    path = converted(model, tmp_path / "model.tflite")
    with_metadata(path, task_metadata(flatbuffers))
    proof = infer_from_file(path)
    assert proof is not None
    assert (proof.known_from, proof.mean, proof.std) == ("metadata", (127.5,), (127.5,))


def task_metadata(flatbuffers: Any) -> bytes:
    b = flatbuffers.Builder(0)

    def floats(value: float) -> int:
        b.StartVector(4, 1, 4)
        b.PrependFloat32(value)
        return int(b.EndVector())

    def table(slots: int, fields: dict[int, int]) -> int:
        b.StartObject(slots)
        for slot, offset in fields.items():
            b.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return int(b.EndObject())

    def vector(offset: int) -> int:
        b.StartVector(4, 1, 4)
        b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())

    mean, std = floats(127.5), floats(127.5)
    options = table(2, {0: mean, 1: std})
    b.StartObject(2)
    b.PrependUint8Slot(0, 1, 0)
    b.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = vector(int(b.EndObject()))
    tensor = vector(table(7, {4: unit}))
    graph = vector(table(8, {2: tensor}))
    b.Finish(table(8, {3: graph}), file_identifier=b"M001")
    return bytes(b.Output())


def with_metadata(path: Path, content: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT(name="TFLITE_METADATA", buffer=len(model.buffers) - 1)
    model.metadata = [*(model.metadata or ()), entry]
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def test_damaged_metadata_is_passed_over(tmp_path: Path):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((8, 8, 3), batch_size=1), keras.layers.Conv2D(2, 3)])
    path = converted(model, tmp_path / "model.tflite")
    with_metadata(path, struct.pack("<I", 4_000_000) + b"M001" + bytes(40))
    assert infer_from_file(path) is None

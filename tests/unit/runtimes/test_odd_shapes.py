"""Models whose inputs are not batches of images: every one that its runtime runs is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import resolve
from edgecnn.formats.id_tables import id_limits
from edgecnn.results import Measurement, RuntimeOptions
from tests.unit.formats.small_models import node, value, write_onnx, write_operator

INT64 = 7
PROTOCOL = resolve("quick", min_secs=0.01, min_runs=5, max_secs=0.1, processes=1)


def measure(path: Path, runtime: str = "onnxruntime:cpu", **options: Any) -> Measurement:
    (row,) = benchmark(
        [path],
        [runtime],
        protocol=PROTOCOL,
        passes=("response",),
        options=RuntimeOptions(**options),
    ).measurements
    return row


def relu(path: Path, shape: Any) -> Path:
    return write_onnx(
        path,
        [node("Relu", ["x"], ["y"])],
        inputs=[value("x", shape)],
        outputs=[value("y", shape)],
    )


SHAPES = {
    (): "one sample, x ()",
    (7,): "one sample, x (7)",
    (32, 24, 3): "one sample, x (32, 24, 3)",
    (1, "length", 4): "taken as 1: x (1, length, 4) as (1, 1, 4)",
    (4, 8): "fixes the batch at 4",
    (2, 1, 3, 1, 2, 2): "fixes the batch at 2",
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_row_says_what_its_sample_is(shape: tuple[Any, ...], tmp_path: Path):
    row = measure(relu(tmp_path / "m.onnx", shape))
    assert (row.status, row.verdict) != ("ok", "INVALID"), row.reasons
    assert row.status == "ok", row.error
    assert SHAPES[shape] in " ".join(row.reasons)


def test_another_batch_than_the_fixed_one_is_refused(tmp_path: Path):
    (row,) = benchmark(
        [relu(tmp_path / "m.onnx", (4, 8))], ["onnxruntime:cpu"], batches=[8], protocol=PROTOCOL
    ).measurements
    assert row.status == "failed"
    assert row.error == "the model takes batches of exactly 4, asked for: 8"


def test_a_model_without_an_input_is_measured(tmp_path: Path):
    from onnx import numpy_helper

    weights = numpy_helper.from_array(np.ones(4, np.float32), "w")
    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Neg", ["w"], ["y"])],
        initializers=[weights],
        inputs=[],
        outputs=[value("y", (4,))],
    )
    row = measure(path)
    assert (row.status, row.verdict == "INVALID") == ("ok", False)
    assert "the model takes no input" in " ".join(row.reasons)


def test_a_graph_without_operators_is_measured(tmp_path: Path):
    path = write_onnx(tmp_path / "m.onnx", [], outputs=[value("x")])
    assert measure(path).status == "ok"


def test_ids_beyond_a_table_that_the_file_hides_are_found_out(tmp_path: Path):
    """The table is small because the ids are multiplied: 0 fits whatever it is."""
    from onnx import numpy_helper

    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Mul", ["ids", "far"], ["there"]), node("Gather", ["table", "there"], ["y"])],
        initializers=[
            numpy_helper.from_array(np.ones((3, 2), np.float32), "table"),
            numpy_helper.from_array(np.array([1_000]), "far"),
        ],
        inputs=[value("ids", (5,), INT64)],
        outputs=[value("y", (5, 2))],
    )
    row = measure(path)
    assert row.status == "ok", row.error
    assert "whole numbers were 0 everywhere: the runtime refused others" in " ".join(row.reasons)


def test_sizes_are_never_drawn_like_ids(tmp_path: Path):
    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Expand", ["x", "size"], ["y"])],
        inputs=[value("x", (1,)), value("size", (6,), INT64)],
        outputs=[value("y", None)],
    )
    assert id_limits(path) == (None, 2)
    assert measure(path).status == "ok"


def test_a_sequence_holds_one_tensor(tmp_path: Path):
    from onnx import helper

    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, (2, 8)))
    path = write_onnx(
        tmp_path / "m.onnx",
        [node("ConcatFromSequence", ["x"], ["y"], axis=0)],
        inputs=[helper.make_value_info("x", kind)],
        outputs=[value("y", None)],
    )
    row = measure(path)
    assert row.status == "ok", row.error
    assert "input 'x' is a sequence of tensors of float32: it held one" in " ".join(row.reasons)
    other = measure(path, "openvino:cpu")
    assert other.status == "unsupported"
    assert "input 'x' takes a sequence of tensors of float32" in str(other.error)


def test_an_output_without_values_is_measured(tmp_path: Path):
    from onnx import numpy_helper

    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Slice", ["x", "zero", "zero"], ["y"])],
        initializers=[numpy_helper.from_array(np.array([0]), "zero")],
        outputs=[value("y", (0, 4))],
    )
    assert measure(path).status == "ok"


def test_where_1_is_no_size_the_hint_names_the_shape(tmp_path: Path):
    from onnx import numpy_helper

    kernel = numpy_helper.from_array(np.ones((1, 2, 5), np.float32), "w")
    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Conv", ["x", "w"], ["y"])],
        initializers=[kernel],
        inputs=[value("x", (1, 2, "time"))],
        outputs=[value("y", (1, 1, None))],
    )
    row = measure(path)
    assert row.status == "unsupported"
    assert "(x (1, 2, time) as (1, 2, 1)): give them with --shape" in str(row.hint)
    assert measure(path, shape="1x2x64").status == "ok"


@pytest.mark.slow  # loads TensorFlow
def test_a_batch_that_keras_fixes_is_counted(tmp_path: Path):
    import keras

    model = keras.Sequential([keras.Input(batch_shape=(8, 5, 3)), keras.layers.LSTM(2)])
    model.save(tmp_path / "m.keras")
    row = measure(tmp_path / "m.keras", "keras:cpu")
    assert (row.status, row.options.batch) == ("ok", 8), row.error
    assert "fixes the batch at 8" in " ".join(row.reasons)


def test_a_scale_at_floats_means_nothing(tmp_path: Path):
    """TFLite files exist whose float tensors carry a scale."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    from tests.unit.formats.small_models import write_tflite

    path = write_tflite(tmp_path / "m.tflite")
    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()))
    for tensor in model.subgraphs[0].tensors:
        tensor.quantization = schema.QuantizationParametersT(
            scale=np.array([0.5], np.float32), zeroPoint=np.array([0])
        )
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    assert measure(path, "litert:cpu").status == "ok"


TFLITE = {
    "scalar": ("ABS", [("x", (), "FLOAT32"), ("y", (), "FLOAT32")], ["x"], ["y"], "AbsOptions"),
    "no operator": ("", [("x", (2, 3), "FLOAT32")], ["x"], ["x"]),
    "no input": ("ABS", [("w", (3,), "FLOAT32"), ("y", (3,), "FLOAT32")], [], ["y"], "AbsOptions"),
    "perhaps an empty output": (
        "RANGE",
        [*((name, (), "INT32") for name in ("start", "stop", "step")), ("y", (), "INT32")],
        ["start", "stop", "step"],
        ["y"],
        "RangeOptions",
    ),
    "complex": ("COMPLEX_ABS", [("x", (4,), "COMPLEX64"), ("y", (4,), "FLOAT32")], ["x"], ["y"]),
}


@pytest.mark.parametrize("name", TFLITE)
def test_litert_measures_odd_models(name: str, tmp_path: Path):
    row = measure(write_operator(tmp_path / "m.tflite", *TFLITE[name]), "litert:cpu")
    assert row.status == "ok", row.error

"""Traps of model files from elsewhere: converted, they must not mean something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgecnn.conversion.convert import convert
from edgecnn.conversion.quantizers.tflite import activation_ranges, quantize_tflite
from edgecnn.conversion.recipe import PRESETS
from edgecnn.conversion.rewriting.onnx import plain_form as onnx_form
from edgecnn.conversion.rewriting.tflite import plain_form as tflite_form
from edgecnn.conversion.verification.verify import load_session
from edgecnn.errors import UnsupportedError
from edgecnn.runtimes.onnxruntime.errors import newest_opset
from tests.integration.conversion import foreign

pytest.importorskip("litert_quantizer")


def test_a_quantized_file_is_not_quantized_again(tmp_path: Path):
    path = foreign.network(tmp_path / "net.onnx")
    first, *_ = convert(
        path, "onnx:static_int8", calibration=foreign.images(), out=tmp_path / "art",
        preprocessing="raw", samples=16,
    )  # fmt: skip
    again, *_ = convert(first.artifact.path, "onnx:dynamic_int8", out=tmp_path / "again", samples=4)
    assert again.status == "unsupported"
    assert "holds static_int8 already" in again.error


def test_an_opset_newer_than_the_runtime_is_lowered_or_refused_with_both_numbers(tmp_path: Path):
    import onnxruntime

    limit, known = newest_opset(onnxruntime), onnx.defs.onnx_opset_version()
    path = foreign.network(tmp_path / "newest.onnx", opset=known)
    (outcome,) = convert(path, "onnx:float32", out=tmp_path / "art", samples=4)
    assert outcome.parity.max_abs_error == 0
    assert known <= limit or any(f"opset {known}" in note for note in outcome.notes)
    model = onnx.load(str(path))
    model.opset_import[0].version = known + 1
    onnx.save(model, str(tmp_path / "later.onnx"))
    if known + 1 > limit:
        with pytest.raises(UnsupportedError, match=rf"opset {known + 1}.*{limit}"):
            convert(tmp_path / "later.onnx", "onnx:float32", out=tmp_path / "art", samples=4)


def test_a_quantized_product_with_a_constant_matrix_does_not_answer_zeros(tmp_path: Path):
    from ai_edge_litert import schema_py_generated as schema

    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(6, 4)).astype(np.float32)
    model = schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(builtinCode=126, deprecatedBuiltinCode=126, version=1)],
        buffers=[
            schema.BufferT(),
            schema.BufferT(data=np.frombuffer(matrix.tobytes(), np.uint8)),
        ],
        subgraphs=[
            schema.SubGraphT(
                tensors=[
                    schema.TensorT(name="x", shape=[1, 6], type=0, buffer=0),
                    schema.TensorT(name="matrix", shape=[6, 4], type=0, buffer=1),
                    schema.TensorT(name="y", shape=[1, 4], type=0, buffer=0),
                ],
                inputs=[0],
                outputs=[2],
                operators=[
                    schema.OperatorT(
                        opcodeIndex=0,
                        inputs=[0, 1],
                        outputs=[2],
                        builtinOptionsType=schema.BuiltinOptions.BatchMatMulOptions,
                        builtinOptions=schema.BatchMatMulOptionsT(),
                    )
                ],
            )
        ],
    )
    tflite_form.with_signature(model, ["x"], ["y"])
    tflite_form.with_dense_layers(model)
    path, quantized = tmp_path / "float.tflite", tmp_path / "int8.tflite"
    path.write_bytes(tflite_form.written(model))
    samples = [rng.normal(size=(1, 6)).astype(np.float32) for _ in range(16)]
    quantize_tflite(path, PRESETS["static_int8"], quantized, activation_ranges(path, samples))
    answer = load_session(quantized).run([samples[0]])[0]
    assert np.allclose(answer, samples[0] @ matrix, atol=0.1)


def test_constants_of_a_half_precision_file_are_cast_wherever_they_stand(tmp_path: Path):
    half = np.float16
    one = helper.make_node(
        "Constant", [], ["one"], name="one",
        value=onnx.numpy_helper.from_array(np.ones(1, half), "value"),
    )  # fmt: skip
    nodes = [
        one,
        helper.make_node("Cast", ["x"], ["again"], name="cast", to=onnx.TensorProto.FLOAT16),
        helper.make_node("Add", ["again", "one"], ["y"], name="add"),
    ]
    path = foreign.save(
        tmp_path / "half.onnx", nodes, {"x": (1, 4)}, {"y": (1, 4)},
        kind=onnx.TensorProto.FLOAT16,
    )  # fmt: skip
    model = onnx.load(str(path))
    onnx_form.to_float32(model, "float16")
    onnx.checker.check_model(model, full_check=True)
    kinds = {
        value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)
    }
    assert kinds == {onnx.TensorProto.FLOAT}

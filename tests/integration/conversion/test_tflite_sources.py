"""TFLite files that others made, on their way to quantized files and to ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.rewriting.tflite import plain_form
from edgecnn.conversion.verification.verify import load_session, verify_artifact
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.recipes import recipe_in
from tests.integration.conversion import foreign

RECIPES = ("float32", "float16", "dynamic_int8", "static_int8", "int16x8")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return foreign.images()


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float TFLite file as TensorFlow writes it: no manifest, names of its own."""
    import tensorflow as tf

    kernel = np.zeros((3, 3, 3, 6), np.float32)
    kernel[:, :, :, :3] = np.eye(3, dtype=np.float32) / 9 / 255
    half, quarter = foreign.SIZE // 2, foreign.SIZE // 4
    dense = np.zeros((half, half, 6, foreign.CLASSES), np.float32)
    for label in range(foreign.CLASSES):
        row, column = divmod(label, 2)
        rows, columns = (slice(at * quarter, (at + 1) * quarter) for at in (row, column))
        dense[rows, columns, :3, label] = 0.5
    dense = dense.reshape(-1, foreign.CLASSES)

    @tf.function(input_signature=[tf.TensorSpec((1, foreign.SIZE, foreign.SIZE, 3), name="pixels")])
    def net(pixels):
        maps = tf.nn.relu(tf.nn.conv2d(pixels, kernel, 2, "SAME"))
        return {"scores": tf.reshape(maps, (1, -1)) @ dense}

    path = tmp_path_factory.mktemp("tflite") / "net.tflite"
    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="module")
def made(parent: Path, data: Dataset):
    targets = [*(f"tflite:{recipe}" for recipe in RECIPES), "onnx:float32", "onnx:static_int8"]
    outcomes = convert(
        parent, targets, calibration=data, out=parent.parent / "art", preprocessing="raw",
        samples=32,
    )  # fmt: skip
    return {str(outcome.target): outcome for outcome in outcomes}


@pytest.mark.parametrize(
    "target", [*(f"tflite:{recipe}" for recipe in RECIPES), "onnx:float32", "onnx:static_int8"]
)
def test_every_target_answers_as_its_parent(made, target: str):
    outcome = made[target]
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert recipe_in(outcome.artifact.path) == target.partition(":")[2]
    assert outcome.parity.top1_agreement == 1
    assert outcome.parity.snr_db is None or outcome.parity.snr_db > 20


def test_float_files_answer_the_same(made):
    for target in ("tflite:float32", "onnx:float32"):
        assert made[target].parity.max_abs_error < 1e-5


def test_the_gate_takes_a_tflite_parent(made, data: Dataset):
    found = verify_artifact(made["onnx:static_int8"].artifact.path, dataset=data)
    assert found.passed
    assert found.parent_accuracy.value == 1


def test_a_quantized_file_becomes_onnx_number_by_number(made, tmp_path: Path, data: Dataset):
    quantized = made["tflite:static_int8"].artifact.path
    carried, real = convert(
        quantized, "onnx:static_int8,onnx:float32", calibration=data, out=tmp_path, samples=16
    )
    assert carried.status == "converted", (carried.error, carried.hint)
    step = load_session(quantized).outputs[0].scale
    assert carried.parity.max_abs_error <= 2 * step
    assert carried.artifact.manifest.inputs[0].dtype == "float32"
    assert real.status == "converted", (real.error, real.hint)
    assert recipe_in(real.artifact.path) == "float32"
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(
        read_signature(real.artifact.path).operators
    )
    assert real.parity.max_abs_error <= 3 * step
    assert any("its parent is quantized" in note for note in real.notes)
    assert any("quantization steps on average" in note for note in real.notes)


@pytest.mark.parametrize("target", ["ncnn:float32", "mnn:float32"])
def test_a_quantized_file_becomes_a_float_one_of_other_runtimes(made, tmp_path: Path, target: str):
    pytest.importorskip(target.partition(":")[0].replace("mnn", "MNN"))
    quantized = made["tflite:static_int8"].artifact.path
    (outcome,) = convert(quantized, target, out=tmp_path, samples=8)
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert outcome.parity.max_abs_error <= 3 * load_session(quantized).outputs[0].scale


@pytest.mark.parametrize("bits", [8, 4])
def test_small_weights_of_a_float_file_become_real_ones(parent: Path, tmp_path: Path, bits: int):
    from litert_quantizer import qtyping, quantizer, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.add_dynamic_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=bits,
        granularity=qtyping.QuantGranularity.CHANNELWISE,
    )
    engine = quantizer.Quantizer(parent.read_bytes(), list(manager.get_quantization_recipe()))
    made = engine.quantize(enable_progress_bar=False, enable_progress_report=False)
    path = tmp_path / "small.tflite"
    path.write_bytes(made.quantized_model)
    assert recipe_in(path) == {8: "dynamic_int8", 4: "int4_weights"}[bits]
    outcomes = convert(path, "tflite:float32,onnx:float32", out=tmp_path / "art", samples=8)
    for outcome in outcomes:
        assert outcome.status == "converted", (outcome.error, outcome.hint)
        assert recipe_in(outcome.artifact.path) == "float32"
        assert outcome.parity.snr_db > 30  # LiteRT rounds the activations, these do not
        assert any(f"{bits}-bit numbers of small.tflite" in note for note in outcome.notes)
    one, other = (load_session(outcome.artifact.path) for outcome in outcomes)
    pixels = np.random.default_rng(2).integers(0, 255, (1, 12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(one.run([pixels])[0], other.run([pixels])[0], atol=1e-5)


def test_weights_of_float16_are_quantized_from_float32(made, tmp_path: Path, data: Dataset):
    half = made["tflite:float16"].artifact.path
    (outcome,) = convert(half, "tflite:static_int8", calibration=data, out=tmp_path, samples=16)
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert outcome.parity.top1_agreement == 1


def changed(parent: Path, path: Path, change) -> Path:
    model = plain_form.read(parent.read_bytes())
    change(model)
    path.write_bytes(plain_form.written(model))
    return path


def test_open_sizes_are_asked_for_and_never_one(tmp_path: Path):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), name="pixels")])
    def net(pixels):
        kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
        return {"mean": tf.reduce_mean(tf.nn.conv2d(pixels, kernel, 1, "SAME"), (1, 2))}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    path = tmp_path / "open.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(InputError) as caught:
        convert(path, "tflite:float32", out=tmp_path / "art")
    assert "--shape pixels=" in caught.value.hint
    outcomes = convert(
        path, "tflite:dynamic_int8,onnx:float32", out=tmp_path / "art", shape="1x20x10x3", samples=4
    )
    for outcome in outcomes:
        assert outcome.status == "converted", (outcome.error, outcome.hint)
        assert outcome.artifact.manifest.inputs[0].shape == (1, 20, 10, 3)


@pytest.mark.parametrize(("name", "kind"), [("FlexErf", "TensorFlow's own"), ("Sparkle", "custom")])
def test_operators_that_are_not_tflite_are_named_with_their_layer(parent, tmp_path, name, kind):
    from ai_edge_litert import schema_py_generated as schema

    def change(model):
        graph = model.subgraphs[0]
        code = schema.OperatorCodeT(
            builtinCode=schema.BuiltinOperator.CUSTOM,
            deprecatedBuiltinCode=schema.BuiltinOperator.CUSTOM,
            customCode=name,
            version=1,
        )
        model.operatorCodes.append(code)
        operator = graph.operators[-1]
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.builtinOptions, operator.builtinOptionsType = None, 0

    path = changed(parent, tmp_path / "odd.tflite", change)
    with pytest.raises(UnsupportedError, match=rf"{kind}.*{name} \(layer "):
        convert(path, "tflite:float32", out=tmp_path / "art")


def test_the_operators_known_to_the_onnx_converter_are_those_it_registers():
    import tf2onnx.tflite_handlers  # noqa: F401 (registers)
    from tf2onnx import handler

    from edgecnn.conversion.exporters.tflite_to_onnx import KNOWN

    registered = {
        name.removeprefix("TFL_")
        for versions in handler.tf_op.get_opsets().values()
        for names in versions
        for name in names
        if name.startswith("TFL_")
    }
    assert registered == KNOWN | {"MATMUL"}  # which no TFLite file holds


def test_max_pooling_with_padding_leaves_int8_its_levels(tmp_path: Path, data: Dataset):
    """Others write it as padding with the lowest float: a range with one level for the rest."""
    import tensorflow as tf

    kernel = np.random.default_rng(0).normal(0, 0.3 / 255, (3, 3, 3, 4)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, foreign.SIZE, foreign.SIZE, 3), name="pixels")])
    def net(pixels):
        maps = tf.nn.conv2d(pixels, kernel, 1, "SAME")
        padded = tf.pad(maps, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-3.4028235e38)
        return {"most": tf.nn.max_pool2d(padded, 3, 2, "VALID")}

    path = tmp_path / "pooled.tflite"
    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    path.write_bytes(converter.convert())
    (outcome,) = convert(
        path, "tflite:static_int8", calibration=data, out=tmp_path / "art", preprocessing="raw",
        samples=16,
    )  # fmt: skip
    assert outcome.artifact is not None, outcome.error
    assert outcome.parity.snr_db > 25

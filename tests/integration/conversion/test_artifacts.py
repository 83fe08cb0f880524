"""What conversion yields, read from real files and run in real runtimes."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn.conversion.calibration import verification_samples
from edgecnn.conversion.convert import convert, convert_one
from edgecnn.conversion.quantizers.onnx import quantize_onnx
from edgecnn.conversion.quantizers.tflite import activation_ranges
from edgecnn.conversion.recipe import PRESETS
from edgecnn.conversion.targets import parse_targets
from edgecnn.conversion.verification.verify import load_session, predict, verify_artifact
from edgecnn.data.base import Dataset
from edgecnn.embedded_manifest import load_artifact, read_embedded
from edgecnn.formats.recipes import recipe_in
from edgecnn.manifest import sha256_of, sidecar_path
from edgecnn.runtimes.host import adds_int8_in_16_bits

if TYPE_CHECKING:
    from tests.integration.conversion.conftest import Converted

SHAPE = (16, 16, 1)
ALL = [str(target) for target in parse_targets("all")]

# What the recipes cost on these nets, in dB, with a margin; a wrong scale or a swapped axis
# falls far below.
SNR_FLOOR_DB = {
    "float32": 100,
    "float16": 45,
    "dynamic_int8": 25,
    "static_int8": 18,
    "int16x8": 22,
}


@pytest.mark.parametrize("target", ALL)
def test_every_target_is_converted(converted: Converted, target: str):
    outcome = converted.outcomes[target]
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    file_format, recipe = target.split(":")
    assert outcome.artifact.path == converted.folder / f"{converted.name}_{recipe}.{file_format}"


@pytest.mark.parametrize("target", ALL)
def test_outputs_stay_close_to_the_parent(converted: Converted, target: str):
    found = converted.outcomes[target].parity
    assert found.snr_db > SNR_FLOOR_DB[target.split(":")[1]]
    # Two in a hundred digits are nearly ties, and int8 weights may tip them.
    assert found.top1_agreement >= 0.9
    assert found.cosine > 0.98
    assert found.n == 64
    assert found.parent_sha256 == sha256_of(converted.parent)


@pytest.mark.parametrize("target", ALL)
def test_accuracy_passes_the_gate(converted: Converted, target: str, digits: Dataset):
    found = verify_artifact(converted.path(target), dataset=digits, max_drop=3.0)
    assert found.passed, found.gate
    assert found.accuracy.n == len(digits["test"])
    assert found.parent_accuracy.value > 0.85


@pytest.mark.parametrize("target", ALL)
def test_the_manifest_lies_beside_the_file_and_inside(converted: Converted, target: str):
    artifact = converted.outcomes[target].artifact
    beside, inside = load_artifact(artifact.path).manifest, read_embedded(artifact.path)
    assert beside == artifact.manifest
    assert inside.parent_sha256 == beside.parent_sha256 == sha256_of(converted.parent)
    assert inside.recipe == beside.recipe == target.split(":")[1]
    assert inside.preprocessing == beside.preprocessing is not None
    assert inside.labels == beside.labels == tuple("0123456789")
    assert (inside.inputs, inside.outputs) == (beside.inputs, beside.outputs)
    assert beside.versions["keras"]


@pytest.mark.parametrize("target", ALL)
def test_the_sidecar_is_plain_json(converted: Converted, target: str):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = sidecar_path(converted.path(target)).read_text()
    assert json.loads(text, parse_constant=refuse)["schema_version"] == 1


@pytest.mark.parametrize(
    ("target", "dtype"),
    [
        ("tflite:float32", "float32"),
        ("tflite:float16", "float32"),
        ("tflite:dynamic_int8", "float32"),
        ("tflite:static_int8", "int8"),
        ("tflite:int16x8", "int16"),
    ],
)
def test_tflite_inputs_and_outputs_have_the_dtype_of_the_recipe(
    converted: Converted, target: str, dtype: str
):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(converted.path(target)))
    details = [interpreter.get_input_details()[0], interpreter.get_output_details()[0]]
    assert [np.dtype(detail["dtype"]).name for detail in details] == [dtype, dtype]
    manifest = converted.outcomes[target].artifact.manifest
    for spec, detail in zip((*manifest.inputs, *manifest.outputs), details, strict=True):
        assert spec.dtype == dtype
        assert spec.shape == tuple(detail["shape"])
        if dtype.startswith("int"):
            assert (spec.scale, spec.zero_point) == pytest.approx(detail["quantization"])
        else:
            assert spec.scale is None
    assert manifest.inputs[0].name == parent_names(converted)[0]
    assert manifest.inputs[0].layout == "NHWC"


def parent_names(converted: Converted) -> tuple[str, str]:
    """The names of the Keras model's input and output."""
    import keras

    model = keras.models.load_model(converted.parent, compile=False)
    return model.inputs[0].name, model.output_names[0] if hasattr(
        model, "output_names"
    ) else model.layers[-1].name


@pytest.mark.parametrize("target", [name for name in ALL if name.startswith("onnx")])
def test_onnx_files_take_float32_channels_last_with_an_open_batch(
    converted: Converted, target: str
):
    import onnx

    model = onnx.load(str(converted.path(target)))
    onnx.checker.check_model(model, full_check=True)
    value = model.graph.input[0].type.tensor_type
    assert value.elem_type == onnx.TensorProto.FLOAT
    assert [size.dim_param or size.dim_value for size in value.shape.dim] == ["batch", *SHAPE]
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    manifest = converted.outcomes[target].artifact.manifest
    assert manifest.inputs[0].shape == (None, *SHAPE)
    assert manifest.inputs[0].layout == "NHWC"
    assert manifest.outputs[0].shape == (None, 10)
    assert (manifest.inputs[0].name, manifest.outputs[0].name) == parent_names(converted)


def test_onnx_static_int8_quantizes_convolutions_and_dense_layers_per_channel(
    converted: Converted,
):
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(converted.path("onnx:static_int8"))).graph
    producers = {output: node for node in graph.node for output in node.output}
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    computing = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert {node.op_type for node in computing} >= {"Conv", "Gemm"}
    for node in computing:
        data, weight = (producers[name] for name in node.input[:2])
        assert (data.op_type, weight.op_type) == ("DequantizeLinear", "DequantizeLinear")
        assert constants[weight.input[0]].dtype == np.int8
        assert constants[weight.input[1]].size in constants[weight.input[0]].shape
        assert constants[weight.input[1]].size > 1


def test_onnx_dynamic_int8_leaves_no_float_convolution(converted: Converted):
    import onnx

    operators = {
        node.op_type for node in onnx.load(str(converted.path("onnx:dynamic_int8"))).graph.node
    }
    assert {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"} <= operators
    assert not {"Conv", "MatMul", "Gemm"} & operators


def test_onnx_float16_holds_its_weights_in_float16(converted: Converted):
    import onnx

    graph = onnx.load(str(converted.path("onnx:float16"))).graph
    kinds = {item.data_type for item in graph.initializer if len(item.dims) > 1}
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_tflite_float16_holds_its_weights_in_float16(converted: Converted):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(converted.path("tflite:float16")))
    details = interpreter.get_tensor_details()
    stored = [detail for detail in details if np.dtype(detail["dtype"]) == np.float16]
    parameters = sum(int(np.prod(detail["shape"])) for detail in stored)
    kernels = {"plain": 8 * 9 + 16 * 8 * 9 + 32 * 16 * 25 + 320, "residual": 1800 + 240}
    assert parameters >= kernels[converted.name]


def test_the_calibration_is_on_record(converted: Converted, digits: Dataset):
    for target in ("tflite:static_int8", "tflite:int16x8", "onnx:static_int8"):
        record = converted.outcomes[target].artifact.manifest.conversion["calibration"]
        assert record["sha256"] == digits.sha256
        assert (record["n"], record["seed"], record["split"]) == (64, 0, "train")
    assert "calibration" not in converted.outcomes["onnx:float16"].artifact.manifest.conversion


RUNS_ON = {
    "openvino": ("float32", "float16", "dynamic_int8", "static_int8"),
    # OpenCV 5.0 has no DynamicQuantizeLinear.
    "opencv": ("float32", "float16", "static_int8"),
}


@pytest.mark.parametrize(
    ("runtime", "recipe"), [(name, recipe) for name, found in RUNS_ON.items() for recipe in found]
)
def test_onnx_files_run_elsewhere_too(
    converted: Converted, digits: Dataset, runtime: str, recipe: str
):
    samples = verification_samples(digits, digits.preprocessing(SHAPE), SHAPE, count=16)
    path = converted.path(f"onnx:{recipe}")
    expected = predict(load_session(path), samples)[0]
    run = _openvino(path) if runtime == "openvino" else _opencv(path)
    outputs = np.concatenate([run(sample) for sample in samples])
    # Integer kernels round differently, and OpenVINO's sums may overflow without VNNI; a wrong
    # graph would be off by much more.
    rough = 0.3 if runtime == "openvino" and adds_int8_in_16_bits() else 0.15
    tolerance = {"float32": 1e-4, "float16": 1e-2}.get(recipe, rough)
    assert np.abs(outputs - expected).max() < tolerance


def _openvino(path: Path):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    compiled = core.compile_model(str(path), "CPU")
    return lambda sample: compiled(sample)[0]


def _opencv(path: Path):
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromONNX(str(path))

    def run(sample: np.ndarray) -> np.ndarray:
        net.setInput(sample)
        return net.forward().copy()

    return run


def test_quantizing_a_tflite_file_does_not_import_tensorflow(converted: Converted, tmp_path: Path):
    code = f"""
import sys
from pathlib import Path
import numpy as np
from edgecnn.conversion.quantizers.tflite import activation_ranges, quantize_tflite
from edgecnn.conversion.recipe import PRESETS
source, out = Path({str(converted.path("tflite:float32"))!r}), Path({str(tmp_path / "q.tflite")!r})
ranges = activation_ranges(source, [np.zeros((1, 16, 16, 1), np.float32)])
quantize_tflite(source, PRESETS["static_int8"], out, ranges)
print(out.stat().st_size > 0, "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_outputs_keep_the_order_of_keras(tmp_path: Path):
    import keras
    from keras.layers import Conv2D, GlobalAveragePooling2D

    image = keras.Input((8, 8, 3))
    first = Conv2D(4, 3, name="zz")(image)
    second = Conv2D(2, 1, name="aa")(image)
    model = keras.Model(image, [first, second, GlobalAveragePooling2D(name="mm")(first)])
    outcomes = convert(
        model, ["tflite:float32", "onnx:float32", "tflite:dynamic_int8"], out=tmp_path, samples=8
    )
    for outcome in outcomes:
        assert outcome.status == "converted", outcome.error
        outputs = outcome.artifact.manifest.outputs
        assert [spec.name for spec in outputs] == ["zz", "aa", "mm"]
        assert [spec.shape[1:] for spec in outputs] == [(6, 6, 4), (8, 8, 2), (4,)]
        assert outcome.parity.snr_db > 20
        assert outcome.parity.top1_agreement is None


def test_a_model_in_memory_is_converted_and_recognised_again(tmp_path: Path, digits: Dataset):
    import keras
    from keras.layers import Dense, Flatten

    model = keras.Sequential([keras.Input(SHAPE), Flatten(), Dense(10)], name="memory")
    trained_with = digits.preprocessing(SHAPE)
    target = "tflite:static_int8"
    wanted = {"calibration": digits, "samples": 8, "preprocessing": trained_with}
    artifact = convert_one(model, target, out=tmp_path, **wanted)
    assert artifact.path == tmp_path / "memory_static_int8.tflite"
    assert artifact.manifest.labels == digits.labels
    assert artifact.manifest.preprocessing == trained_with
    made_at = artifact.path.stat().st_mtime_ns
    convert_one(model, target, out=str(tmp_path), **wanted)
    assert artifact.path.stat().st_mtime_ns == made_at


def test_calibration_lets_go_of_each_sample(converted: Converted, tmp_path: Path):
    gone: list[weakref.ref] = []
    most = 0

    def stream() -> Iterator[np.ndarray]:
        nonlocal most
        for seed in range(40):
            sample = np.random.default_rng(seed).random((1, *SHAPE), np.float32)
            gone.append(weakref.ref(sample))
            yield sample
            del sample
            most = max(most, sum(reference() is not None for reference in gone))

    activation_ranges(converted.path("tflite:float32"), stream())
    quantize_onnx(
        converted.path("onnx:float32"),
        PRESETS["static_int8"],
        tmp_path / "quantized.onnx",
        stream(),
    )
    assert len(gone) == 80
    assert most <= 2


@pytest.mark.parametrize("target", ALL)
def test_the_recipe_is_read_from_the_file_whatever_it_is_called(
    converted: Converted, target: str, tmp_path: Path
):
    path = converted.path(target)
    renamed = tmp_path / f"some_float32{path.suffix}"
    renamed.write_bytes(path.read_bytes())
    assert recipe_in(renamed) == target.partition(":")[2]

"""One small network in every format and recipe, made once, and a few odd models for the edges."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.registry import FORMATS

SHAPE = (14, 10, 3)
"""Height, width and channels differ, so that a mistaken axis shows."""
RECIPES = ("float32", "float16", "dynamic_int8", "static_int8", "int16x8")
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


@dataclass(frozen=True)
class Zoo:
    """The folder of the model files, inputs for them, and what Keras answers."""

    folder: Path
    inputs: np.ndarray
    expected: np.ndarray

    def path(self, file_format: str, recipe: str) -> Path:
        return self.folder / f"{recipe}{FORMATS.load(file_format).suffixes[0]}"


def files_of(formats: tuple[str, ...]) -> list[tuple[str, str]]:
    """(format, recipe) of every file of the zoo in one of `formats`."""
    three = ("float32", "float16", "static_int8")
    existing = {
        "tflite": RECIPES,
        "onnx": RECIPES[:4],
        "keras": RECIPES[:1],
        "ncnn": three,
        "mnn": three,
    }
    return [(name, recipe) for name in formats for recipe in existing[name]]


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    from edgecnn.keras_files import import_keras

    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input(SHAPE, name="picture"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(3, activation="relu6"),
            layers.Conv2D(24, 1, activation="relu"),
            layers.Flatten(),
            # Big enough that TensorFlow's converter finds its weights worth quantizing (1024),
            # and two in a row, which OpenVINO fuses.
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    folder = tmp_path_factory.mktemp("zoo")
    inputs = np.random.default_rng(3).random((8, *SHAPE), np.float32)
    with warnings.catch_warnings():
        # Converters and Keras's exporter warn of their own deprecated parts.
        warnings.simplefilter("ignore")
        model.save(folder / "float32.keras")
        calls = [np.asarray(model(image[None])) for image in inputs]
        _write_tflite(model, folder, inputs)
        _write_onnx(model, folder, inputs)
        _write_ncnn(model, folder, inputs)
        _write_mnn(folder, inputs)
    return Zoo(folder, inputs, np.concatenate(calls))


def _write_tflite(model: Any, folder: Path, inputs: np.ndarray) -> None:
    import tensorflow as tf

    for recipe in RECIPES:
        converter = tf.lite.TFLiteConverter.from_saved_model(_saved(model, folder))
        if recipe != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if recipe == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if recipe in ("static_int8", "int16x8"):
            converter.representative_dataset = lambda: ([image[None]] for image in inputs)
            ops = tf.lite.OpsSet
            int16 = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [
                int16 if recipe == "int16x8" else ops.TFLITE_BUILTINS_INT8
            ]
            io = tf.int16 if recipe == "int16x8" else tf.int8
            converter.inference_input_type = converter.inference_output_type = io
        (folder / f"{recipe}.tflite").write_bytes(converter.convert())


def _saved(model: Any, folder: Path) -> str:
    import keras
    import tensorflow as tf

    saved = folder / "saved"
    if not saved.exists():
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec((1, *SHAPE), tf.float32, name="picture")]
        archive.add_endpoint(
            "serve",
            lambda image: {"scores": model(image, training=False)},
            input_signature=signature,
        )
        archive.write_out(str(saved), verbose=False)
    return str(saved)


def _write_onnx(model: Any, folder: Path, inputs: np.ndarray) -> None:
    import onnx
    import tensorflow as tf
    import tf2onnx
    from onnxruntime import quantization
    from onnxruntime.transformers.float16 import convert_float_to_float16

    signature = [tf.TensorSpec((None, *SHAPE), tf.float32, name="picture")]
    function = tf.function(lambda image: model(image, training=False), signature)
    float32 = folder / "float32.onnx"
    tf2onnx.convert.from_function(function, signature, opset=17, output_path=str(float32))

    half = convert_float_to_float16(onnx.load(float32), keep_io_types=True)
    _sort(half.graph)
    onnx.save(half, folder / "float16.onnx")

    prepared = folder / "prepared.onnx"
    quantization.quant_pre_process(str(float32), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_dynamic(
        str(prepared), folder / "dynamic_int8.onnx", weight_type=quantization.QuantType.QInt8
    )

    class Samples(quantization.CalibrationDataReader):
        images = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.images, None)
            return None if image is None else {"picture": image[None]}

    quantization.quantize_static(
        str(prepared), folder / "static_int8.onnx", Samples(), per_channel=True
    )


def _write_ncnn(model: Any, folder: Path, inputs: np.ndarray) -> None:
    """By hand, so that ncnn is tested where pnnx is not installed."""
    from edgecnn.conversion.quantizers.ncnn import quantize_ncnn

    lines = [
        "7767517",
        "11 11",
        "Input in 0 1 image 0=3 1=10 2=14",
        "Permute first 1 1 image a 0=4",
        "Convolution conv 1 1 a b 0=16 1=3 5=1 6=432 9=1",
        "Pooling pool 1 1 b c 0=0 1=2 2=2 5=1",
        "ConvolutionDepthWise depthwise 1 1 c d 0=16 1=3 5=1 6=144 7=16 9=3 -23310=2,0.0,6.0",
        "Convolution point 1 1 d e 0=24 1=1 5=1 6=384 9=1",
        "Permute last 1 1 e f 0=3",
        "Reshape flat 1 1 f g 0=192",
        "InnerProduct wide 1 1 g h 0=64 1=1 2=12288 9=1",
        "InnerProduct narrow 1 1 h i 0=10 1=1 2=640",
        "Softmax softmax 1 1 i scores 0=0 1=1 -23330=4,1,10,1,1",
    ]
    marks = {"float32": (0, "<f4"), "float16": (0x01306B47, "<f2")}
    for recipe, (mark, dtype) in marks.items():
        pieces = []
        weights = iter(model.get_weights())
        for kernel, bias in zip(weights, weights, strict=True):
            order = (3, 2, 0, 1) if bias.size == kernel.shape[-1] else (2, 3, 0, 1)
            turned = kernel.transpose(order if kernel.ndim == 4 else (1, 0))
            pieces += [mark.to_bytes(4, "little"), turned.astype(dtype).tobytes(), bias.tobytes()]
        (folder / f"{recipe}.param").write_text("\n".join(lines) + "\n")
        (folder / f"{recipe}.bin").write_bytes(b"".join(pieces))
    samples = ([image[None]] for image in inputs)
    quantize_ncnn(folder / "float32.param", folder / "static_int8.param", samples)


def _write_mnn(folder: Path, inputs: np.ndarray) -> None:
    from edgecnn.conversion.exporters.onnx_to_mnn import quantize_mnn, write_float_mnn

    for recipe in ("float32", "float16"):
        half = recipe == "float16"
        write_float_mnn(folder / "float32.onnx", folder / f"{recipe}.mnn", half=half)
    samples = ([image[None]] for image in inputs)
    quantize_mnn(folder / "float32.mnn", folder / "static_int8.mnn", samples)


def _sort(graph: Any) -> None:
    """Order nodes as ONNX demands; the float16 converter appends its casts."""
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    waiting, done = list(graph.node), []
    while waiting:
        ready = next(node for node in waiting if known.issuperset(node.input))
        waiting.remove(ready)
        done.append(ready)
        known.update(ready.output)
    del graph.node[:]
    graph.node.extend(done)


@pytest.fixture
def write_onnx(tmp_path: Path) -> Callable[..., Path]:
    """Write a graph of `nodes` from (name, type, shape) inputs to outputs, and constants."""
    import onnx
    from onnx import helper, numpy_helper

    def write(
        nodes: list[Any],
        inputs: list[tuple[str, Any, list[Any]]],
        outputs: list[tuple[str, Any, list[Any]]],
        **constants: np.ndarray,
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture(scope="session")
def write_tflite(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Convert a Python function of tensors with the given (shape, dtype) inputs."""
    import tensorflow as tf

    def write(function: Callable[..., Any], *inputs: tuple[tuple[int | None, ...], Any]) -> Path:
        class Module(tf.Module):
            pass

        module = Module()
        specs = [
            tf.TensorSpec(shape, dtype, name=f"in_{index}")
            for index, (shape, dtype) in enumerate(inputs)
        ]
        module.serve = tf.function(function, specs)
        folder = tmp_path_factory.mktemp("odd")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converter warns of its own deprecated parts
            concrete = module.serve.get_concrete_function()
            tf.saved_model.save(module, str(folder / "saved"), {"serving_default": concrete})
            converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
            path = folder / "model.tflite"
            path.write_bytes(converter.convert())
        return path

    return write


@pytest.fixture
def one_gpu_that_is_software(monkeypatch: pytest.MonkeyPatch) -> None:
    """SwiftShader, of Debian's chromium package, as the only Vulkan driver."""
    from edgecnn.runtimes.vulkan import devices

    monkeypatch.setenv("VK_DRIVER_FILES", str(SWIFTSHADER))
    if not SWIFTSHADER.exists() or isinstance(devices(), str):
        pytest.skip("needs Debian's chromium and libvulkan1")

"""LiteRT: what XNNPACK takes over, and the GPU path over a software Vulkan driver."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.errors import UnsupportedError
from edgecnn.runtimes.litert import LiteRT

if TYPE_CHECKING:
    from tests.integration.runtimes.conftest import Zoo

PRECISION = {
    "float32": "float32",
    "float16": "float32",
    "static_int8": "int8",
    "int16x8": "int16x8",
}


@pytest.fixture
def partly_delegated(write_tflite: Callable[..., Path]) -> Path:
    """Two dense layers around a scatter, which neither XNNPACK nor the GPU has."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    first, second = random.random((2, 8, 8), np.float32)

    def function(values: tf.Tensor) -> tf.Tensor:
        hidden = tf.nn.relu(tf.matmul(values, first))
        scattered = tf.tensor_scatter_nd_update(hidden, [[0, 1]], [1.0])
        return tf.matmul(scattered, second)

    return write_tflite(function, ((1, 8), tf.float32))


def test_a_float_model_is_delegated_whole(zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("tflite", "float32"), "litert:cpu").effective
    assert (effective.provider, effective.delegated_fraction) == ("XNNPACK", 1.0)


def test_an_operator_that_xnnpack_lacks_lowers_the_share(partly_delegated: Path) -> None:
    effective = runtimes.load(partly_delegated, "litert:cpu").effective
    assert effective.delegated_fraction is not None
    assert 0 < effective.delegated_fraction < 1
    assert effective.details["not_delegated"] == ["SCATTER_ND"]
    assert effective.details["partitions"] == 2


def test_int16x8_runs_outside_of_xnnpack(zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("tflite", "int16x8"), "litert:cpu").effective
    assert (effective.provider, effective.delegated_fraction) == ("TFLite kernels", 0.0)


@pytest.mark.parametrize("recipe", PRECISION)
def test_precision_is_that_of_the_arithmetic_not_of_the_file(recipe: str, zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("tflite", recipe), "litert:cpu").effective
    assert effective.precision == PRECISION[recipe]


def test_dynamic_int8_is_told_by_node(zoo: Zoo) -> None:
    # The converter leaves weights below 1,024 values as they are: only the dense layer is left.
    effective = runtimes.load(zoo.path("tflite", "dynamic_int8"), "litert:cpu").effective
    assert effective.details["compute_ops_by_precision"]["dynamic_int8"] == 1


def test_an_open_batch_is_filled_in(write_tflite: Callable[..., Path]) -> None:
    import tensorflow as tf

    path = write_tflite(lambda values: tf.nn.relu(values) * 2.0, ((None, 5), tf.float32))
    values = np.random.default_rng(0).random((3, 5), np.float32) - 0.5
    session = runtimes.load(path, "litert:cpu", batch=3)
    np.testing.assert_allclose(session.run([values])[0], np.maximum(values, 0) * 2)


def test_two_inputs_are_told_apart(write_tflite: Callable[..., Path]) -> None:
    import tensorflow as tf

    path = write_tflite(
        lambda first, second: {"difference": first - second, "product": first * second},
        ((1, 4), tf.float32),
        ((1, 4), tf.float32),
    )
    session = runtimes.load(path, "litert:cpu")
    values = {
        spec.name: np.random.default_rng(index).random((1, 4), np.float32)
        for index, spec in enumerate(session.inputs)
    }
    answers = dict(
        zip(
            [spec.name for spec in session.outputs], session.run(list(values.values())), strict=True
        )
    )
    expected = {
        "difference": values["in_0"] - values["in_1"],
        "product": values["in_0"] * values["in_1"],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(answers[name], value, rtol=1e-6)


def test_tensorflow_s_own_operators_are_unsupported(tmp_path: Path) -> None:
    import tensorflow as tf

    function = tf.function(tf.linalg.det, [tf.TensorSpec((1, 3, 3), tf.float32)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter warns of its own deprecated parts
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
        path = tmp_path / "flex.tflite"
        path.write_bytes(converter.convert())
    with pytest.raises(UnsupportedError, match="Select TensorFlow op") as caught:
        runtimes.load(path, "litert:cpu")
    assert "\n" not in caught.value.message
    assert "SELECT_TF_OPS" in caught.value.hint


def test_without_a_vulkan_driver_the_gpu_is_unsupported(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VK_DRIVER_FILES", "/nonexistent.json")
    with pytest.raises(UnsupportedError, match="Vulkan") as caught:
        runtimes.load(zoo.path("tflite", "float32"), "litert:gpu")
    assert "mesa-vulkan-drivers" in caught.value.hint


@pytest.mark.usefixtures("one_gpu_that_is_software")
class TestGPU:
    @pytest.mark.parametrize("recipe", ["float32", "static_int8"])
    def test_outputs_are_those_of_keras(self, recipe: str, zoo: Zoo) -> None:
        session = runtimes.load(zoo.path("tflite", recipe), "litert:gpu")
        answers = [session.run([image[None]])[0] for image in zoo.inputs]
        np.testing.assert_allclose(np.concatenate(answers), zoo.expected, atol=0.03)

    def test_a_software_adapter_is_told(self, zoo: Zoo) -> None:
        assert "software" in LiteRT.probe("gpu").device_name
        effective = runtimes.load(zoo.path("tflite", "float32"), "litert:gpu").effective
        assert effective.software
        assert "SwiftShader" in effective.device_name
        assert effective.delegated_fraction == 1.0
        assert effective.precision == "float32"

    def test_an_inference_ends_when_its_result_is_on_the_host(self, zoo: Zoo) -> None:
        session = runtimes.load(zoo.path("tflite", "float32"), "litert:gpu")
        invoke = session.bind([zoo.inputs[:1]])
        invoke()
        returned, read = [], []
        for _ in range(5):  # the shortest of each: other processes only make them longer
            start = time.perf_counter()
            (answer,) = invoke()
            returned.append(time.perf_counter() - start)
            start = time.perf_counter()
            kept = np.array(answer)
            read.append(time.perf_counter() - start)
        assert min(read) < min(returned) / 2
        np.testing.assert_allclose(kept, zoo.expected[:1], atol=1e-3)

    def test_a_partly_delegated_model_tells_its_share(self, partly_delegated: Path) -> None:
        session = runtimes.load(partly_delegated, "litert:gpu")
        assert session.effective.delegated_fraction is not None
        assert 0 < session.effective.delegated_fraction < 1
        values = np.random.default_rng(1).random((1, 8), np.float32)
        on_cpu = runtimes.load(partly_delegated, "litert:cpu").run([values])[0]
        np.testing.assert_allclose(session.run([values])[0], on_cpu, rtol=1e-4)

    def test_a_model_that_the_gpu_cannot_hold_is_unsupported(self, zoo: Zoo) -> None:
        with pytest.raises(UnsupportedError, match="int16"):
            runtimes.load(zoo.path("tflite", "int16x8"), "litert:gpu")

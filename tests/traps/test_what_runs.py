"""Traps of the first kind: the row is not what its name says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.machine.description import gpus
from edgecnn.results import Measurement

SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")

needs_swiftshader = pytest.mark.skipif(
    not SWIFTSHADER.exists() and "VK_DRIVER_FILES" not in os.environ,
    reason="no Vulkan driver here (Debian's chromium brings SwiftShader)",
)


@pytest.fixture
def vulkan(monkeypatch: pytest.MonkeyPatch):
    if "VK_DRIVER_FILES" not in os.environ:
        monkeypatch.setenv("VK_DRIVER_FILES", str(SWIFTSHADER))


@pytest.fixture(scope="module")
def convolutions(tmp_path_factory):
    """A .tflite with enough convolutions to keep a software GPU busy for some milliseconds."""
    import keras

    from edgecnn.conversion.convert import convert_one

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((48, 48, 3), name="input"), *layers], name="convolutions")
    return convert_one(model, "tflite:float32", out=tmp_path_factory.mktemp("gpu")).path


@pytest.fixture
def naive_gpu(plug_in):
    plug_in("careless")


@needs_swiftshader
@pytest.mark.usefixtures("vulkan", "naive_gpu")
def test_an_asynchronous_gpu_call_is_caught(measure, convolutions):
    row = measure(convolutions, "naive:gpu", passes=["synchrony"], min_runs=5, max_runs=5)
    assert row.verdict == "INVALID"
    assert "asynchronous return" in row.reasons[0]


@needs_swiftshader
@pytest.mark.usefixtures("vulkan")
def test_a_gpu_emulated_in_software_is_not_sold_as_a_gpu(measure, convolutions):
    """And edgecnn's own GPU session waits for the result: nothing asynchronous about it."""
    row = measure(convolutions, "litert:gpu", passes=["synchrony"])
    assert row.verdict == "INVALID"
    assert "emulated in software (SwiftShader" in row.reasons[0]
    assert not any("asynchronous" in reason for reason in row.reasons)


@needs_swiftshader
@pytest.mark.usefixtures("vulkan")
def test_partial_delegation_is_told_in_percent(measure, tmp_path: Path):
    """Local response normalization has no GPU kernel: that part of the model falls to the CPU."""
    row = measure(half_on_the_gpu(tmp_path), "litert:gpu")
    assert row.verdict == "INVALID"
    assert "partial delegation" in " ".join(row.reasons)
    assert 0 < row.effective.delegated_fraction < 1


def half_on_the_gpu(folder: Path) -> Path:
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 8)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 32, 32, 3), tf.float32, name="input")])
    def serve(images):
        features = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME"))
        return {"output": tf.nn.local_response_normalization(features)}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(folder / "saved"), signatures=serve)
    path = folder / "half.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert())
    return path


@pytest.mark.skipif(bool(gpus()), reason="there is an NVIDIA GPU: nothing falls back")
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_silent_fallback_to_the_cpu_is_unsupported(measure, lenet_artifacts, device: str):
    """onnxruntime-gpu without CUDA would run on the CPU and say nothing."""
    row = measure(lenet_artifacts["onnx:float32"].path, f"onnxruntime:{device}")
    assert row.status == "unsupported"
    assert row.latency is None
    assert row.error
    assert row.hint


def test_an_early_return_is_caught_by_outputs_that_still_change(misbehave):
    row = misbehave("early")
    assert row.verdict == "INVALID"
    assert "outputs still changed" in row.reasons[0]


def test_an_early_return_is_caught_however_long_the_work_takes(misbehave):
    """A call of 0.2 ms, outputs that come 0.3 s later."""
    row = misbehave("late", min_runs=64, max_runs=64)
    assert row.verdict == "INVALID"
    assert "outputs still changed" in row.reasons[0]


def test_reduced_precision_is_told_beside_the_number(misbehave, model_file: Path):
    from edgecnn.manifest import Manifest, write_manifest

    write_manifest(model_file, Manifest(recipe="float32"))
    row = misbehave("reduced")
    assert row.effective.precision == "bfloat16"
    assert "computed in bfloat16 although the file is float32" in " ".join(row.reasons)


def test_openvino_tells_when_it_computes_float32_in_bfloat16(measure, lenet_artifacts):
    """It does so by default where the processor can; elsewhere float32 must be what ran."""
    row = measure(lenet_artifacts["onnx:float32"].path, "openvino:cpu")
    assert row.effective.precision in ("float32", "bfloat16")
    told = any("bfloat16" in reason for reason in row.reasons)
    assert told == (row.effective.precision == "bfloat16")


@pytest.mark.alone
def test_a_runtime_that_ignores_the_thread_limit_is_caught(plug_in, measure, model_file: Path):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor cannot show it")
    plug_in("careless")
    for _ in range(4):
        row = measure(model_file, "greedy:cpu", min_runs=16)
        if _was_free(row):
            break
    else:
        pytest.skip("other processes leave no second processor to show it")
    assert row.verdict == "INVALID"
    assert "processors were busy where 1 thread was asked" in " ".join(row.reasons)


def _was_free(row: Measurement) -> bool:
    """Whether nobody else, and no other machine of this host, took of the second processor."""
    (run,) = row.runs
    return (run.machine["other_cpus"] or 0.0) + (run.machine["steal_fraction"] or 0.0) < 0.15


def test_more_threads_than_processors_are_told(misbehave):
    row = misbehave("cpu", threads=512)
    assert "oversubscribed: 512 threads" in " ".join(row.reasons)


def test_all_distinct_inputs_take_part(misbehave):
    """Zeros, or one input again and again, are faster on some kernels."""
    from edgecnn.benchmarking.loop.input_batches import POOL_SIZE

    row = misbehave("witness")
    assert row.effective.provider == f"{POOL_SIZE} inputs"

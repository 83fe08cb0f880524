"""What every registered runtime owes its callers, on real files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.formats.recipes import recipe_in
from edgecnn.registry import RUNTIMES
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.base import Runtime, Session
from edgecnn.runtimes.tensors import to_model
from tests.integration.runtimes.conftest import RECIPES, SHAPE, Zoo, files_of

PRECISIONS = {
    "float32",
    "float16_weights",
    "float16",
    "bfloat16",
    "tf32",
    "int8",
    "uint8",
    "int16x8",
    "dynamic_int8",
}
# How far probabilities may be from Keras's: rounding of float32, 11 bits, 8 bits of data.
TOLERANCE = {
    "float32": 1e-5,
    "float16": 2e-3,
    "dynamic_int8": 0.02,
    "static_int8": 0.03,
    "int16x8": 0.02,
}
# A runtime that cannot run a recipe says so; these are known to (OpenCV 5.0).
UNSUPPORTED = {
    ("opencv", "onnx", "dynamic_int8"),
    ("opencv", "tflite", "dynamic_int8"),
    ("opencv", "tflite", "static_int8"),
    ("opencv", "tflite", "int16x8"),
}

HERE = [name for name in RUNTIMES.builtin if RUNTIMES.load(name).environment is None]
CASES = [
    pytest.param(name, *file, id=f"{name}-{file[0]}-{file[1]}")
    for name in HERE
    for file in files_of(RUNTIMES.load(name).formats)
]
WORKING = [case for case in CASES if case.values not in UNSUPPORTED]
FIRST_FORMAT = [pytest.param(name, RUNTIMES.load(name).formats[0], id=name) for name in HERE]


def load(name: str, path: Path, **options: Any) -> Session:
    options.setdefault("precision", "strict_float32")
    return runtimes.load(path, f"{name}:cpu", **options)


@pytest.mark.parametrize(("name", "file_format", "recipe"), WORKING)
def test_outputs_are_those_of_keras(name: str, file_format: str, recipe: str, zoo: Zoo) -> None:
    session = load(name, zoo.path(file_format, recipe))
    answers = [session.run([image[None]])[0] for image in zoo.inputs]
    assert all(answer.dtype == np.float32 for answer in answers)
    np.testing.assert_allclose(np.concatenate(answers), zoo.expected, atol=TOLERANCE[recipe])


@pytest.mark.parametrize(("name", "file_format", "recipe"), sorted(UNSUPPORTED))
def test_what_a_runtime_cannot_run_is_unsupported_with_the_reason(
    name: str, file_format: str, recipe: str, zoo: Zoo
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        load(name, zoo.path(file_format, recipe))
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("name", "file_format", "recipe"), WORKING)
def test_effective_tells_what_executes(name: str, file_format: str, recipe: str, zoo: Zoo) -> None:
    session = load(name, zoo.path(file_format, recipe))
    effective = session.effective
    assert effective.precision in PRECISIONS
    assert effective.provider
    assert effective.device_name
    assert effective.runtime_version
    assert effective.delegated_fraction is not None
    assert 0 <= effective.delegated_fraction <= 1
    assert not effective.software
    if recipe == "float32":
        assert effective.precision == "float32"


@pytest.mark.parametrize("name", [name for name in HERE if name != "keras"])
def test_threads_are_those_asked_for(name: str, zoo: Zoo) -> None:
    # TensorFlow takes its number once a process; test_keras.py sees to it in fresh ones.
    path = zoo.path(RUNTIMES.load(name).formats[0], "float32")
    for threads in (1, 2):
        assert load(name, path, threads=threads).effective.threads == threads


@pytest.mark.parametrize("name", ["litert", "onnxruntime"])
def test_threads_are_seen_to_start(name: str, zoo: Zoo) -> None:
    # In a fresh process: threads of earlier sessions may end at any time. The caller works too.
    path = zoo.path(RUNTIMES.load(name).formats[0], "float32")
    code = (
        "import sys; from edgecnn import runtimes; "
        "session = runtimes.load(sys.argv[1], sys.argv[2], threads=3); "
        "sys.stdout.write(str(session.effective.details['threads_started']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), f"{name}:cpu"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2"


@pytest.mark.parametrize(("name", "file_format"), FIRST_FORMAT)
def test_inputs_and_outputs_are_described(name: str, file_format: str, zoo: Zoo) -> None:
    session = load(name, zoo.path(file_format, "float32"))
    (given,), (answered,) = session.inputs, session.outputs
    assert given.name
    assert (given.shape, given.layout, given.dtype) == ((1, *SHAPE), "NHWC", "float32")
    assert answered.shape[1:] == (10,)
    assert (answered.layout, answered.dtype) == ("NC", "float32")


@pytest.mark.parametrize("name", [name for name in HERE if "tflite" in RUNTIMES.load(name).formats])
def test_quantized_inputs_carry_their_scale(name: str, zoo: Zoo) -> None:
    if (name, "tflite", "static_int8") in UNSUPPORTED:
        pytest.skip("this runtime does not run quantized .tflite files")
    session = load(name, zoo.path("tflite", "static_int8"))
    assert session.inputs[0].dtype == "int8"
    assert session.inputs[0].scale == pytest.approx(1 / 255, rel=0.05)
    assert session.outputs[0].scale == pytest.approx(1 / 256)
    assert session.outputs[0].zero_point == -128


@pytest.mark.parametrize(("name", "file_format"), FIRST_FORMAT)
def test_bound_inputs_do_not_disturb_each_other(name: str, file_format: str, zoo: Zoo) -> None:
    session = load(name, zoo.path(file_format, "float32"))
    (spec,) = session.inputs
    invocations = [session.bind([to_model(image[None], spec)]) for image in zoo.inputs]
    for _ in range(2):
        for invoke, expected in zip(invocations, zoo.expected, strict=True):
            np.testing.assert_allclose(np.array(invoke()[0])[0], expected, atol=1e-5)


@pytest.mark.parametrize(("name", "file_format"), FIRST_FORMAT)
def test_inputs_that_stay_as_they_are_need_not_be_copied(
    name: str, file_format: str, zoo: Zoo
) -> None:
    session = load(name, zoo.path(file_format, "float32"))
    (spec,) = session.inputs
    for image, expected in zip(zoo.inputs, zoo.expected, strict=True):
        tensors = [to_model(image[None], spec)]
        for unchanged in ((), (0,)):
            found = np.array(session.infer(tensors, unchanged)[0])[0]
            np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "file_format"), FIRST_FORMAT)
def test_outputs_of_run_are_copies(name: str, file_format: str, zoo: Zoo) -> None:
    session = load(name, zoo.path(file_format, "float32"))
    answers = [session.run([image[None]])[0] for image in zoo.inputs]
    assert all(not np.array_equal(first, second) for first, second in pairwise(answers))


@pytest.mark.parametrize(("name", "file_format"), FIRST_FORMAT)
def test_another_shape_is_refused_with_both(name: str, file_format: str, zoo: Zoo) -> None:
    session = load(name, zoo.path(file_format, "float32"))
    with pytest.raises(InputError, match=r"takes \(1, 14, 10, 3\), received: \(1, 10, 14, 3\)"):
        session.run([np.zeros((1, 10, 14, 3), np.float32)])


@pytest.mark.parametrize("name", [n for n in HERE if "onnx" in RUNTIMES.load(n).formats])
def test_an_open_batch_takes_the_size_asked_for(name: str, zoo: Zoo) -> None:
    session = load(name, zoo.path("onnx", "float32"), batch=8)
    assert session.inputs[0].shape == (8, *SHAPE)
    np.testing.assert_allclose(session.run([zoo.inputs])[0], zoo.expected, atol=1e-5)


def test_a_keras_model_takes_the_batch_asked_for(zoo: Zoo) -> None:
    session = load("keras", zoo.path("keras", "float32"), batch=8)
    np.testing.assert_allclose(session.run([zoo.inputs])[0], zoo.expected, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in HERE if "tflite" in RUNTIMES.load(n).formats])
def test_a_fixed_batch_refuses_another_and_names_both(name: str, zoo: Zoo) -> None:
    with pytest.raises(InputError, match="batches of exactly 1, asked for: 4"):
        load(name, zoo.path("tflite", "float32"), batch=4)


@pytest.mark.parametrize(("name", "file_format", "recipe"), CASES)
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_truncated_file_is_an_input_error_in_one_line(
    name: str, file_format: str, recipe: str, kept: float, zoo: Zoo, tmp_path: Path
) -> None:
    whole = zoo.path(file_format, recipe)
    content = whole.read_bytes()
    path = tmp_path / f"cut{whole.suffix}"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError) as caught:
        load(name, path)
    assert "\n" not in caught.value.message
    assert "cut." in caught.value.message


@pytest.mark.parametrize(("name", "file_format"), FIRST_FORMAT)
def test_noise_is_an_input_error(name: str, file_format: str, zoo: Zoo, tmp_path: Path) -> None:
    whole = zoo.path(file_format, "float32")
    head = whole.read_bytes()[:16]
    path = tmp_path / f"noise{whole.suffix}"
    path.write_bytes(head + np.random.default_rng(0).bytes(4096))
    with pytest.raises(InputError):
        load(name, path)


@pytest.mark.parametrize("name", list(RUNTIMES.builtin))
def test_every_device_is_available_or_says_why_not_and_what_helps(name: str) -> None:
    runtime: type[Runtime] = RUNTIMES.load(name)
    for device in runtime.devices:
        found = runtime.probe(device)
        if found.available:
            assert found.version
        else:
            assert found.reason
            assert found.hint


@pytest.mark.parametrize("name", HERE)
def test_an_unavailable_device_is_refused_with_the_reason(name: str, zoo: Zoo) -> None:
    runtime: type[Runtime] = RUNTIMES.load(name)
    path = zoo.path(runtime.formats[0], "float32")
    for device in runtime.devices:
        availability = runtime.probe(device)
        if availability.available:
            continue
        with pytest.raises(UnsupportedError) as caught:
            runtime.load(path, device, RuntimeOptions())
        assert availability.reason in caught.value.message
        assert caught.value.hint == availability.hint


def test_tflite_runtime_names_the_environment_it_needs(zoo: Zoo) -> None:
    with pytest.raises(MissingDependencyError) as caught:
        load("tflite-runtime", zoo.path("tflite", "float32"))
    assert caught.value.hint == "edgecnn env create tflite-runtime"


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipe_of_a_file_is_read_off_its_tensors(zoo: Zoo, recipe: str) -> None:
    assert recipe_in(zoo.path("tflite", recipe)) == recipe


@pytest.mark.parametrize("name", [n for n in HERE if "onnx" in RUNTIMES.load(n).formats])
class TestOddGraphs:
    """Models that are not image classifiers, in every runtime that reads ONNX."""

    def test_two_inputs_and_two_outputs_keep_their_order(
        self, name: str, write_onnx: Callable[..., Path]
    ) -> None:
        from onnx import TensorProto, helper

        path = write_onnx(
            [
                helper.make_node("Sub", ["first", "second"], ["difference"]),
                helper.make_node("Mul", ["first", "second"], ["product"]),
            ],
            [("first", TensorProto.FLOAT, [1, 6]), ("second", TensorProto.FLOAT, [1, 6])],
            [("product", TensorProto.FLOAT, [1, 6]), ("difference", TensorProto.FLOAT, [1, 6])],
        )
        first, second = np.random.default_rng(0).random((2, 1, 6), np.float32)
        session = load(name, path)
        assert [spec.name for spec in session.inputs] == ["first", "second"]
        product, difference = session.run([first, second])
        np.testing.assert_allclose(product, first * second, rtol=1e-6)
        np.testing.assert_allclose(difference, first - second, rtol=1e-6)

    def test_int64_inputs_pass_as_they_are(
        self, name: str, write_onnx: Callable[..., Path]
    ) -> None:
        from onnx import TensorProto, helper

        table = np.arange(20, dtype=np.float32).reshape(10, 2)
        path = write_onnx(
            [helper.make_node("Gather", ["table", "words"], ["vectors"])],
            [("words", TensorProto.INT64, [1, 3])],
            [("vectors", TensorProto.FLOAT, [1, 3, 2])],
            table=table,
        )
        session = load(name, path)
        assert session.inputs[0].dtype == "int64"
        words = np.array([[7, 0, 9]])
        np.testing.assert_array_equal(session.run([words])[0], table[words])

    def test_channels_first_images_are_taken_channels_last(
        self, name: str, write_onnx: Callable[..., Path]
    ) -> None:
        from onnx import TensorProto, helper

        path = write_onnx(
            [
                helper.make_node("GlobalAveragePool", ["picture"], ["pooled"]),
                helper.make_node("Flatten", ["pooled"], ["means"]),
            ],
            [("picture", TensorProto.FLOAT, ["batch", 3, 8, 6])],
            [("means", TensorProto.FLOAT, ["batch", 3])],
        )
        image = np.random.default_rng(0).random((1, 8, 6, 3), np.float32)
        session = load(name, path)
        assert session.inputs[0].layout == "NCHW"
        np.testing.assert_allclose(session.run([image])[0], image.mean((1, 2)), rtol=1e-5)

    def test_text_is_run_or_unsupported(self, name: str, write_onnx: Callable[..., Path]) -> None:
        from onnx import TensorProto, helper

        path = write_onnx(
            [helper.make_node("Identity", ["words"], ["same"])],
            [("words", TensorProto.STRING, [1, 3])],
            [("same", TensorProto.STRING, [1, 3])],
        )
        if name == "onnxruntime":
            words = np.array([["one", "two", "3"]], object)
            assert load(name, path).run([words])[0].tolist() == words.tolist()
            return
        with pytest.raises(UnsupportedError, match=r"input 'words' takes text \(string\)"):
            load(name, path)

    def test_an_open_size_other_than_the_batch_is_named(
        self, name: str, write_onnx: Callable[..., Path]
    ) -> None:
        from onnx import TensorProto, helper

        path = write_onnx(
            [helper.make_node("Relu", ["picture"], ["positive"])],
            [("picture", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
            [("positive", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        )
        with pytest.raises(InputError, match=r"\(1, 3, height, width\).*needs a size") as caught:
            load(name, path)
        assert "--shape picture=1x3x" in caught.value.hint

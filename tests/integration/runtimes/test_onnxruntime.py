"""ONNX Runtime: what its profile proves, bound memory, fallbacks."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.errors import UnsupportedError
from edgecnn.runtimes.onnxruntime import EXACT_INT8

if TYPE_CHECKING:
    from tests.integration.runtimes.conftest import Zoo

# The CPU has no float16 kernels for convolutions: ONNX Runtime puts casts around them.
PRECISION = {
    "float32": "float32",
    "float16": "float32",
    "dynamic_int8": "dynamic_int8",
    "static_int8": "int8",
}


@pytest.mark.parametrize("recipe", PRECISION)
def test_precision_is_that_of_the_executed_kernels(recipe: str, zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("onnx", recipe), "onnxruntime:cpu").effective
    assert effective.precision == PRECISION[recipe]
    assert effective.provider == "CPUExecutionProvider"
    assert effective.delegated_fraction == 1.0


def test_casts_around_float16_are_told(zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("onnx", "float16"), "onnxruntime:cpu").effective
    assert effective.details["operators"]["Cast"] > 0


def test_asking_what_executes_leaves_no_file_behind(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runtimes.load(zoo.path("onnx", "float32"), "onnxruntime:cpu").effective
    assert list(tmp_path.iterdir()) == []


def test_outputs_outlive_their_session(zoo: Zoo) -> None:
    session = runtimes.load(zoo.path("onnx", "float32"), "onnxruntime:cpu")
    (answer,) = session.bind([zoo.inputs[:1]])()
    del session
    gc.collect()
    np.testing.assert_allclose(answer, zoo.expected[:1], atol=1e-5)


def test_inputs_may_be_temporary(zoo: Zoo) -> None:
    session = runtimes.load(zoo.path("onnx", "float32"), "onnxruntime:cpu")
    invocations = [session.bind([image[None].copy()]) for image in zoo.inputs]
    gc.collect()
    answers = [np.array(invoke()[0]) for invoke in invocations]
    np.testing.assert_allclose(np.concatenate(answers), zoo.expected, atol=1e-5)


def test_outputs_of_open_size_grow_and_shrink(write_onnx: Callable[..., Path]) -> None:
    from onnx import TensorProto, helper

    path = write_onnx(
        [helper.make_node("NonZero", ["values"], ["places"])],
        [("values", TensorProto.FLOAT, [1, 6])],
        [("places", TensorProto.INT64, [2, "found"])],
    )
    session = runtimes.load(path, "onnxruntime:cpu")
    assert session.outputs[0].shape == (2, None)
    for values in ([[0, 1, 0, 2, 0, 0]], [[1, 1, 1, 1, 1, 1]], [[0, 0, 0, 0, 0, 3]]):
        found = session.run([np.array(values, np.float32)])[0]
        np.testing.assert_array_equal(found, np.nonzero(np.array(values)))


def test_an_operator_of_a_future_opset_is_unsupported(zoo: Zoo, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(zoo.path("onnx", "float32"))
    model.ir_version = 99
    path = tmp_path / "future.onnx"
    onnx.save(model, path)
    with pytest.raises(UnsupportedError, match=r"future\.onnx.*99"):
        runtimes.load(path, "onnxruntime:cpu")


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_gpu_that_is_not_there_is_never_played_by_the_cpu(
    device: str, zoo: Zoo, capfd: pytest.CaptureFixture[str]
) -> None:
    if runtimes.RUNTIMES.load("onnxruntime").probe(device).available:
        pytest.skip(f"this machine has {device}")
    with pytest.raises(UnsupportedError, match=f"onnxruntime:{device}: "):
        runtimes.load(zoo.path("onnx", "float32"), f"onnxruntime:{device}")
    assert capfd.readouterr() == ("", "")


def test_sums_of_int8_products_do_not_overflow(write_onnx: Callable[..., Path]) -> None:
    """Two products of 255 · 127 are more than 16 bits hold, in which processors without VNNI add
    them unless a session option prevents it.
    """
    from onnx import TensorProto, helper, numpy_helper

    size = 64
    constants = {
        "scale": np.float32(1.0), "zero": np.uint8(0), "weights": np.full((size, 4), 127, np.int8),
        "weight_scale": np.float32(1 / 127), "weight_zero": np.int8(0),
    }  # fmt: skip
    nodes = [
        *(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))
          for name, value in constants.items()),
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "scale", "zero"], ["x_d"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale", "weight_zero"], ["w"]),
        helper.make_node("MatMul", ["x_d", "w"], ["y"]),
    ]  # fmt: skip
    path = write_onnx(
        nodes, [("x", TensorProto.FLOAT, [1, size])], [("y", TensorProto.FLOAT, [1, 4])]
    )
    session = runtimes.load(path, "onnxruntime:cpu")
    values = np.full((1, size), 255, np.float32)
    np.testing.assert_allclose(session.run([values])[0], 255.0 * size, rtol=1e-5)
    assert "int8_sums" not in session.effective.details


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def node(operator: str, provider: str) -> dict[str, object]:
    return {
        "op_name": operator,
        "provider": provider,
        "input_type_shape": [{"float": [1, 4]}],
    }


def test_what_the_processor_computes_for_a_gpu_is_no_tf32(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the profile of a GPU: two products that fell back to the processor."""
    session = runtimes.load(zoo.path("onnx", "float32"), "onnxruntime:cpu")
    nodes = [node("Conv", CUDA), node("Gemm", CPU), node("Gemm", CPU)]
    monkeypatch.setattr(session, "_profile", lambda: nodes)
    monkeypatch.setattr(session, "_tf32", True)
    monkeypatch.setattr(session, "_provider", CUDA)
    effective = session.effective
    assert effective.details["compute_ops_by_precision"] == {"tf32": 1, "float32": 2}
    assert effective.details["nodes_elsewhere"] == {CPU: 2}
    assert effective.precision == "float32"


@pytest.mark.parametrize(
    ("recipe", "tf32", "precision"),
    [
        ("float32", True, "tf32"),
        ("float32", False, "float32"),
        ("static_int8", True, "unknown"),
        ("float16", True, "unknown"),
    ],
)
def test_the_precision_in_engines_of_tensorrt_is_not_that_of_the_input(
    recipe: str, tf32: bool, precision: str, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for its profile: one engine, and a product outside of it."""
    tensorrt = "TensorrtExecutionProvider"
    session = runtimes.load(zoo.path("onnx", recipe), "onnxruntime:cpu")
    nodes = [node("TRTKernel_graph_main_1", tensorrt), node("Gemm", CPU), node("Gemm", CPU)]
    monkeypatch.setattr(session, "_profile", lambda: nodes)
    monkeypatch.setattr(session, "_tf32", tf32)
    monkeypatch.setattr(session, "_provider", tensorrt)
    assert session.effective.precision == precision


def test_what_tensorrt_leaves_is_counted_by_provider(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for its profile: CUDA takes a part of it, the processor the rest."""
    tensorrt = "TensorrtExecutionProvider"
    session = runtimes.load(zoo.path("onnx", "float32"), "onnxruntime:cpu")
    nodes = [node("TRTKernel_graph_main_1", tensorrt), node("Conv", CUDA), node("Gemm", CUDA)]
    monkeypatch.setattr(session, "_profile", lambda: [*nodes, node("Gemm", CPU)])
    monkeypatch.setattr(session, "_provider", tensorrt)
    assert session.effective.details["nodes_elsewhere"] == {CUDA: 2, CPU: 1}
    assert session.effective.delegated_fraction == 0.25


@pytest.mark.parametrize("in_16_bits", [False, True])
def test_exact_sums_are_asked_for_only_where_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, zoo: Zoo, in_16_bits: bool
) -> None:
    """On processors with VNNI or AMX the option costs their fast kernels."""
    import onnxruntime

    given: list[bool] = []
    session = onnxruntime.InferenceSession

    def watched(model: object, options: object, **more: object) -> object:
        try:
            given.append(options.get_session_config_entry(EXACT_INT8) == "1")
        except RuntimeError:  # it is not set
            given.append(False)
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    monkeypatch.setattr("edgecnn.runtimes.onnxruntime.adds_int8_in_16_bits", lambda: in_16_bits)
    runtimes.load(zoo.path("onnx", "static_int8"), "onnxruntime:cpu")
    assert given == [in_16_bits]

"""OpenCV's two engines, and what neither runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.runtimes.conftest import Zoo


def test_quantized_files_are_computed_in_integers(zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("onnx", "static_int8"), "opencv:cpu").effective
    assert effective.precision == "int8"
    assert effective.provider == "OpenCV DNN (new engine)"


def test_an_unknown_operator_is_named_in_one_line(
    zoo: Zoo, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnsupportedError, match="DynamicQuantizeLinear") as caught:
        runtimes.load(zoo.path("onnx", "dynamic_int8"), "opencv:cpu")
    assert ".cpp" not in caught.value.message  # no places in OpenCV's source
    assert capfd.readouterr().err == ""


def test_integer_weights_in_tflite_are_refused_not_answered_with_nan(zoo: Zoo) -> None:
    with pytest.raises(UnsupportedError, match="holds int8"):
        runtimes.load(zoo.path("tflite", "dynamic_int8"), "opencv:cpu")


def test_tflite_outputs_whose_axes_are_reordered_are_refused(
    write_tflite: Callable[..., Path],
) -> None:
    import tensorflow as tf

    path = write_tflite(tf.nn.relu, ((1, 4, 5, 3), tf.float32))
    with pytest.raises(UnsupportedError, match=r"reorders the axes.*\(1, 4, 5, 3\)"):
        runtimes.load(path, "opencv:cpu")


def test_an_error_at_inference_is_told_by_opencv_in_one_line(zoo: Zoo) -> None:
    session = runtimes.load(zoo.path("onnx", "float32"), "opencv:cpu")
    with pytest.raises(UnsupportedError, match="OpenCV cannot run this model") as caught:
        session.bind([np.zeros((1, 3, 3, 3), np.float32)])()
    assert "\n" not in caught.value.message

"""ONNX → TFLite through onnx2tf in its environment: layouts, names, order, and what it refuses.

Slow, and skipped where `edgecnn env create onnx2tf` was never run: it takes a Python 3.12 and a
network.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from edgecnn import isolated_environments
from edgecnn.conversion.convert import convert
from edgecnn.conversion.verification.verify import verify_artifact
from tests.integration.conversion import foreign

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        isolated_environments.python_of("onnx2tf") is None, reason="run: edgecnn env create onnx2tf"
    ),
]

RNG = np.random.default_rng(5)


def one(path: Path, out: Path, target: str = "tflite:float32", **more):
    (outcome,) = convert(path, target, out=out, samples=8, **more)
    return outcome


def made(outcome):
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    return outcome.artifact.manifest


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_a_classifier_is_quantized_and_takes_channels_last(tmp_path: Path):
    data = foreign.images()
    path = foreign.network(tmp_path / "net.onnx", batch="n")
    targets = "tflite:float32,tflite:static_int8,tflite:float16"
    outcomes = convert(
        path, targets, calibration=data, out=tmp_path / "art", preprocessing="raw", samples=32
    )
    for outcome in outcomes:
        manifest = made(outcome)
        assert manifest.inputs[0].name == "images"
        assert manifest.inputs[0].shape == (1, foreign.SIZE, foreign.SIZE, 3)
        assert manifest.outputs[0].name == "scores"
        assert outcome.parity.top1_agreement == 1
    assert outcomes[0].parity.max_abs_error < 1e-4
    found = verify_artifact(outcomes[1].artifact.path, dataset=data)
    assert found.passed
    assert found.accuracy.value == 1


def test_maps_are_compared_whatever_their_layout(tmp_path: Path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["maps"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["maps"], ["mean"], name="mean"),
    ]
    path = foreign.save(
        tmp_path / "maps.onnx", nodes, {"x": (1, 3, 10, 14)},
        {"mean": (1, 5, 1, 1), "maps": (1, 5, 10, 14)}, {"w": weights(5, 3, 3, 3)},
    )  # fmt: skip
    outcome = one(path, tmp_path / "art")
    manifest = made(outcome)
    assert [spec.name for spec in manifest.outputs] == ["mean", "maps"]
    assert outcome.parity.max_abs_error < 1e-4


@pytest.mark.parametrize("kind", [{"rescales": True}, {"pixels": True}, {"dtype": np.float16}])
def test_files_of_many_makes_arrive(tmp_path: Path, kind):
    data = foreign.images()
    option = {"preprocessing": "raw"} if "dtype" in kind else {}
    path = foreign.network(tmp_path / "net.onnx", **kind)
    targets = "tflite:float32,tflite:static_int8"
    outcomes = convert(path, targets, calibration=data, out=tmp_path / "art", samples=16, **option)
    for outcome in outcomes:
        made(outcome)
        assert outcome.parity.top1_agreement == 1


def test_signals_keep_the_axes_that_they_are_fed_in(tmp_path: Path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1])
    path = foreign.save(
        tmp_path / "signal.onnx", [node], {"x": (1, 16, 40)}, {"y": (1, 7, 40)},
        {"w": weights(7, 16, 3)},
    )  # fmt: skip
    outcome = one(path, tmp_path / "art")
    assert made(outcome).inputs[0].shape == (1, 16, 40)
    assert outcome.parity.max_abs_error < 1e-4


def test_images_with_channels_last_stay_so(tmp_path: Path):
    nodes = [
        helper.make_node("Transpose", ["x"], ["first"], name="turn", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "w"], ["maps"], name="conv"),
        helper.make_node("GlobalAveragePool", ["maps"], ["mean"], name="mean"),
        helper.make_node("Flatten", ["mean"], ["y"], name="flat"),
    ]
    path = foreign.save(
        tmp_path / "last.onnx", nodes, {"x": (1, 10, 14, 3)}, {"y": (1, 4)},
        {"w": weights(4, 3, 3, 3)},
    )  # fmt: skip
    outcome = one(path, tmp_path / "art")
    assert made(outcome).inputs[0].shape == (1, 10, 14, 3)
    assert outcome.parity.max_abs_error < 1e-4


def test_several_inputs_keep_their_order(tmp_path: Path):
    nodes = [helper.make_node("Sub", ["zebra", "apple"], ["difference"], name="sub")]
    sizes = {"zebra": (1, 6), "apple": (1, 6)}
    path = foreign.save(tmp_path / "two.onnx", nodes, sizes, {"difference": (1, 6)})
    outcome = one(path, tmp_path / "art")
    assert [spec.name for spec in made(outcome).inputs] == ["zebra", "apple"]
    assert outcome.parity.max_abs_error < 1e-6


def test_an_operator_without_a_tflite_form_is_named_with_its_layer(tmp_path: Path):
    node = helper.make_node("MaxRoiPool", ["x", "rois"], ["y"], name="pool_9", pooled_shape=[2, 2])
    path = foreign.save(
        tmp_path / "roi.onnx", [node], {"x": (1, 3, 16, 16), "rois": (2, 5)},
        {"y": (2, 3, 2, 2)},
    )  # fmt: skip
    outcome = one(path, tmp_path / "art")
    assert outcome.status == "unsupported"
    assert "MaxRoiPool (layer" in outcome.error
    assert "pool_9" in outcome.error

"""Traps of the last kind: a file is shipped, for reasons that do not hold where it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from edgecnn.data.base import Dataset, Split
from edgecnn.manifest import Manifest
from edgecnn.optimization.bundles import runner
from edgecnn.optimization.bundles.bundle import write_bundle
from edgecnn.optimization.data_split import divide
from edgecnn.optimization.drops import DropEstimator
from edgecnn.optimization.goal import Goal
from edgecnn.preprocessing import ImagePreprocessing
from tests.traps.test_what_comes_out import onnx_model

CLASSES = tuple("abc")


def samples(count: int, seed: int = 0) -> Split:
    images = np.random.default_rng(seed).integers(0, 255, (count, 6, 6), np.uint8)
    return Split(images, np.arange(count) % 3)


def test_a_loss_within_the_budget_that_so_few_samples_cannot_show_is_not_accepted():
    split = samples(100)
    data = Dataset("made", "classification", CLASSES, {"test": split}, "ab", (6, 6))
    outputs = np.eye(3, dtype=np.float32)[split.labels]
    judge = DropEstimator(data, Manifest(), ImagePreprocessing(6, 6, 1), [outputs])
    drop = judge.drop([outputs], 0.95)
    assert drop.points == 0
    assert not drop.within(1.0)
    assert drop.samples_needed(1.0) == Goal(max_drop=1.0).fewest_samples > 100


def test_a_faster_file_that_so_few_samples_cannot_judge_is_named_and_not_dropped_in_silence():
    from edgecnn.optimization import outcome_text
    from tests.unit.optimization.test_finalists import timed, tried

    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    faster = tried("int", 1.0, lost=1, n=360)
    (said,) = outcome_text.undecided(choice, [choice.tried, faster], 360, Goal())
    assert "undecided: int.tflite" in said
    assert "360 samples cannot show" in said


def test_a_copy_of_a_calibration_image_is_no_evidence():
    train, test = samples(100), samples(100, seed=1)
    test.samples[:30] = train.samples[:30]
    data = Dataset("made", "classification", CLASSES, {"train": train, "test": test}, "ab", (6, 6))
    parts = divide(data, Manifest())
    claimed = {each.tobytes() for each in parts.claim["test"].samples}
    assert not claimed & {each.tobytes() for each in train.samples}
    assert parts.twins > 0


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    weights = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    node = helper.make_node("MatMul", ["input", "weights"], ["output"])
    model = onnx_model(tmp_path / "small.onnx", node, weights=weights)
    return write_bundle(model, tmp_path / "shipped") / "small"


def test_a_model_that_was_changed_on_its_way_is_refused_by_name(bundle: Path, capsys):
    from edgecnn.runtimes.onnxruntime import ONNXRuntime

    content = bytearray((bundle / "small.onnx").read_bytes())
    content[-1] ^= 1
    (bundle / "small.onnx").write_bytes(bytes(content))
    assert runner.main(["--self-test"], bundle, ONNXRuntime) == 2
    assert "small.onnx was changed" in capsys.readouterr().err


def test_a_processor_without_the_instructions_it_was_measured_with_is_told(bundle: Path, capsys):
    import json

    from edgecnn.runtimes.onnxruntime import ONNXRuntime

    about = json.loads((bundle / "bundle.json").read_text())
    about["machine"]["instruction_sets"] = ["avx10_9"]
    (bundle / "bundle.json").write_text(json.dumps(about))
    assert runner.main(["--self-test"], bundle, ONNXRuntime) == 0
    assert "this processor lacks avx10_9" in capsys.readouterr().err


def test_a_layer_kept_in_float32_is_not_quantized_by_the_runtime_after_all(tmp_path: Path):
    """ONNX Runtime takes float weights between integers for an oversight, and makes them int8."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, numpy_helper

    from edgecnn.conversion.quantizers.onnx import calibrated, quantize_onnx
    from edgecnn.conversion.recipe import PRESETS

    generator = np.random.default_rng(0)
    weights = {
        "w1": generator.normal(size=(4, 1, 3, 3)),
        "w2": generator.normal(size=(4, 4, 3, 3)),
        "w3": generator.normal(size=(2, 4, 2, 2)),
    }
    weights["w1"][0] = 0  # so that the weights of w2 that drown all others meet only zeros
    weights["w2"][:, 0] = 1_000
    nodes = []
    before = "input"
    for index, name in enumerate(weights):
        nodes.append(helper.make_node("Conv", [before, name], [f"conv{index}"], name=f"n{index}"))
        nodes.append(helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"], name=f"r{index}"))
        before = f"relu{index}"
    graph = helper.make_graph(
        nodes,
        "trap",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info(before, TensorProto.FLOAT, [1, 2, 3, 3])],
        [numpy_helper.from_array(np.float32(array), name) for name, array in weights.items()],
    )
    path, kept = tmp_path / "float.onnx", tmp_path / "kept.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    samples = [generator.random((1, 1, 8, 8), np.float32) for _ in range(16)]
    recipe = PRESETS["static_int8"].keeping({"conv1": "float32"})
    quantize_onnx(path, recipe, kept, ranges=calibrated(path, recipe, samples))
    outputs = []
    for each in (path, kept):
        session = onnxruntime.InferenceSession(str(each), providers=["CPUExecutionProvider"])
        outputs.append(np.concatenate([session.run(None, {"input": one})[0] for one in samples]))
    error = np.abs(outputs[1] - outputs[0]).max() / np.abs(outputs[0]).max()
    assert error < 0.05

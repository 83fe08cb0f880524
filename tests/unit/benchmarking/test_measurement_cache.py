"""A question is asked once, unless its answer may be another one next time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking import measurement_cache as ask
from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.benchmarking.measurement_cache import MeasurementCache
from edgecnn.data.base import Dataset, Split
from edgecnn.embedded_manifest import load_artifact
from edgecnn.manifest import Artifact, Manifest, write_manifest
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.results import RuntimeOptions
from edgecnn.tensor_spec import TensorSpec

CLASSES = tuple("abc")


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return written(tmp_path / "small.onnx", "batch")


def written(path: Path, batch: str | int) -> Artifact:
    """A classifier of so many samples at once, or of as many as are given."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["output"]),
        ],
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 2, 2, 1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    prepared = ImagePreprocessing(2, 2, 1)
    write_manifest(path, Manifest("classification", labels=CLASSES, preprocessing=prepared))
    return load_artifact(path)


def samples(seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 255, (20, 2, 2), np.uint8)
    split = Split(images, np.arange(20) % 3)
    return Dataset("made", "classification", CLASSES, {"test": split}, "ab", (2, 2))


def asked(folder: Path, artifact: Artifact, **more: str) -> int:
    """How many workers a search of its own starts for one question."""
    questions = MeasurementCache(folder / "answers", samples(), folder / "work", **more)
    questions.ask(artifact, "onnxruntime:cpu", RuntimeOptions())
    return questions.asked


@pytest.mark.parametrize(
    "outcome",
    [
        WorkerOutcome("crashed", error="the worker was killed by SIGKILL"),
        WorkerOutcome("timeout", error="no answer for 60 s"),
        WorkerOutcome("failed", error="No space left on device"),
        WorkerOutcome("unsupported", error="no such device", absent=True),
    ],
    ids=["crashed", "timeout", "failed", "absent"],
)
def test_what_may_go_well_next_time_is_asked_again(
    artifact: Artifact, outcome: WorkerOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as failing:
        failing.setattr(ask, "run_worker", lambda job, python: outcome)
        assert asked(tmp_path, artifact) == 1
    assert asked(tmp_path, artifact) == 1  # a worker of its own, which answers
    assert asked(tmp_path, artifact) == 0


def test_a_model_that_the_runtime_cannot_run_is_not_asked_again(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outcome = WorkerOutcome("unsupported", error="operator GATHER")
    monkeypatch.setattr(ask, "run_worker", lambda job, python: outcome)
    assert (asked(tmp_path, artifact), asked(tmp_path, artifact)) == (1, 0)


def test_other_samples_of_the_same_data_are_another_question(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outcome = WorkerOutcome("unsupported", error="operator GATHER")
    monkeypatch.setattr(ask, "run_worker", lambda job, python: outcome)
    counts = [asked(tmp_path, artifact, part=part) for part in ("first", "second", "first")]
    assert counts == [1, 1, 0]


def test_another_preprocessing_in_the_same_file_is_another_question(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Files of ncnn and MNN hold no manifest: theirs do not change with it."""
    monkeypatch.setattr(
        ask, "run_worker", lambda job, python: WorkerOutcome("unsupported", error="GATHER")
    )
    path, taken = (
        tmp_path / "preprocessing.json",
        (TensorSpec("input", (None, 2, 2, 1), "float32"),),
    )
    manifest = replace(artifact.manifest, inputs=taken, preprocessing=None)
    artifact = replace(artifact, manifest=manifest)
    counts = []
    for scale in (1.0, 2.0, 1.0):
        path.write_text(json.dumps(ImagePreprocessing(2, 2, 1, scale=scale).to_dict()))
        counts.append(asked(tmp_path, artifact, preprocessing=str(path)))
    assert counts == [1, 1, 0]


def test_another_preprocessing_in_the_manifest_is_another_question(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        ask, "run_worker", lambda job, python: WorkerOutcome("unsupported", error="GATHER")
    )
    prepared = replace(artifact.manifest.preprocessing, scale=2.0)
    other = replace(artifact, manifest=replace(artifact.manifest, preprocessing=prepared))
    counts = [asked(tmp_path, each) for each in (artifact, other, artifact)]
    assert counts == [1, 1, 0]


@pytest.mark.parametrize("changed", ["version", "processor", "architecture"])
def test_another_runtime_version_or_machine_is_asked_again(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
):
    outcome = WorkerOutcome("unsupported", error="operator GATHER")
    monkeypatch.setattr(ask, "run_worker", lambda job, python: outcome)
    assert asked(tmp_path, artifact) == 1
    with monkeypatch.context() as another:
        if changed == "version":
            another.setattr(ask.own_environment, "version", lambda package: "0.0.1")
        elif changed == "processor":
            another.setattr(
                ask.own_environment, "processor", lambda: {"cpu_model": "Another", "flags": []}
            )
        else:
            another.setattr(ask.platform, "machine", lambda: "riscv64")
        assert asked(tmp_path, artifact) == 1
    assert asked(tmp_path, artifact) == 0


def test_an_isolated_environment_with_other_packages_is_asked_again(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outcome = WorkerOutcome("unsupported", error="operator GATHER")
    monkeypatch.setattr(ask, "run_worker", lambda job, python: outcome)
    monkeypatch.setattr(ask, "python_for", lambda runtime: None)
    counts = []
    for version in ("1.26.4", "1.26.3", "1.26.4"):
        packages = [f"numpy=={version}"]
        monkeypatch.setattr(
            ask.environments, "described", lambda name, packages=packages: {"packages": packages}
        )
        questions = MeasurementCache(tmp_path / "answers", samples(), tmp_path / "work")
        questions.ask(artifact, "onnxruntime==1.23.2:cpu", RuntimeOptions())
        counts.append(questions.asked)
    assert counts == [1, 1, 0]


@pytest.mark.parametrize("large", [True, False])
def test_large_outputs_stay_in_their_file(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
):
    monkeypatch.setattr(ask, "LARGE_BYTES", 0 if large else 1 << 20)
    questions = MeasurementCache(tmp_path / "answers", samples(), tmp_path / "work")
    first, again = (questions.ask(artifact, "onnxruntime:cpu", RuntimeOptions()) for _ in range(2))
    assert questions.asked == 1
    for answer in (first, again):
        assert answer.answered
        assert [isinstance(each, np.memmap) for each in answer.outputs] == [large]
        assert answer.outputs[0].shape == (20, 3)
    assert np.array_equal(first.outputs[0], again.outputs[0])
    assert not list((tmp_path / "work").glob("outputs-*"))


def test_a_damaged_answer_leaves_nothing_to_the_next(artifact: Artifact, tmp_path: Path):
    assert asked(tmp_path, artifact) == 1
    (folder,) = (tmp_path / "answers").iterdir()
    (folder / "measurement.json").write_text("{")
    np.save(folder / "1.npy", np.zeros(3))
    questions = MeasurementCache(tmp_path / "answers", samples(), tmp_path / "work")
    for _ in range(2):  # the second time it is read
        answer = questions.ask(artifact, "onnxruntime:cpu", RuntimeOptions())
        assert (questions.asked, len(answer.outputs)) == (1, 1)


@pytest.mark.parametrize("batch", [4, 3])
def test_a_model_of_a_fixed_batch_answers_every_sample(tmp_path: Path, batch: int):
    questions = MeasurementCache(tmp_path / "answers", samples(), tmp_path / "work")
    answers = [
        questions.ask(written(tmp_path / f"{each}.onnx", each), "onnxruntime:cpu", RuntimeOptions())
        for each in (batch, "batch")
    ]
    assert answers[0].answered, answers[0].measurement.error
    assert answers[0].measurement.options.batch == batch
    np.testing.assert_allclose(*(each.outputs[0] for each in answers), rtol=1e-5)

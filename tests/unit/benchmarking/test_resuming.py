"""What a continued results file keeps: machine limits, best times, and the parent's accuracy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.benchmarking.accuracy import with_known_parent
from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.benchmarking.loop.own_environment import MODULES
from edgecnn.benchmarking.machine import gpus
from edgecnn.benchmarking.machine.description import GPU_PACKAGES, PACKAGES
from edgecnn.benchmarking.resuming import (
    check_gpus,
    check_machine,
    check_scoring,
    continued,
    scoring_record,
)
from edgecnn.errors import InputError
from edgecnn.manifest import Artifact, Manifest
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.results import Accuracy, Effective, Environment, Results
from edgecnn.runtimes.vulkan import VulkanDevice
from tests.unit.reporting import factory


def environment(**machine) -> Environment:
    return Environment(machine=machine)


def test_what_earlier_sessions_found_out_about_the_machine_stays():
    then = environment(
        reference_ns=5, memory_ns=7, limits={"threads": {"1": {"a": 1}, "2": {"a": 2}}}
    )
    now = environment(load_average=[0.5], limits={"threads": {"2": {"a": 3}, "4": {"a": 4}}})

    machine = continued(then, now).machine

    assert machine["limits"]["threads"] == {"1": {"a": 1}, "2": {"a": 3}, "4": {"a": 4}}
    assert (machine["reference_ns"], machine["memory_ns"]) == (5, 7)
    assert machine["load_average"] == [0.5]
    assert continued(environment(), environment(limits={"error": "no"})).machine["limits"] == {
        "error": "no"
    }


def test_a_machine_that_hides_its_board_or_has_another_kernel_is_the_same():
    results = factory.sample()
    here = results.environment
    machine = {**here.machine, "board": None, "governor": "powersave"}

    check_machine(results, replace(here, machine=machine, system={"kernel": "another"}))


KNOWN = Accuracy("top1", 0.9, 100, right="abc", parent_value=0.95, mcnemar_p=0.5)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Accuracy("top1", 0.9, 100, right="abc"), KNOWN),
        (Accuracy("top1", 0.9, 50, right="abc"), Accuracy("top1", 0.9, 50, right="abc")),
        (Accuracy("top1", 0.8, 100, right="xyz"), Accuracy("top1", 0.8, 100, right="xyz")),
        (None, None),
    ],
)
def test_the_same_answers_lose_as_much_against_the_parent_as_before(now, expected):
    assert with_known_parent(now, KNOWN) == expected
    assert with_known_parent(now, None) == now


def on_gpu(device: str, name: str, **more) -> Results:
    """Made records of one row that ran there."""
    results = factory.sample()
    row = results.measurements[0]
    effective = Effective("provider", "float32", name, **more)
    runs = tuple(replace(run, effective=effective) for run in row.runs)
    return replace(results, measurements=(replace(row, device=device, runs=runs),))


@pytest.mark.parametrize("device", ["cuda", "tensorrt", "gpu"])
def test_rows_of_another_gpu_are_not_gone_on_with(device):
    results = on_gpu(device, "Tesla T4")
    configuration = results.measurements[0].configuration

    with pytest.raises(InputError) as refused:
        check_gpus(results, lambda *_: ("NVIDIA H200",))

    assert refused.value.message == (
        f"the rows of {configuration} in the --out file were measured on another GPU: Tesla T4, "
        "here NVIDIA H200"
    )
    assert "--force" in refused.value.hint


@pytest.mark.parametrize(
    ("results", "names"),
    [
        (on_gpu("cuda", "Tesla T4"), ("Tesla T4",)),
        (on_gpu("gpu", "Tesla T4"), ("Intel(R) Arc", "Tesla T4")),
        (on_gpu("cuda", "Tesla T4"), ()),
        (on_gpu("gpu", "SwiftShader", software=True), ("Tesla T4",)),
        (on_gpu("cuda", ""), ("Tesla T4",)),
        (on_gpu("cpu", "Sample CPU"), ("Tesla T4",)),
    ],
    ids=["the same", "one of several", "unknown here", "emulated", "unknown there", "no GPU"],
)
def test_rows_of_the_same_or_an_unknown_gpu_are_gone_on_with(results, names):
    check_gpus(results, lambda *_: names)


def answering(monkeypatch, device_name: str, *, available: bool = True) -> None:
    """A probe in a worker; no machine that runs these tests has a GPU."""
    said = {"availability": {"available": available, "device_name": device_name}}
    monkeypatch.setattr(gpus, "run_worker", lambda *_, **__: WorkerOutcome("ok", loaded=said))


def test_the_gpu_is_what_the_runtime_finds(monkeypatch):
    answering(monkeypatch, "Tesla T4")
    assert gpus.names_of("onnxruntime", "cuda") == {"Tesla T4"}
    answering(monkeypatch, "Tesla T4", available=False)
    assert not gpus.names_of("onnxruntime", "cuda")
    assert not gpus.names_of("a plug-in that is gone", "gpu")


def test_a_runtime_that_chooses_among_gpus_may_have_taken_any(monkeypatch):
    answering(monkeypatch, "Intel(R) Arc")
    offered = [VulkanDevice("Intel(R) Arc", False), VulkanDevice("Tesla T4", False)]
    monkeypatch.setattr(gpus.vulkan, "devices", lambda: offered)
    assert gpus.names_of("litert", "gpu") == {"Intel(R) Arc", "Tesla T4"}
    assert gpus.names_of("openvino", "gpu") == {"Intel(R) Arc"}


def test_every_package_that_brings_a_runtime_is_noted():
    packages = {name for names in MODULES.values() for name in names}
    assert packages - set(PACKAGES) == {"tflite-runtime", "opencv-contrib-python"}
    assert {"tensorrt", "nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= set(GPU_PACKAGES)


def test_rows_on_a_gpu_are_not_gone_on_with_under_another_cudnn():
    rows = {device: on_gpu(device, "Tesla T4") for device in ("cpu", "cuda")}
    then, now = (
        replace(rows["cpu"].environment, packages={"nvidia-cudnn-cu12": version})
        for version in ("9.1", "9.2")
    )
    check_machine(replace(rows["cpu"], environment=then), now)
    with pytest.raises(InputError, match=r"with nvidia-cudnn-cu12 9\.1, installed is 9\.2"):
        check_machine(replace(rows["cuda"], environment=then), now)


IMAGES = ImagePreprocessing(8, 8, 3)
KNOWN_MANIFEST = Manifest(preprocessing=IMAGES, labels=("cat", "dog"))


def scored(manifest: Manifest, preprocessing: str | None = None) -> Results:
    """Results as they are written: what is noted, and a row of the model."""
    results = factory.sample()
    record = scoring_record([artifact(results, manifest)], preprocessing)
    return replace(results, data=json.loads(json.dumps(record)))


def artifact(results: Results, manifest: Manifest) -> Artifact:
    record = results.measurements[0].artifact
    return Artifact(Path(record.name), manifest, record.sha256, record.size_bytes)


@pytest.mark.parametrize(
    "other",
    [
        replace(KNOWN_MANIFEST, preprocessing=replace(IMAGES, mean=(0.5,))),
        replace(KNOWN_MANIFEST, labels=("dog", "cat")),
        replace(KNOWN_MANIFEST, postprocessing=Postprocessing("yolox")),
        replace(KNOWN_MANIFEST, metrics={"min_score": 0.4}),
        Manifest(),
    ],
    ids=["preprocessing", "labels", "head", "min_score", "no manifest"],
)
def test_rows_that_another_manifest_fed_or_scored_are_not_gone_on_with(other):
    previous = scored(KNOWN_MANIFEST)
    name = previous.measurements[0].artifact.name

    with pytest.raises(InputError, match=f"the manifest of {name} names another") as refused:
        check_scoring(previous, scoring_record([artifact(previous, other)], None))
    assert "--force" in refused.value.hint


def test_what_a_manifest_says_of_other_things_does_not_matter():
    other = replace(KNOWN_MANIFEST, conversion={"parity": {"n": 1}}, metrics={"accuracy": 0.9})
    previous = scored(KNOWN_MANIFEST)

    check_scoring(previous, scoring_record([artifact(previous, other)], None))


def test_results_that_note_no_manifest_are_gone_on_with(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"mean": [0.5]}')
    previous = replace(scored(KNOWN_MANIFEST), data={"preprocessing": str(path)})

    check_scoring(previous, scoring_record([artifact(previous, Manifest())], str(path)))


def test_a_corrected_preprocessing_file_is_another_preprocessing(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"mean": [0.5]}')
    previous = scored(Manifest(), str(path))
    of_model = [artifact(previous, Manifest())]

    path.write_text('{ "mean": [0.50] }')
    check_scoring(previous, scoring_record(of_model, str(path)))
    path.write_text('{"mean": [0.4]}')
    with pytest.raises(InputError, match="a different --preprocessing file"):
        check_scoring(previous, scoring_record(of_model, str(path)))


def test_a_preprocessing_file_that_cannot_be_read_is_left_to_the_rows(tmp_path):
    path = tmp_path / "p.json"
    path.write_text("[")
    assert "preprocessing_values" not in scoring_record([], str(path))

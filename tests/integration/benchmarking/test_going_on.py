"""Continuing a results file in a later session: earlier rows stay as they were."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.analysis.machines import distinct
from edgecnn.benchmarking import ledger
from edgecnn.benchmarking import rounds as rounds_of_sessions
from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.executor.process import WorkerOutcome
from edgecnn.benchmarking.inputs import foreign_signature, retry
from edgecnn.benchmarking.plan import plan
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.data import load
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.manifest import Manifest, write_manifest
from edgecnn.results import Results

BRIEF = Protocol(
    "brief", processes=2, min_secs=0.0, min_runs=8, max_secs=2.0, max_runs=20,
    warmup_min_secs=0.0, warmup_max_secs=0.1,
)  # fmt: skip
SAMPLES = 8


@pytest.fixture
def session(tmp_path: Path):
    """Measure into one results file, going on with what lies there."""
    out = tmp_path / "results.json"

    def measured(models, *configurations, passes=(), **more) -> Results:
        previous = Results.load(out) if out.exists() else None
        more = {"protocol": BRIEF, **more}
        benchmark(models, configurations, passes=passes, out=out, previous=previous, **more)
        return Results.load(out)

    return measured


def changed(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rounds(row) -> list[int]:
    return [run.round for run in row.runs]


@pytest.mark.usefixtures("misbehaving_runtime")
@pytest.mark.parametrize("way", ["nan", "constant"])
def test_a_row_that_is_invalid_by_its_outputs_stays_so(session, model_file: Path, way: str):
    (first,) = session([model_file], f"misbehaving:{way}").measurements
    (again,) = session([model_file], f"misbehaving:{way}").measurements

    assert first.verdict == "INVALID"
    assert (again.verdict, again.reasons, again.runs) == (first.verdict, first.reasons, first.runs)


@pytest.mark.usefixtures("misbehaving_runtime")
def test_rounds_of_rows_that_nobody_asks_for_now_are_not_used_again(session, model_file: Path):
    session([model_file], "misbehaving:cpu")
    old, new = session([model_file], "misbehaving:partial").measurements

    assert (rounds(old), rounds(new)) == ([0, 1], [2, 3])


@pytest.mark.usefixtures("misbehaving_runtime")
def test_where_nothing_is_due_the_environment_is_that_of_the_runs(
    session, model_file: Path, tmp_path: Path
):
    session([model_file], "misbehaving:cpu")
    changed(tmp_path / "results.json", lambda old: old["environment"].update(created_at="before"))
    before = Results.load(tmp_path / "results.json")

    assert session([model_file], "misbehaving:cpu").environment == before.environment

    after = session([model_file], "misbehaving:cpu", "misbehaving:partial")
    assert after.environment.created_at not in ("", "before")
    assert distinct([before, after])[0] == [after], "an earlier copy is no other machine"


@pytest.mark.usefixtures("misbehaving_runtime")
@pytest.mark.parametrize(
    ("where", "what"),
    [
        (("machine", "cpu_model"), "on another machine: processor another, here "),
        (("machine", "architecture"), "on another machine: architecture another, here "),
    ],
)
def test_runs_of_another_machine_are_not_gone_on_with(
    session, model_file: Path, tmp_path: Path, where: tuple[str, str], what: str
):
    session([model_file], "misbehaving:cpu")
    part, name = where
    changed(
        tmp_path / "results.json", lambda old: old["environment"][part].update({name: "another"})
    )

    with pytest.raises(InputError, match=what) as refused:
        session([model_file], "misbehaving:cpu")
    assert "--force" in refused.value.hint


def test_runs_of_another_version_of_their_runtime_are_not_gone_on_with(
    session, model_file: Path, tmp_path: Path
):
    session([model_file], "litert:cpu")

    def upgrade(document) -> None:
        (row,) = document["measurements"]
        packages = [run["environment"]["packages"] for run in row["runs"]]
        for each in (document["environment"]["packages"], *packages):
            each["ai-edge-litert"] = "0.9"

    changed(tmp_path / "results.json", upgrade)

    with pytest.raises(InputError, match=r"measured with ai-edge-litert 0\.9, installed is "):
        session([model_file], "litert:cpu")


@pytest.fixture
def numbers(tmp_path: Path):
    """Samples in one piece, for the model of four numbers."""
    values = np.random.default_rng(0).normal(size=(SAMPLES, 4)).astype(np.float32)
    np.savez(tmp_path / "numbers.npz", input=values)
    return load(f"npz:{tmp_path / 'numbers.npz'}")


@pytest.fixture
def calibrated(model_file: Path, tmp_path: Path, numbers) -> Path:
    """Another file, which half of the samples calibrated."""
    path = shutil.copyfile(model_file, tmp_path / "calibrated.tflite")
    record = {"sha256": numbers.sha256, "data": numbers.name, "set_apart": SAMPLES // 2}
    write_manifest(path, Manifest(conversion={"calibration": record}))
    return path


@pytest.mark.usefixtures("misbehaving_runtime")
def test_rows_of_one_file_are_scored_on_the_same_samples(
    session, model_file: Path, calibrated: Path, numbers
):
    session([model_file], "misbehaving:cpu", data=numbers)

    with pytest.raises(InputError, match="8 samples, 0 held out for calibration; now 4 and 4"):
        session([model_file, calibrated], "misbehaving:cpu", data=numbers)


@pytest.mark.usefixtures("misbehaving_runtime")
def test_samples_that_calibrated_a_file_stay_out_of_the_test(
    session, model_file: Path, calibrated: Path, numbers
):
    session([calibrated], "misbehaving:cpu", data=numbers)
    results = session([model_file], "misbehaving:cpu", data=numbers)

    assert len(results.measurements) == 2
    assert (results.data["samples"]["test"], results.data["set_apart"]) == (4, 4)


@pytest.mark.usefixtures("misbehaving_runtime")
def test_a_corrected_manifest_is_not_ignored(session, calibrated: Path, model_file: Path, numbers):
    session([calibrated], "misbehaving:cpu", data=numbers)
    noted = session([model_file], "misbehaving:cpu", data=numbers).data["manifests"]
    assert [name.split()[0] for name in noted] == [calibrated.name, model_file.name]

    manifest = load_artifact(calibrated).manifest
    write_manifest(calibrated, replace(manifest, labels=("less", "more")))

    with pytest.raises(InputError, match="names another preprocessing, other labels or another"):
        session([calibrated], "misbehaving:cpu", data=numbers)


@pytest.mark.usefixtures("misbehaving_runtime")
def test_rows_of_another_gpu_are_not_gone_on_with(
    session, model_file: Path, tmp_path: Path, monkeypatch
):
    session([model_file], "misbehaving:cpu")

    def on_a_gpu(document) -> None:
        (row,) = document["measurements"]
        row.update(runtime="onnxruntime", device="cuda")
        for run in row["runs"]:
            run["effective"]["device_name"] = "Tesla T4"

    changed(tmp_path / "results.json", on_a_gpu)
    # No machine that runs the tests has a GPU.
    monkeypatch.setattr(ledger.gpus, "names_of", lambda *_: {"NVIDIA H200"})

    with pytest.raises(InputError, match="on another GPU: Tesla T4, here NVIDIA H200"):
        session([model_file], "misbehaving:cpu")


@pytest.fixture
def inputs(tmp_path: Path):
    """Samples under the name that the model's file has for its input."""
    values = np.random.default_rng(0).normal(size=(SAMPLES, 4)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", x=values, input=values)
    return load(f"npz:{tmp_path / 'inputs.npz'}")


@pytest.mark.usefixtures("misbehaving_runtime")
def test_rows_on_other_devices_than_the_processor_are_fed_the_data(
    session, model_file: Path, inputs
):
    (row,) = session([model_file], "misbehaving:partial", data=inputs).measurements
    assert row.fed is not None
    assert row.fed.known


@pytest.mark.usefixtures("misbehaving_runtime")
def test_data_that_nobody_knows_how_to_feed_leave_a_reason(
    session, model_file: Path, numbers, monkeypatch
):
    nothing = WorkerOutcome("unsupported", error="not here")
    monkeypatch.setattr(foreign_signature, "_declared", lambda *_: None)
    monkeypatch.setattr(foreign_signature, "run_worker", lambda *_, **__: nothing)
    (row,) = session([model_file], "misbehaving:partial", data=numbers).measurements

    assert (row.status, row.accuracy) == ("ok", None)
    assert row.fed is not None
    assert not row.fed.known
    assert any("input shapes are unknown" in each for each in row.reasons)


@pytest.mark.usefixtures("misbehaving_runtime")
def test_results_are_saved_before_the_machine_is_remembered(
    session, model_file: Path, tmp_path: Path, monkeypatch
):
    def fail(self) -> None:
        raise InputError("cannot write the baseline")

    monkeypatch.setattr(rounds_of_sessions.SessionProbes, "remember", fail)
    with pytest.raises(InputError, match="cannot write the baseline"):
        session([model_file], "misbehaving:cpu")
    saved = Results.load(tmp_path / "results.json")
    assert [len(row.runs) for row in saved.measurements] == [BRIEF.processes]
    assert "reference_ns" in saved.environment.machine, "what is found out last"


@pytest.mark.slow
def test_a_file_that_comes_later_is_compared_with_its_parent(
    session, trained_lenet, lenet_artifacts, digits
):
    """The row of the Keras model is finished, and its outputs are gone."""
    parent, file = trained_lenet.path, lenet_artifacts["tflite:static_int8"].path
    (alone,) = session([parent], "keras:cpu", data=digits).measurements
    kept, row = session([parent, file], "keras:cpu", "litert:cpu", data=digits).measurements

    assert kept == alone
    assert row.parity.n == row.accuracy.n
    assert row.accuracy.parent_value == alone.accuracy.value

    longer = replace(BRIEF, processes=3)
    (_, more) = session([file], "litert:cpu", data=digits, protocol=longer).measurements
    assert len(more.runs) == 3
    assert more.accuracy == row.accuracy
    assert more.parity == row.parity


@pytest.mark.usefixtures("misbehaving_runtime")
def test_what_is_named_twice_is_measured_once(session, model_file: Path, tmp_path: Path):
    (tmp_path / "copies").mkdir()
    copy = shutil.copyfile(model_file, tmp_path / "copies" / model_file.name)
    artifacts = [load_artifact(path) for path in (model_file, copy, model_file)]

    planned = plan(artifacts, ["misbehaving:cpu", "misbehaving:cpu"])

    assert [each.artifact.path for each in planned] == [model_file]
    session([model_file, copy], "misbehaving:cpu", "misbehaving:cpu")
    assert not session([model_file, copy], "misbehaving:cpu").left_out


def test_a_pass_that_is_asked_for_later_takes_one_more_process(session, lenet_artifacts):
    path = lenet_artifacts["onnx:float32"].path
    (first,) = session([path], "onnxruntime:cpu").measurements
    (row,) = session([path], "onnxruntime:cpu", passes=("response", "ops")).measurements

    assert row.runs[:2] == first.runs
    assert "Conv" in {each["type"] for each in row.runs[2].passes["ops"]["operators"]}
    assert set(row.runs[2].passes) == {"ops"}, "what nobody asks for by name is not made up for"
    assert len(row.runs[2].samples_ns) >= BRIEF.min_runs / BRIEF.processes
    assert rounds(row) == [0, 1, 2]
    assert session([path], "onnxruntime:cpu", passes=("ops",)).measurements == (row,)


@pytest.mark.usefixtures("misbehaving_runtime")
def test_a_further_pass_that_fails_costs_no_row(session, model_file: Path, monkeypatch):
    (first,) = session([model_file], "misbehaving:cpu").measurements
    # No runtime does one process and dies in the next.
    crashed = WorkerOutcome("crashed", error="it died", hint="look at it")
    monkeypatch.setattr(retry, "run_worker", lambda *_, **__: crashed)
    (row,) = session([model_file], "misbehaving:cpu", passes=("ops",)).measurements

    assert (row.status, row.verdict, len(row.runs)) == ("ok", first.verdict, 2)
    assert row.pass_result("ops") == {"error": "it died", "hint": "look at it"}

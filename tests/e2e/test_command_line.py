"""The command line as users meet it: real commands in real processes, exit codes and words."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.command_line import EDGECNN, edgecnn, here


@pytest.fixture
def tflite(lenet_artifacts) -> Path:
    return lenet_artifacts["tflite:float32"].path


QUICK = ("--profile", "quick", "--processes", "1", "--max-secs", "0.5")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trian"], 2, ["unknown command 'trian'", "did you mean 'train'?"]),
        (["train", "--model", "lenet6", "--data", "digits", "--out", "x.keras"], 2,
         ["unknown model 'lenet6'", "did you mean 'lenet5'?"]),
        (["train", "--model", "lenet5", "--data", "digts", "--out", "x.keras"], 2,
         ["unknown data source 'digts'", "did you mean 'digits'?"]),
        (["train", "--model", "lenet5", "--data", "digits", "--out", "x.h5"], 2, [".keras"]),
        (["run", "--to", "tflite:int8", "--out", "x"], 2,
         ["unknown target 'tflite:int8'", "tflite:static_int8"]),
        (["run", "--runtimes", "litert:tpu", "--out", "x"], 2, ["litert:tpu", "litert:cpu"]),
        (["benchmark", "none.tflite", "--out", "r.json"], 2, ["no such file: none.tflite"]),
        (["benchmark", "x.tflite", "--out", "r.csv"], 2, ["takes a .json file"]),
        (["benchmark", "--out", "r.json"], 2, ["Missing argument"]),
        (["report", "none.json", "--out", "r.html"], 2, ["no such file: none.json"]),
        (["convert", "none.keras", "--to", "all", "--out", "x"], 2, ["none.keras"]),
        (["verify", "none.tflite"], 2, ["no such file: none.tflite"]),
        (["env", "create", "tflite"], 2, ["unknown environment", "tflite-runtime"]),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else None,
)  # fmt: skip
def test_a_mistake_gets_a_clear_line_and_exit_code(tmp_path, arguments, code, words):
    done = edgecnn(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


DAMAGES = [
    pytest.param(damage, ending, marks=pytest.mark.slow if long else ())
    for damage in ("truncated", "empty", "renamed")
    for ending in ("tflite", "onnx", "keras")
    for long in (ending == "keras" and damage != "truncated",)  # its worker loads TensorFlow
]


@pytest.mark.parametrize(("damage", "ending"), DAMAGES)
def test_a_damaged_model_file_is_told_in_a_line(
    tmp_path, lenet_artifacts, trained_lenet, ending, damage
):
    whole = {
        "tflite": lenet_artifacts["tflite:float32"].path,
        "onnx": lenet_artifacts["onnx:float32"].path,
        "keras": trained_lenet.path,
    }
    content = whole[ending].read_bytes()
    other = whole["onnx" if ending == "tflite" else "tflite"].read_bytes()
    path = write(
        tmp_path / f"model.{ending}",
        {"truncated": content[: len(content) // 2], "empty": b"", "renamed": other}[damage],
    )
    runtime = {"tflite": "litert:cpu", "onnx": "onnxruntime:cpu", "keras": "keras:cpu"}[ending]
    out = tmp_path / "r.json"
    done = edgecnn("benchmark", path, "--runtimes", runtime, *QUICK, "--out", out)
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert path.name in done.stderr
    else:
        (row,) = json.loads(out.read_text())["measurements"]
        assert row["status"] == "failed"
        assert path.name in row["error"]


def test_a_zip_bomb_as_keras_is_refused(tmp_path, keras_bomb):
    done = here("convert", keras_bomb, "--to", "tflite:float32", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{keras_bomb.name}: a zip bomb" in done.stderr


def test_benchmarking_a_tflite_never_imports_tensorflow(tmp_path, tflite):
    """A stand-in tensorflow on the path would leave a mark in any process that imports it."""
    mark = tmp_path / "imported"
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(mark)!r}, 'w').close()\nraise ImportError\n"
        )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = edgecnn(
        "benchmark", tflite, "--runtimes", "litert:cpu", *QUICK, "--out", tmp_path / "r.json",
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


def test_a_foreign_model_without_a_manifest_gives_a_table(tmp_path, lenet_artifacts):
    foreign = write(tmp_path / "foreign.onnx", foreign_onnx())
    done = edgecnn(
        "benchmark", foreign, "--runtimes", "onnxruntime:cpu", *QUICK, "--out", tmp_path / "r.json"
    )
    assert done.returncode == 0, done.stderr
    assert "foreign" in done.stdout
    (row,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert row["status"] == "ok"
    assert row["latency_ms"]["p50"] > 0


def foreign_onnx() -> bytes:
    """A channels-first convolution as other tools export it."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "weights"], ["features"]),
            helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        "foreign",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def test_an_uninstalled_runtime_names_the_extra_that_brings_it(tmp_path, tflite):
    """The package is hidden from the worker, as in an environment without it."""
    hidden = tmp_path / "hidden"
    (hidden / "ai_edge_litert").mkdir(parents=True)
    (hidden / "ai_edge_litert" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'ai_edge_litert'\", name='ai_edge_litert')\n"
    )
    done = edgecnn(
        "benchmark", tflite, "--runtimes", "litert:cpu", *QUICK, "--out", tmp_path / "r.json",
        env={**os.environ, "PYTHONPATH": str(hidden)},
    )  # fmt: skip
    (row,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert row["status"] == "unsupported"
    assert row["hint"] == "pip install 'edgecnn[litert]'"
    assert "edgecnn[litert]" in done.stdout


def test_verify_passes_and_fails_the_gate(trained_lenet, lenet_artifacts):
    artifact = lenet_artifacts["tflite:static_int8"].path
    typed = ("verify", artifact, "--parent", trained_lenet.path, "--data", "digits", "--max-drop")
    passed = here(*typed, "2")
    assert passed.returncode == 0, passed.stderr
    assert re.match(r"pass +lenet5_static_int8\.tflite +\d", passed.stdout)
    failed = here(*typed, "-50")
    assert failed.returncode == 1
    assert "the gate failed" in failed.stderr


@pytest.fixture(scope="module")
def measured(lenet_artifacts, tmp_path_factory) -> Path:
    """Results of one row, as the command leaves them."""
    out = tmp_path_factory.mktemp("measured") / "r.json"
    file = lenet_artifacts["tflite:float32"].path
    done = edgecnn("benchmark", file, "--runtimes", "litert:cpu", *QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_nothing_is_overwritten_without_force(tmp_path, measured):
    page = tmp_path / "r.html"
    assert edgecnn("report", measured, "--out", page).returncode == 0
    again = here("report", measured, "--out", page)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert here("report", measured, "--out", page, "--force").returncode == 0


def test_results_come_out_of_a_page_as_they_went_in(tmp_path, measured):
    page, again = (tmp_path / name for name in ("r.html", "again.json"))
    here("report", measured, "--out", page)
    done = here("report", page, "--out", again)
    assert done.returncode == 0, done.stderr
    assert json.loads(again.read_text()) == json.loads(measured.read_text())


def test_another_protocol_does_not_mix_with_what_is_there(tmp_path, measured, tflite):
    out = tmp_path / "r.json"
    shutil.copy(measured, out)
    other = edgecnn("benchmark", tflite, "--runtimes", "litert:cpu", "--out", out)
    assert other.returncode == 2
    assert "another protocol" in other.stderr
    assert out.read_bytes() == measured.read_bytes()


@pytest.mark.usefixtures("misbehaving_runtime")
def test_ctrl_c_keeps_finished_rows_and_the_next_run_completes_them(tmp_path, tflite):
    """Two rows: one that measures, one that hangs; Ctrl-C comes while it hangs."""
    out = tmp_path / "r.json"
    command = [
        *EDGECNN, "benchmark", tflite, "--runtimes", "litert:cpu,misbehaving:hang", *QUICK,
        "--out", out,
    ]  # fmt: skip
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: hangs_with_finished_row(process.pid))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    (row,) = json.loads(out.read_text())["measurements"]
    assert (row["runtime"], row["status"]) == ("litert", "ok")
    kept = row["runs"]

    done = edgecnn("benchmark", tflite, "--runtimes", "litert:cpu", *QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(out.read_text())["measurements"]
    assert row["runs"] == kept


def hangs_with_finished_row(pid: int) -> bool:
    """Whether the worker of `pid` is one that sleeps in `misbehaving`, after another has gone."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        libraries = [Path(f"/proc/{child}/maps").read_text() for child in children]
        seen.update(children)
    except OSError:
        return False
    quiet = [text for text in libraries if "litert" not in text and "numpy" in text]
    return len(seen) == 2 and bool(quiet)


seen: set[str] = set()


def wait_until(condition, timeout: float = 300.0) -> None:
    seen.clear()
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)
    time.sleep(1.0)


def test_a_full_disk_leaves_what_was_there(tmp_path, tflite):
    """A file system of 64 kB fills while results are written."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small file system here")
    try:
        out = small / "r.json"
        out.write_text("")
        done = edgecnn(
            "benchmark", tflite, "--runtimes", "litert:cpu", "--profile", "quick", "--force",
            "--out", out,
        )  # fmt: skip
        assert done.returncode == 2
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert [path.name for path in small.iterdir()] == ["r.json"]
    finally:
        subprocess.run(["umount", small], check=True)


def test_progress_is_a_bar_on_a_terminal(tmp_path, tflite):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*EDGECNN, "benchmark", str(tflite), "--runtimes", "litert:cpu", *QUICK,
         "--out", str(tmp_path / "r.json")],
        stdout=subprocess.DEVNULL, stderr=follower, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 4096):
            shown += piece
    except OSError:  # the other end is closed
        pass
    assert process.wait(300) == 0
    assert "━".encode() in shown
    assert b"benchmark" in shown


def test_completion_offers_verbs_and_names():
    environment = {**os.environ, "_EDGECNN_COMPLETE": "bash_complete"}

    def offered(words: str, index: int) -> str:
        return edgecnn(env={**environment, "COMP_WORDS": words, "COMP_CWORD": str(index)}).stdout

    assert "benchmark" in offered("edgecnn ", 1)
    assert "lenet5" in offered("edgecnn train --model ", 3)
    assert "onnxruntime:cuda" in offered("edgecnn benchmark x --runtimes onnx", 4)
    assert "tflite:static_int8" in offered("edgecnn convert x.keras --to tflite:s", 4)


def test_doctor_tells_every_runtime_and_for_the_rest_why_not():
    done = edgecnn("doctor", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["runtimes"]["litert:cpu"]["available"]
    missing = [state for state in report["runtimes"].values() if not state["available"]]
    assert all(state["reason"] and state["hint"] for state in missing)


@pytest.mark.usefixtures("misbehaving_runtime")
@pytest.mark.parametrize(
    ("devices", "code"),
    [("absent", 3), ("fallback", 1), ("cpu,misbehaving:crash", 0)],
)
def test_nothing_measured_is_no_success(tmp_path, model_file, devices, code):
    out = tmp_path / "r.json"
    done = edgecnn(
        "benchmark", model_file, "--runtimes", f"misbehaving:{devices}", *QUICK, "--out", out
    )
    assert done.returncode == code, done.stderr
    assert ("nothing was measured (" in done.stderr) is (code != 0)
    assert "Traceback" not in done.stderr


def is_locked(path: Path) -> bool:
    """Whether the file has its holder's number: it is made first, and locked then."""
    return path.exists() and path.read_text().isdigit()


def test_two_benchmarks_never_share_an_output(tmp_path, tflite):
    """Both used to say done, and the rows of one were gone."""
    out = tmp_path / "r.json"
    command = ("benchmark", tflite, "--runtimes", "litert:cpu", "--out", out)
    first = subprocess.Popen(
        [*EDGECNN, *map(str, command), *QUICK],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while not is_locked(tmp_path / ".r.json.lock"):
            assert first.poll() is None, first.communicate()
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)  # however long the second takes to start
        second = edgecnn(*command, *QUICK)
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 2
        assert f"r.json is being written by another edgecnn (process {first.pid})" in second.stderr
    finally:
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert len(json.loads(out.read_text())["measurements"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_what_is_read_is_never_overwritten(tmp_path):
    from tests.unit.test_results import FULL

    results = tmp_path / "r.json"
    FULL.save(results)
    before = results.read_bytes()
    for command in (
        ("report", results, "--out", results, "--force"),
        ("compare", results, results, "--out", results),
    ):
        done = here(*command)
        assert done.returncode == 2
        assert "is read here and would be overwritten" in done.stderr
    assert results.read_bytes() == before


def test_a_comparison_is_overwritten_only_when_asked(tmp_path):
    from tests.unit.test_results import FULL

    results, out = tmp_path / "r.json", tmp_path / "c.md"
    FULL.save(results)
    out.write_text("mine", encoding="utf-8")
    refused = here("compare", results, results, "--out", out)
    assert refused.returncode == 2
    assert "pass --force to overwrite it" in refused.stderr
    assert out.read_text(encoding="utf-8") == "mine"
    here("compare", results, results, "--out", out, "--force")
    assert out.read_text(encoding="utf-8") != "mine"

"""Boards over real SSH: what goes wrong is one line, what was measured is never lost."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.boards import preparing
from edgecnn.boards.inventory import Board
from edgecnn.boards.job import BoardJob
from edgecnn.boards.remote import measure
from edgecnn.cli import invoke
from edgecnn.formats.check import digest_of
from edgecnn.results import Results
from edgecnn.store import open_database
from tests.integration.boards.machines import make_key
from tests.unit.formats.small_models import node, value, write_onnx

BRIEF = ["--quick", "--processes", "1", "--max-secs", "0.3", "--runtimes", "litert:cpu"]


def benchmark(model: Path, out: Path, on: str, *more: str) -> list[str]:
    return ["benchmark", str(model), "--on", on, "--out", str(out), *BRIEF, *more]


@pytest.fixture
def digits_like(tmp_path: Path) -> str:
    """Four classes whose samples a model that gives back its input answers right."""
    labels = np.arange(40) % 4
    samples = np.eye(4, dtype=np.float32)[labels]
    np.savez(tmp_path / "set.npz", x_train=samples, y_train=labels, x_test=samples, y_test=labels)
    return f"arrays:{tmp_path / 'set.npz'}"


def test_a_board_measures_speed_and_accuracy_and_its_results_come_home(
    fleet, add, digits_like, tmp_path, capsys
):
    add("one", fleet.start("one"))
    out = tmp_path / "out.json"
    flatten = [node("Flatten", ["x"], ["y"])]
    model = write_onnx(tmp_path / "model.onnx", flatten, inputs=[value("x", (1, 4, 1))])
    typed = benchmark(model, out, "one", "--data", digits_like)
    typed[typed.index("litert:cpu")] = "onnxruntime:cpu"
    assert invoke(typed) == 0
    results = Results.load(out)
    (row,) = results.measurements
    assert row.status == "ok"
    assert (row.accuracy.value, row.accuracy.n) == (1.0, 40)
    assert results.environment.machine["name"] == "one"
    assert results.data["name"] == "set"
    assert results.repeat.paths == {row.artifact.sha256: str(model)}
    assert digits_like in results.repeat.options
    said = capsys.readouterr()
    assert "one: running" in said.err
    assert re.search(r"one: \d/1 benchmark", said.err)
    machine = fleet.machines["one"]
    assert machine.jobs == []
    assert [path.name for path in machine.edgecnn.glob("models/*/*")] == [model.name]
    assert len(list(machine.edgecnn.glob("files/*/*.zip"))) == 1
    with open_database() as database:
        (session,) = database.sessions()
        assert session.machine == "one"


def test_what_goes_wrong_on_a_board_is_a_line_and_the_others_measure(
    fleet, add, model_file, tmp_path, capsys
):
    add("good", fleet.start("good"))
    add("stranger", fleet.start("stranger", known=False))
    add("gone", "ssh://127.0.0.1:1")
    address = fleet.start("closed")
    add("garbage", fleet.start("garbage", more="ForceCommand head -c 300000 /dev/urandom"))
    add("closed", address, "--key", str(fleet.folder / "other_key"))
    make_key(fleet.folder / "other_key")
    add("bare", address, "--python", "/nonexistent/python3")
    foreign = fleet.folder / "foreign"
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00" + bytes(200))
    foreign.chmod(0o755)
    add("foreign", address, "--python", str(foreign))
    late = fleet.python("late", "import time; now = time.time; time.time = lambda: now() - 9e4")
    add("late", address, "--python", str(late))
    old = fleet.python("old", "import sys; sys.version_info = (3, 9, 2, 'final', 0)")
    add("old", address, "--python", str(old))
    capsys.readouterr()
    names = "good,stranger,gone,garbage,closed,bare,foreign,late,old"
    assert invoke(benchmark(model_file, tmp_path / "out.json", names)) == 1
    said = capsys.readouterr().err
    for line in (
        "error: stranger: its host key is unknown or has changed",
        "error: gone: cannot be reached",
        "error: garbage: gave an unreadable answer",
        "error: closed: the key was refused",
        "error: bare: there is no /nonexistent/python3",
        "cannot run there: it is not a program, or made for another architecture",
        "error: late: its clock is 25 hours behind",
        "error: old: has Python 3.9, 3.11 or newer is needed",
        "8 of 9 boards did not measure: stranger, gone, garbage, closed, bare, foreign, late, old",
    ):
        assert said.count(line) == 1, said
    assert "Traceback" not in said
    assert len(Results.load(tmp_path / "out.good.json").measurements) == 1
    assert not (tmp_path / "out.bare.json").exists()
    with open_database() as database:
        states = {job.board: job.state for job in database.jobs()}
    assert states == dict.fromkeys(names.split(","), "queued") | {"good": "done"}


@pytest.mark.slow
def test_the_same_command_again_measures_what_is_missing(
    fleet, add, model_file, tmp_path, capsys, monkeypatch
):
    add("one", fleet.start("one"))
    add("two", "ssh://127.0.0.1:1")
    typed = benchmark(model_file, tmp_path / "out.json", "one,two")
    monkeypatch.setattr("sys.argv", ["edgecnn", *typed])
    assert invoke(typed) == 1
    before = (tmp_path / "out.one.json").read_bytes()
    add("two", fleet.start("two"), "--force")
    capsys.readouterr()
    assert invoke(typed) == 0
    said = capsys.readouterr()
    assert "one: measured already" in said.err
    assert (tmp_path / "out.one.json").read_bytes() == before
    page = (tmp_path / "out.html").read_text()
    assert "one" in page
    assert "two" in page
    other = [*typed[:-1], "onnxruntime:cpu"]
    monkeypatch.setattr("sys.argv", ["edgecnn", *other])
    assert invoke(other) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_board_without_space_is_refused_before_anything_is_sent(
    fleet, add, model_file, tmp_path, capsys, monkeypatch
):
    add("full", fleet.start("full"))
    monkeypatch.setattr(preparing, "FEWEST_DISK_BYTES", 1 << 60)
    assert invoke(benchmark(model_file, tmp_path / "out.json", "full")) == 3
    assert "MB are free in" in capsys.readouterr().err
    assert not list(fleet.machines["full"].edgecnn.iterdir())


def test_a_board_that_is_throttled_is_taken_out_and_measures_once_it_is_fit(
    fleet, add, model_file, tmp_path, capsys
):
    """The board's own examination says it: it reads the flags of a system that is laid out here."""
    root = fleet.folder / "system"
    cooling = root / "sys/class/thermal/cooling_device0"
    cooling.mkdir(parents=True)
    for name, text in (("type", "Processor"), ("cur_state", "3"), ("max_state", "10")):
        (cooling / name).write_text(text)
    add("hot", fleet.start("hot", environment=f"EDGECNN_SYSTEM_ROOT={root}"))
    out = tmp_path / "out.json"
    assert invoke(benchmark(model_file, out, "hot")) == 3
    assert "hot: not fit to measure: it is throttled by" in capsys.readouterr().err
    assert not out.exists()
    with open_database() as database:
        (job,) = database.jobs()
        assert (job.state, job.session) == ("queued", None)
        assert "throttled" in job.error
    (cooling / "cur_state").write_text("0")
    assert invoke(["boards", "resume"]) == 0
    assert Results.load(out).measurements[0].status == "ok"


@pytest.mark.slow
def test_an_error_on_the_board_is_said_as_it_was_there(fleet, add, tmp_path, capsys, model_file):
    add("one", fleet.start("one"))
    out = tmp_path / "out.json"
    assert invoke(benchmark(model_file, out, "one", "--batch", "0")) == 3
    assert "one: --batch takes whole numbers from 1" in capsys.readouterr().err
    assert not out.exists()
    with open_database() as database:
        assert [job.state for job in database.jobs()] == ["failed"]
    assert invoke(["boards", "resume"]) == 0
    assert "0 jobs resumed" in capsys.readouterr().out


@pytest.mark.slow
def test_rows_of_a_model_that_does_not_run_there_come_home_and_are_measured_again(
    fleet, add, tmp_path, capsys, monkeypatch
):
    """Why nothing was measured stands in the rows: without them it would be lost."""
    add("one", fleet.start("one"))
    odd = [node("NoSuchOperator", ["x"], ["y"])]
    model = write_onnx(tmp_path / "odd.onnx", odd, inputs=[value("x", (1, 4))])
    out = tmp_path / "out.json"
    typed = benchmark(model, out, "one")
    typed[typed.index("litert:cpu")] = "onnxruntime:cpu"
    monkeypatch.setattr("sys.argv", ["edgecnn", *typed])
    for sessions in (1, 2):
        assert invoke(typed) == 3
        said = capsys.readouterr().err
        assert "error: one: nothing was measured (1 unsupported)" in said
        assert f"its rows are in {out}" in said
        (row,) = Results.load(out).measurements
        assert "NoSuchOperator" in row.error
        with open_database() as database:
            (job,) = database.jobs()
            assert job.state == "failed"
            assert database.load(job.session).measurements == (row,)
            assert len(database.sessions()) == sessions
    assert fleet.machines["one"].jobs == []


@pytest.mark.slow
def test_results_that_nobody_has_written_stay_on_the_board(fleet, model_file, tmp_path):
    """Without a queue the file is their only place, and something else lies there by then."""
    board = Board(fleet.start("one"), python=sys.executable, name="one")
    job = BoardJob({digest_of(model_file)[0]: model_file}, tuple(BRIEF))
    taken, out = tmp_path / "taken.json", tmp_path / "out.json"
    taken.write_text("mine")
    said: list[str] = []
    first = asyncio.run(measure(board, job, taken, said.append))
    assert said[-1] == f"one: {taken} holds something else and was left alone"
    assert taken.read_text() == "mine"
    machine = fleet.machines["one"]
    assert len(machine.jobs) == 1
    again = asyncio.run(measure(board, job, out, said.append))
    assert again.measurements == first.measurements == Results.load(out).measurements
    assert machine.jobs == []


@pytest.mark.slow
def test_the_same_command_measures_again_where_the_data_have_changed(
    fleet, add, digits_like, tmp_path, capsys, monkeypatch
):
    add("one", fleet.start("one"))
    flatten = [node("Flatten", ["x"], ["y"])]
    model = write_onnx(tmp_path / "model.onnx", flatten, inputs=[value("x", (1, 4, 1))])
    typed = benchmark(model, tmp_path / "out.json", "one", "--data", digits_like)
    typed[typed.index("litert:cpu")] = "onnxruntime:cpu"
    monkeypatch.setattr("sys.argv", ["edgecnn", *typed])
    assert invoke(typed) == 0
    assert invoke(typed) == 0
    assert "one: measured already" in capsys.readouterr().err
    labels = np.arange(36) % 4
    samples = np.eye(4, dtype=np.float32)[labels]
    arrays = dict.fromkeys(("x_train", "x_test"), samples) | dict.fromkeys(
        ("y_train", "y_test"), labels
    )
    np.savez(tmp_path / "set.npz", **arrays)
    assert invoke(typed) == 2
    said = capsys.readouterr().err
    assert "measured already" not in said
    assert "exists already" in said
    assert invoke([*typed, "--force"]) == 0
    assert Results.load(tmp_path / "out.json").measurements[0].accuracy.n == 36


def test_a_job_that_waited_measures_the_files_that_it_was_made_for_or_none(
    fleet, add, model_file, tmp_path, capsys
):
    """The board was off; by the time it is on again the file was trained again."""
    names = tmp_path / "names.txt"
    names.write_text("ant\nbee\n")
    add("one", fleet.start("one"))
    machine = fleet.machines["one"]
    machine.switch_off()
    out = tmp_path / "out.json"
    assert invoke(benchmark(model_file, out, "one", "--labels", str(names))) == 3
    machine.switch_on()
    before = model_file.read_bytes()
    for path, changed in ((model_file, before + b"\0"), (names, b"ant\nbug\n")):
        kept = path.read_bytes()
        path.write_bytes(changed)
        capsys.readouterr()
        assert invoke(["boards", "resume"]) == 1
        assert f"error: {path} has changed since this job was made" in capsys.readouterr().err
        path.write_bytes(kept)
    assert not list(machine.edgecnn.glob("models/*/*"))
    assert not out.exists()
    with open_database() as database:
        (job,) = database.jobs()
        assert job.state == "queued"
        assert "has changed since this job was made" in job.error


@pytest.mark.slow
def test_a_model_of_several_files_and_what_is_said_of_it_travel_together(
    fleet, add, tmp_path, capsys
):
    import onnx

    weights = onnx.numpy_helper.from_array(np.ones((1, 4), np.float32), "w")
    add_weights = node("Add", ["x", "w"], ["y"])
    model = write_onnx(tmp_path / "model.onnx", [add_weights], initializers=[weights])
    onnx.save_model(
        onnx.load(model), model, save_as_external_data=True, location="w.bin", size_threshold=0
    )
    names = tmp_path / "names.txt"
    names.write_text("ant\nbee\ncat\ndog\n")
    add("one", fleet.start("one"))
    out = tmp_path / "out.json"
    typed = benchmark(model, out, "one", "--labels", str(names))
    typed[typed.index("litert:cpu")] = "onnxruntime:cpu"
    assert invoke(typed) == 0, capsys.readouterr().err
    assert Results.load(out).measurements[0].status == "ok"
    (folder,) = fleet.machines["one"].edgecnn.glob("models/*")
    assert len(list(folder.iterdir())) == 2


@pytest.mark.slow
def test_check_names_runtimes_and_health_of_every_board(fleet, add, capsys):
    add("one", fleet.start("one"))
    add("gone", "ssh://127.0.0.1:1")
    capsys.readouterr()
    assert invoke(["boards", "check"]) == 1
    said = capsys.readouterr()
    assert "one: can measure" in said.out
    assert "litert:cpu" in said.out
    assert "gone: cannot be reached" in said.out
    assert "1 of 2 boards cannot measure now: gone" in said.err


@pytest.mark.slow
def test_nothing_secret_is_stored_or_printed(fleet, add, model_file, tmp_path, capsys):
    """The key, the environment and what ssh knows stay where they are."""
    add("one", fleet.start("one"), "--key", str(fleet.home / ".ssh" / "id_ed25519"))
    assert invoke(benchmark(model_file, tmp_path / "out.json", "one")) == 0
    assert invoke(["boards", "jobs"]) == 0
    secret = (fleet.home / ".ssh" / "id_ed25519").read_text().splitlines()[1]
    said = capsys.readouterr()
    with open_database() as database:
        stored = json.dumps([job.document for job in database.jobs()])
    files = [path for path in fleet.machines["one"].home.rglob("*") if path.is_file()]
    assert files
    kept = [path.read_bytes() for path in files if path.stat().st_size < 1 << 20]
    assert not any(secret.encode() in content for content in kept)
    assert secret not in said.out + said.err + stored

"""Boards over real SSH: what goes wrong is one line, what was measured is never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import edgecnn
from edgecnn.boards import remote
from edgecnn.cli import invoke
from edgecnn.results import Results
from edgecnn.store import open_database

BRIEF = ["--quick", "--processes", "3", "--max-secs", "1", "--runtimes", "litert:cpu"]


def benchmark(model: Path, out: Path, on: str, *more: str) -> list[str]:
    return ["benchmark", str(model), "--on", on, "--out", str(out), *BRIEF, *more]


def test_a_board_measures_and_its_results_come_home(fleet, add, model_file, tmp_path, capsys):
    add("one", fleet.start("one"))
    out = tmp_path / "out.json"
    assert invoke(benchmark(model_file, out, "one")) == 0
    (row,) = Results.load(out).measurements
    assert row.status == "ok"
    assert len(row.runs) >= 3
    said = capsys.readouterr()
    assert "one: running" in said.err or "one: done" in said.err
    homes = fleet.folder / "one" / "home" / ".local/share/edgecnn/board"
    assert not list((homes / "jobs").iterdir())
    assert [path.name for path in homes.glob("models/*/*")] == [model_file.name]


def test_what_goes_wrong_on_a_board_is_a_line_and_the_others_measure(
    fleet, add, model_file, tmp_path, capsys
):
    add("good", fleet.start("good"))
    add("stranger", fleet.start("stranger", known=False))
    add("gone", "ssh://127.0.0.1:1")
    add("garbage", fleet.start("garbage", more="ForceCommand head -c 300000 /dev/urandom"))
    address = fleet.start("closed")
    add("closed", address, "--key", str(fleet.folder / "other_key"))
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", fleet.folder / "other_key"],
        check=True,
    )
    invoke(["boards", "add", "bare", fleet.start("bare"), "--python", "/nonexistent/python3"])
    capsys.readouterr()
    names = "good,stranger,gone,garbage,closed,bare"
    assert invoke(benchmark(model_file, tmp_path / "out.json", names)) == 1
    said = capsys.readouterr().err
    for line in (
        "error: stranger: its host key is unknown or has changed",
        "error: gone: cannot be reached",
        "error: garbage: gave an answer that is none",
        "error: closed: it refused the key",
        "error: bare: there is no /nonexistent/python3",
        "5 of 6 boards did not measure: stranger, gone, garbage, closed, bare",
    ):
        assert said.count(line) == 1, said
    assert len(Results.load(tmp_path / "out.good.json").measurements) == 1
    assert not (tmp_path / "out.bare.json").exists()


def test_a_board_without_space_is_refused_before_anything_is_sent(
    fleet, add, model_file, tmp_path, capsys, monkeypatch
):
    add("full", fleet.start("full"))
    monkeypatch.setattr(remote, "FEWEST_BYTES", 1 << 60)
    assert invoke(benchmark(model_file, tmp_path / "out.json", "full")) == 3
    assert "MB are free in" in capsys.readouterr().err
    home = fleet.folder / "full" / "home" / ".local/share/edgecnn/board"
    assert not list(home.iterdir())


def test_a_board_that_is_throttled_does_not_measure_and_says_so(
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


def client(arguments: list[str]) -> subprocess.Popen[bytes]:
    """The command in a process of its own, which can be killed."""
    package = str(Path(edgecnn.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", "from edgecnn.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": package},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_the_job_of_a_killed_client_is_taken_up_and_nothing_is_measured_twice(
    fleet, add, model_file, tmp_path
):
    add("one", fleet.start("one"))
    typed = benchmark(model_file, tmp_path / "out.json", "one")
    first = client(typed)
    jobs = fleet.folder / "one" / "home" / ".local/share/edgecnn/board/jobs"
    while not list(jobs.glob("*/state.json")) and first.poll() is None:
        time.sleep(0.05)
    assert first.poll() is None, first.stderr.read()
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stderr.close()
    (job,) = jobs.iterdir()
    while '"done"' not in (job / "state.json").read_text():
        time.sleep(0.05)
    measured = Results.load(job / "results.json")
    assert invoke(["boards", "resume"]) == 0
    assert Results.load(tmp_path / "out.json") == measured
    with open_database() as database:
        (queued,) = database.jobs()
        assert queued.state == "done"
        assert database.load(queued.session).measurements == measured.measurements


@pytest.mark.slow
def test_a_job_that_stopped_in_the_middle_is_taken_up(fleet, add, model_file, tmp_path):
    """As after a board was switched off: its state says running, and nobody holds the lock."""
    add("one", fleet.start("one"))
    typed = benchmark(model_file, tmp_path / "out.json", "one")
    started = client(typed)
    jobs = fleet.folder / "one" / "home" / ".local/share/edgecnn/board/jobs"
    while not list(jobs.glob("*/state.json")) and started.poll() is None:
        time.sleep(0.05)
    (job,) = jobs.iterdir()
    started.kill()
    started.wait()
    started.stderr.close()
    runners = subprocess.run(
        ["pgrep", "-f", f"edgecnn.boards.runner {job}"], capture_output=True, text=True, check=False
    )
    for number in runners.stdout.split():
        os.killpg(int(number), signal.SIGKILL)
    assert invoke(typed) == 0
    assert len(Results.load(tmp_path / "out.json").measurements) == 1


def test_an_error_on_the_board_is_said_as_it_was_there(fleet, add, tmp_path, capsys, model_file):
    add("one", fleet.start("one"))
    out = tmp_path / "out.json"
    assert invoke(benchmark(model_file, out, "one", "--batch", "0")) == 3
    assert "one: error: --batch takes whole numbers from 1" in capsys.readouterr().err
    assert not out.exists()


def test_data_of_this_machine_do_not_travel(fleet, add, model_file, tmp_path, capsys):
    add("one", "ssh://127.0.0.1:1")
    typed = benchmark(model_file, tmp_path / "out.json", "one", "--data", "folder:pictures")
    assert invoke(typed) == 2
    assert "do not travel" in capsys.readouterr().err


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

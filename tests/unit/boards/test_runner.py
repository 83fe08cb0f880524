"""What runs on a board: after whatever happened to it, its files say where it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import edgecnn
from edgecnn.boards import runner


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "jobs" / "ab"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"words": ["--version"]}))
    return folder


def runner_says(*words: str) -> dict:
    package = str(Path(edgecnn.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn.boards.runner", *words],
        env={**os.environ, "PYTHONPATH": package}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1].removeprefix(runner.ANSWER))


def test_a_job_runs_by_itself_and_is_done_once(job):
    (job.parent.parent / "examined").touch()
    assert runner_says("--start", str(job)) == {"started": True}
    assert runner.status(job)["state"] in ("queued", "running", "done")
    assert runner_says("--start", str(job))["started"] is False
    while (found := runner.status(job))["state"] in ("queued", "running"):
        time.sleep(0.05)
    assert (found["state"], found["exit"]) == ("done", 0)
    assert found["log"].startswith("edgecnn")
    assert runner_says("--start", str(job))["started"] is False


@pytest.mark.parametrize("left", ["", "{", "[1]"])
def test_a_job_of_which_a_power_cut_left_nothing_is_absent(job, left):
    (job / "job.json").write_text(left)
    assert runner.status(job) == {"state": "absent"}


@pytest.mark.parametrize("state", ["queued", "running", "stopped", ""])
def test_a_job_that_nobody_works_on_is_stopped(job, state):
    (job / "state.json").write_text(json.dumps({"state": state}) if state else "")
    assert runner.status(job)["state"] == "stopped"


def test_a_job_whose_lock_is_held_is_under_way(job):
    (job / "state.json").write_text('{"state": "running"}')
    lock = runner._locked(job / "job.lock", wait=0.0)
    assert runner.status(job)["state"] == "running"
    os.close(lock)
    assert runner.status(job)["state"] == "stopped"


def test_results_that_were_cut_off_do_not_stop_the_job(job):
    whole = job / "results.json"
    whole.write_text("{}")
    runner._drop_damaged(whole)
    assert whole.exists()
    whole.write_text('{"measurements": [')
    runner._drop_damaged(whole)
    assert not whole.exists()


def test_of_a_fetched_job_a_mark_is_left_and_what_is_old_goes(job):
    home = job.parent.parent
    for name in ("code-old", "code-new", "files/aa", "jobs/old", "jobs/waits"):
        (home / name).mkdir(parents=True)
    (home / "jobs/old/fetched").touch()
    long_ago = time.time() - runner.KEPT_SECS - 60
    for name in ("code-old", "files/aa", "jobs/old/fetched", "jobs/waits"):
        os.utime(home / name, (long_ago, long_ago))
    (job / "results.json").write_text("{}")
    runner.clear(job)
    assert [path.name for path in job.iterdir()] == ["fetched"]
    assert runner.status(job) == {"state": "fetched"}
    assert {path.name for path in home.iterdir()} == {"code-new", "files", "jobs"}
    assert {path.name for path in (home / "jobs").iterdir()} == {"ab", "waits"}


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("benchmark: 3/12 a b.tflite on litert:cpu (0:01:00 left)\n",
         ["benchmark", 3, 12, "a b.tflite on litert:cpu (0:01:00 left)"]),
        ("prepare: 1000/2000\nsomething else\n", ["prepare", 1000, 2000, ""]),
        ("nothing: to/see\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_progress_is_the_last_line_of_it(log, found):
    assert runner._progress(log) == found

"""`edgecnn search` with real trainings, real Dask workers, a real runtime and a real database."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from edgecnn.cli import invoke
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.search import settings
from edgecnn.search.page import render
from edgecnn.search.search import search
from edgecnn.search.settings import DataName, SearchSettings
from edgecnn.search.space import space_for
from edgecnn.search.trial import without_test
from edgecnn.search.trials import SearchGoal
from tests.documents import PROJECT
from tests.integration.search.brief import BRIEF, measure_briefly

EDGECNN = [
    sys.executable, "-c",
    "from tests.integration.search.brief import measure_briefly; measure_briefly();"
    "from edgecnn.cli import main; main()",
]  # fmt: skip
SMALL = (
    "search", "--model", "simple", "--data", "digits", "--set", "width=0.25,0.5",
    "--set", "dropout=0.0", "--set", "kernel=3", "--epochs", "1", "--final-epochs", "1",
    "--max-drop", "100",
)  # fmt: skip
NO_WINNER, NOTHING_FITS = ("--max-size", "1kB"), 1
"""No file is as small, so that no winner is trained; and the exit code of that."""


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements take a moment: what becomes of trials does not depend on them."""
    monkeypatch.setattr(settings, "SearchSettings", SearchSettings)  # as it was, after the test
    measure_briefly()
    monkeypatch.setenv("PYTHONPATH", str(PROJECT), prepend=os.pathsep)


@pytest.fixture(autouse=True)
def own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_DB", str(tmp_path / "results.db"))
    return tmp_path / "results.db"


def started(*arguments: str, **more) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*EDGECNN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def trial_processes(of: int) -> list[psutil.Process]:
    """The processes of trials among the descendants of a process."""
    found = []
    for each in psutil.Process(of).children(recursive=True):
        try:
            if "edgecnn.search.trial" in each.cmdline():
                found.append(each)
        except psutil.Error:
            continue
    return found


def wait_for(condition, secs: float = 600.0):
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("what was waited for did not come")


def states(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM trials ORDER BY number")]


def epochs_noted(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        with sqlite3.connect(database) as connection:
            query = "SELECT count(*) FROM trial_user_attributes WHERE key = 'accuracies'"
            return bool(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return False


@pytest.mark.slow
def test_a_search_trains_converts_measures_and_tests_the_winner_once(digits, tmp_path: Path):
    out = tmp_path / "out"
    wanted = SearchSettings(
        "simple", DataName("digits"), SearchGoal(max_drop=100), trials=1, epochs=1, final_epochs=1,
        protocol=BRIEF, final_protocol=BRIEF,
    )  # fmt: skip
    space = space_for("simple", digits, changes=("width=0.25,0.5", "dropout=0.0"))
    said: list[str] = []
    outcome = search(wanted, space, digits, out, say=said.append)
    (trial,) = outcome.trials
    assert trial.measured is not None
    assert trial.measured.latency_ms > 0
    assert trial.measured.memory_bytes > 1e6
    assert len(trial.accuracies) == 1
    assert trial.macs > 0
    assert outcome.winner is not None
    assert outcome.winner.split == "test"
    assert outcome.winner.test.n == len(digits["test"])
    assert said == [f"trial 0: {trial.accuracy:.2%} on validation, {trial.p50:.3g} ms, 17.9 kB"]
    assert "<svg" in render(outcome)
    assert json.loads((out / "answer.json").read_text())["winner"]["trial"] == 0
    assert load_artifact(outcome.winner.artifact).manifest.recipe == "static_int8"
    trained = load_artifact(outcome.winner.model).manifest
    assert trained.training["network_options"]["width"] == 0.5  # the nearest to the network's own


@pytest.mark.slow
def test_the_same_command_resumes_and_another_is_refused(tmp_path: Path, capsys):
    """Finalists are trained as long as the winner; what is trained already is not trained again."""
    out = tmp_path / "out"
    assert invoke([*SMALL, "--final-epochs", "2", "--trials", "1", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "trained once more and tested once: top1" in said.out
    assert "<svg" in (out / "report.html").read_text()
    (first,) = out.glob("trained/0000-2/*.keras")
    before = first.stat().st_mtime_ns
    assert invoke([*SMALL, "--final-epochs", "2", "--trials", "2", "--out", str(out)]) == 0
    assert "trial 0:" not in capsys.readouterr().err  # it is there already
    assert first.stat().st_mtime_ns == before
    trained = json.loads((out / "answer.json").read_text())["trained"]
    assert [each["number"] for each in trained] == [0, 1]
    assert "Trained for 2 epochs" in (out / "report.html").read_text()
    assert invoke([*SMALL, "--trials", "1", "--seed", "1", "--out", str(out)]) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_trial_lose_one_trial_each_and_no_result(
    tmp_path: Path, own_database: Path
):
    out = tmp_path / "out"
    process = started(*SMALL, *NO_WINNER, "--trials", "2", "--workers", "2", "--out", str(out))
    (first, *_) = wait_for(lambda: trial_processes(process.pid))
    wait_for(lambda: epochs_noted(own_database))
    worker = first.parent()
    assert worker is not None
    before = trial_processes(process.pid)
    worker.send_signal(signal.SIGKILL)
    (second, *_) = wait_for(lambda: set(trial_processes(process.pid)) - {*before})
    second.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=1_200)
    assert process.returncode == NOTHING_FITS, err
    assert err.count("lost (") == 2
    assert err.count("tried again") == 2
    assert "its process was ended by SIGKILL" in err
    found = states(own_database)
    assert (found.count("COMPLETE"), found.count("FAIL")) == (2, 2)
    assert not psutil.pid_exists(first.pid) or first.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_a_search_resumes_after_ctrl_c_and_after_its_client_was_killed(
    tmp_path: Path, own_database: Path
):
    out = tmp_path / "out"
    arguments = [*SMALL, "--trials", "2", "--out", str(out)]

    process = started(*arguments)
    wait_for(lambda: own_database.exists() and epochs_noted(own_database))
    wait_for(lambda: "COMPLETE" in states(own_database))
    running = wait_for(lambda: trial_processes(process.pid))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    answer = json.loads((out / "answer.json").read_text())
    assert answer["sentences"][0].startswith("interrupted; best so far: trial 0")
    assert (out / "report.html").exists()
    wait_for(lambda: not any(each.is_running() for each in running))

    process = started(*arguments)
    (trial, *_) = wait_for(lambda: trial_processes(process.pid))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=600)
    wait_for(lambda: not psutil.pid_exists(trial.pid))  # nothing works on for nobody
    assert states(own_database).count("RUNNING") == 1

    done = subprocess.run([*EDGECNN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "trials of an interrupted search are tried again" in done.stderr
    assert "trial 0:" not in done.stderr  # measured before
    found = states(own_database)
    assert (found.count("COMPLETE"), found.count("RUNNING")) == (2, 0)


@pytest.mark.slow
def test_a_cluster_over_tls_takes_trials_and_nothing_within_the_limits_is_an_answer(tmp_path: Path):
    from distributed import LocalCluster
    from distributed.security import Security

    security = Security.temporary()
    files = {}
    for name, text in (("ca", security.tls_ca_file), ("cert", security.tls_client_cert),
                       ("key", security.tls_client_key)):  # fmt: skip
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(text)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", protocol="tls", security=security,
        dashboard_address=None, memory_limit=0, silence_logs=50,
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        tls = [f"--tls-{name}={path}" for name, path in files.items()]
        arguments = [*EDGECNN, *SMALL, *NO_WINNER, "--trials", "1", "--cluster", address]
        done = subprocess.run(
            [*arguments, *tls, "--out", str(tmp_path / "out")],
            capture_output=True, text=True, check=False, env={**os.environ},
        )  # fmt: skip
    assert done.returncode == NOTHING_FITS, done.stderr
    assert "no trial meets the limits: size of at most 1 kB" in done.stdout
    assert re.search(r"closest: trial 0 .* kB, [\d,]+% larger than allowed", done.stdout)
    assert not list((tmp_path / "out").glob("*.keras"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "widht=0.5..1"], 2, "unknown parameter of the space 'widht'"),
        (["--set", "width=1..0.5"], 2, "no number lies between"),
        (["--max-latency", "soon"], 2, "--max-latency"),
        (["--objectives", "speed"], 2, "unknown objective"),
        (["--trials", "0"], 2, "--trials"),
        (["--on", "rpi5"], 2, "rpi5"),
        (["--cluster", "scheduler"], 2, "invalid scheduler address"),
        (["--space", "no.toml"], 2, "no.toml"),
        (["--model", "resent8"], 2, "unknown model 'resent8'"),
        (["--model", "convs2s"], 2, "for classifiers and detectors"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    arguments, code: int, said: str, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))
    assert invoke([*SMALL, *arguments, "--out", str(tmp_path / "out")]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "answer.json").exists()


def test_the_space_can_be_looked_at(capsys):
    assert invoke([*SMALL, "--list-space"]) == 0
    said = capsys.readouterr().out
    assert "width: {'choices': [0.25, 0.5]" in said
    assert "augment:" in said


def test_a_search_sees_no_test_split(digits):
    seen = without_test(digits)
    assert set(seen.splits) == {"train", "validation"}
    assert seen["test"] is seen["validation"]
    with pytest.raises(InputError, match="no validation split"):
        without_test(seen.__class__(**{**vars(seen), "splits": {"train": seen["train"]}}))

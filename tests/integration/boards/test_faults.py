"""What happens to machines and links: nothing is lost, nothing is measured twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

import edgecnn
from edgecnn.boards.inventory import Board
from edgecnn.boards.job import BoardJob
from edgecnn.boards.queue import Queue
from edgecnn.boards.remote import MOST_STARTS
from edgecnn.cli import invoke
from edgecnn.formats.check import digest_of
from edgecnn.results import Results
from edgecnn.store import open_database
from tests.integration.boards.machines import Machine, small_disk
from tests.integration.boards.test_boards import BRIEF, benchmark


def client(arguments: list[str]) -> subprocess.Popen[bytes]:
    """The command in a process of its own, which can be killed."""
    package = str(Path(edgecnn.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", "from edgecnn.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": package},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for(happened: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    while not happened():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


def state(machine: Machine) -> str:
    """How the one job there stands, as it noted itself."""
    for job in machine.jobs:
        try:
            return json.loads((job / "state.json").read_text())["state"]
        except (OSError, ValueError):
            continue
    return ""


def measured(machine: Machine) -> int:
    """Rows that are in the results there."""
    for job in machine.jobs:
        try:
            return len(json.loads((job / "results.json").read_text())["measurements"])
        except (OSError, ValueError):
            continue
    return 0


LONG = ["--threads", "1,2,3,4,5,6", "--max-secs", "3", "--processes", "2"]
"""Six rows: long enough for something to happen in the middle."""


def origins(results: Results) -> list[tuple[str, int]]:
    """What no two processes share."""
    return [(run.started_at, run.load_ns) for row in results.measurements for run in row.runs]


def die_and_leave_it_done(process, machine) -> None:
    """Kill a client; what it began on its board goes on to the end."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    while state(machine) != "done":
        time.sleep(0.05)


def test_the_job_of_a_killed_client_is_taken_up_and_nothing_is_measured_twice(
    fleet, add, model_file, tmp_path
):
    add("one", fleet.start("one"))
    machine = fleet.machines["one"]
    first = client(benchmark(model_file, tmp_path / "out.json", "one"))
    wait_for(lambda: state(machine), first)
    die_and_leave_it_done(first, machine)
    (job,) = machine.jobs
    there = Results.load(job / "results.json")
    assert invoke(["boards", "resume"]) == 0
    assert Results.load(tmp_path / "out.json").measurements == there.measurements
    with open_database() as database:
        (queued,) = database.jobs()
        assert queued.state == "done"
        assert database.load(queued.session).measurements == there.measurements
        assert len(database.sessions()) == 1
    assert invoke(["boards", "resume"]) == 0
    assert machine.jobs == []


@pytest.mark.slow
def test_a_client_that_dies_right_after_it_stored_the_results_stores_them_once(
    fleet, add, model_file, tmp_path, monkeypatch
):
    """Between storing and clearing away there the job is done here and whole there."""
    from edgecnn.boards import remote

    add("one", fleet.start("one"))
    machine = fleet.machines["one"]

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    typed = benchmark(model_file, tmp_path / "out.json", "one")
    with monkeypatch.context() as patch:
        patch.setattr(remote._Work, "_clear", die)
        assert invoke(typed) == 130
    assert len(machine.jobs) == 1
    assert invoke(["boards", "resume"]) == 0
    with open_database() as database:
        assert [job.state for job in database.jobs()] == ["done"]
        assert len(database.sessions()) == 1
    (tmp_path / "out.json").unlink()
    assert invoke(typed) == 0
    with open_database() as database:
        assert len(database.sessions()) == 2, "the same command later is a new measurement"


def queue_another(address: str, model: Path, out: Path) -> None:
    """A job that waits behind those that are there already."""
    with closing(Queue.open()) as queue:
        job = BoardJob({digest_of(model)[0]: model}, tuple(BRIEF))
        queue.add(Board(address, python=sys.executable, name="one"), job, out)


@pytest.mark.slow
def test_a_job_whose_results_are_gone_fails_and_the_next_one_is_done(
    fleet, add, model_file, tmp_path, capsys
):
    add("one", fleet.start("one"))
    machine = fleet.machines["one"]
    first = client(benchmark(model_file, tmp_path / "first.json", "one"))
    wait_for(lambda: state(machine), first)
    die_and_leave_it_done(first, machine)
    (job,) = machine.jobs
    (job / "results.json").unlink()
    queue_another(machine.address, model_file, tmp_path / "second.json")
    assert invoke(["boards", "resume"]) == 1
    said = capsys.readouterr()
    assert "error: one: left no results" in said.err
    assert "boards were taken out" not in said.err
    assert Results.load(tmp_path / "second.json").measurements[0].status == "ok"
    with open_database() as database:
        assert [job.state for job in database.jobs()] == ["failed", "done"]


@pytest.mark.slow
def test_a_job_that_never_gets_to_its_end_fails_with_what_it_measured_and_the_next_one_is_done(
    fleet, add, model_file, tmp_path
):
    """Killed for memory, say: each time it measures on, each time it is killed again."""
    add("one", fleet.start("one"))
    machine = fleet.machines["one"]
    queue_another(machine.address, model_file, tmp_path / "second.json")
    with open_database() as database, database.engine.begin() as connection:
        later = sa.text("UPDATE jobs SET created_at = created_at + 60")
        connection.execute(later)  # behind the one that is killed
    first = client(benchmark(model_file, tmp_path / "first.json", "one", *LONG))
    wait_for(lambda: measured(machine) >= 1, first)
    (folder,) = machine.jobs
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stderr.close()
    resuming = client(["boards", "resume"])
    while not (folder / "fetched").exists():
        assert resuming.poll() is None, resuming.stderr.read()
        for process in machine.processes():
            with suppress(OSError):
                command = Path(f"/proc/{process}/cmdline").read_bytes()
                if b"edgecnn.cli" in command and Path(f"/proc/{process}/cwd").readlink() == folder:
                    os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    said = resuming.communicate()[1].decode()
    assert resuming.returncode == 1
    assert f"the job was interrupted {MOST_STARTS} times" in said
    assert Results.load(tmp_path / "first.json").measurements
    assert Results.load(tmp_path / "second.json").measurements[0].status == "ok"
    with open_database() as database:
        assert {job.state for job in database.jobs()} == {"failed", "done"}


@pytest.mark.slow
def test_a_machine_that_loses_its_power_measures_on_from_where_it_was(
    fleet, apart, add, model_file, tmp_path
):
    add("apart", apart.address)
    running = client(benchmark(model_file, tmp_path / "out.json", "apart", *LONG))
    wait_for(lambda: measured(apart) >= 2, running)
    (job,) = apart.jobs
    apart.switch_off()
    before = origins(Results.load(job / "results.json"))
    assert before
    time.sleep(1.0)
    apart.switch_on()
    said = running.communicate()[1].decode()
    assert running.returncode == 0, said
    found = origins(Results.load(tmp_path / "out.json"))
    assert set(before) <= set(found), "what was measured before is not measured again"
    assert len(found) == len(set(found)) == 12
    assert said.count("trying again") >= 1


@pytest.mark.slow
def test_a_cut_link_is_made_again_and_the_machine_has_measured_meanwhile(
    fleet, apart, add, model_file, tmp_path
):
    add("apart", apart.address)
    running = client(benchmark(model_file, tmp_path / "out.json", "apart", *LONG))
    wait_for(lambda: measured(apart) >= 1, running)
    apart.cut()
    while state(apart) != "done":
        time.sleep(0.1)
    (job,) = apart.jobs
    there = Results.load(job / "results.json")
    time.sleep(1.0)
    apart.mend()
    said = running.communicate()[1].decode()
    assert running.returncode == 0, said
    assert origins(Results.load(tmp_path / "out.json")) == origins(there)


@pytest.mark.slow
def test_sessions_that_a_router_drops_are_made_again(fleet, add, model_file, tmp_path):
    add("one", fleet.start("one"))
    machine = fleet.machines["one"]
    running = client(benchmark(model_file, tmp_path / "out.json", "one"))
    wait_for(lambda: state(machine) in ("queued", "running"), running)
    machine.drop_connections()
    said = running.communicate()[1].decode()
    assert running.returncode == 0, said
    assert said.count("trying again") == 1
    assert len(origins(Results.load(tmp_path / "out.json"))) == 1


@pytest.mark.slow
def test_a_full_disk_is_a_line_and_the_job_is_done_once_there_is_room(
    fleet, add, model_file, tmp_path, capsys
):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("this user may not mount a file system")
    address = fleet.start("small")
    machine = fleet.machines["small"]
    with small_disk(machine.home / ".local", 260) as disk:
        add("small", address)
        out = tmp_path / "out.json"
        running = client(benchmark(model_file, out, "small", *LONG))
        wait_for(lambda: measured(machine) >= 1, running)
        filler = disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass
        said = running.communicate()[1].decode()
        assert running.returncode == 3, said
        assert said.count("error: small: ") == 1
        assert "free" in said
        assert not out.exists()
        with open_database() as database:
            assert [job.state for job in database.jobs()] == ["queued"]
        filler.unlink()
        assert invoke(["boards", "resume"]) == 0, capsys.readouterr().err
        found = origins(Results.load(out))
        assert len(found) == len(set(found)) == 12


@pytest.mark.slow
def test_a_client_whose_job_another_client_took_over_stores_nothing(
    fleet, add, model_file, tmp_path
):
    """A laptop that slept longer than its lease: another client has the job by then."""
    add("one", fleet.start("one"))
    machine = fleet.machines["one"]
    sleeper = client(benchmark(model_file, tmp_path / "out.json", "one"))
    wait_for(lambda: state(machine) == "running", sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    with open_database() as database:
        (job,) = database.jobs()
        database.release(job)
    assert invoke(["boards", "resume"]) == 0
    sleeper.send_signal(signal.SIGCONT)
    said = sleeper.communicate()[1].decode()
    assert sleeper.returncode == 3
    assert "another client" in said
    with open_database() as database:
        assert [job.state for job in database.jobs()] == ["done"]
        assert len(database.sessions()) == 1


@pytest.mark.slow
def test_a_board_without_network_gets_its_packages_as_wheels(
    fleet, apart, add, model_file, tmp_path, monkeypatch, capsys
):
    """Its namespace has no way out; the packages come from a folder of wheels here."""
    from tests.integration.boards.wheelhouse import fill

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(fill(tmp_path / "wheels")))
    add("apart", apart.address, "--python", sys.base_prefix + "/bin/python3", "--extra", "litert")
    out = tmp_path / "out.json"
    assert invoke(benchmark(model_file, out, "apart")) == 0, capsys.readouterr().err
    (row,) = Results.load(out).measurements
    assert row.status == "ok"
    sent = list(apart.edgecnn.glob("wheels/*/*.whl"))
    assert any(path.name.startswith("numpy-") for path in sent)
    before = {path: path.stat().st_mtime_ns for path in sent}
    assert invoke([*benchmark(model_file, out, "apart"), "--force"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before, "sent once"


@pytest.mark.slow
def test_a_machine_for_which_there_is_no_wheel_says_so_in_a_line(
    fleet, add, model_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    odd = fleet.python("odd", "import platform; platform.machine = lambda: 'riscv64'")
    add("odd", fleet.start("odd"), "--python", str(odd), "--extra", "litert", "--offline")
    assert invoke(benchmark(model_file, tmp_path / "out.json", "odd")) == 3
    said = capsys.readouterr().err
    assert "error: odd: cannot install edgecnn[litert] there: no wheel of " in said
    assert "for riscv64" in said

"""Workers: a real Dask cluster on loopback, a scheduler that is not there, workers that differ."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from edgecnn.data import load
from edgecnn.errors import InputError
from edgecnn.search import dask_worker, worker_pool
from edgecnn.search.worker_pool import Cluster, ClusterError, open_worker_pool


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_pool, "CONNECT_SECS", 2.0)


@pytest.fixture
def cluster():
    """Starts schedulers on loopback as somebody else would."""
    distributed = pytest.importorskip("distributed")
    opened = []

    def start(**options):
        found = distributed.LocalCluster(
            host="127.0.0.1", dashboard_address=None, silence_logs=50, memory_limit=0,
            threads_per_worker=1, **options,
        )  # fmt: skip
        opened.append(found)
        return found.scheduler_address

    yield start
    for each in opened:
        each.close(timeout=60)


def test_a_local_cluster_is_encrypted_and_runs_what_it_is_given():
    with open_worker_pool(Cluster(workers=1)) as found:
        assert found.size == 1
        # A task of other versions comes back as a line, not as an exception.
        found.versions = {**found.versions, "keras": "0.0.1"}
        found.submit({"token": "t"})
        event = None
        while event is None:
            event = found.next(1.0)
        assert event.answer is not None
        assert event.answer["event"] == "failed"
        assert "keras" in event.answer["error"]
        assert found.running == 0
        address = found._local.scheduler_address
    assert address.startswith("tls://127.0.0.1:")


def task(token: str) -> dict:
    """A trial as the client hands it out; what is looked at here happens before it trains."""
    data = {"name": "digits", "data_dir": "", "seed": 0, "strict": False, "classes": [],
            "exif": "", "sha256": "another"}  # fmt: skip
    drawn = {"network": {}, "recipe": {}, "input_size": None}
    return {"token": token, "model": "simple", "data": data, "drawn": drawn, "epochs": 1,
            "seed": 0, "target": "tflite:static_int8", "runtime": "litert:cpu",
            "cwd": str(Path.cwd())}  # fmt: skip


def heard(found, wanted):
    """The next event for which `wanted` holds."""
    for _ in range(600):
        event = found.next(1.0)
        if event is not None and wanted(event):
            return event
    pytest.fail("what was waited for did not come")


def becomes(condition) -> None:
    for _ in range(6_000):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("what was waited for did not come")


def trials() -> list[psutil.Process]:
    """The processes of trials below this one."""
    return [
        each
        for each in psutil.Process().children(recursive=True)
        if "edgecnn.search.trial" in each.cmdline()
    ]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_becomes_of_a_trial_that_is_stopped_killed_or_loses_its_worker():
    with open_worker_pool(Cluster(workers=1)) as found:

        def started(token: str) -> int:
            found.submit(task(token))
            return heard(found, lambda event: event.message is not None).message["pid"]

        def ended():
            event = heard(found, lambda event: event.message is None)
            assert found.running == 0
            return event

        first = started("stopped")
        found.stop("stopped")
        assert ended().answer == {"event": "stopped"}
        becomes(lambda: gone(first))

        os.kill(started("killed"), signal.SIGKILL)
        assert "ended by SIGKILL" in ended().lost

        trial = started("without worker")
        os.kill(psutil.Process(trial).ppid(), signal.SIGKILL)
        assert ended().lost == "its worker was killed"
        becomes(lambda: gone(trial))  # nobody waits for it: it must not train on

        # The cluster has another worker by then. Its data are not the client's, which is a line.
        started("elsewhere")
        assert "differs from the client's" in ended().answer["error"]


def test_trials_here_are_halted_while_something_is_measured():
    with open_worker_pool(Cluster(workers=1)) as found:
        training = task("t")
        training["data"]["sha256"] = load("digits").sha256  # else it is refused, and gone
        found.submit(training)
        event = heard(found, lambda event: event.message is not None)
        trial = psutil.Process(event.message["pid"])
        with found.paused():
            becomes(lambda: trial.status() == psutil.STATUS_STOPPED)
        becomes(lambda: trial.status() != psutil.STATUS_STOPPED)


def test_a_trial_that_begins_while_something_is_measured_is_halted_too():
    with open_worker_pool(Cluster(workers=1)) as found:
        becomes(lambda: found.size == 1)
        with found.paused():
            found.submit(task("t"))
            becomes(trials)
            (trial,) = trials()
            becomes(lambda: trial.status() == psutil.STATUS_STOPPED)
        heard(found, lambda event: event.message is not None)


def test_workers_with_another_edgecnn_are_refused(cluster, tmp_path: Path):
    preload = tmp_path / "older.py"
    preload.write_text("import edgecnn\nedgecnn.__version__ = '0.0.1'\n")
    address = cluster(n_workers=1, preload=[str(preload)])
    with (
        pytest.raises(InputError, match=r"has edgecnn 0\.0\.1, here it is"),
        open_worker_pool(Cluster(1, address)),
    ):
        pass


def test_a_cluster_without_workers_is_not_waited_for_for_ever(cluster, monkeypatch):
    monkeypatch.setattr(worker_pool, "WORKERS_SECS", 1.0)
    address = cluster(n_workers=0)
    with (
        pytest.raises(ClusterError, match="no worker came within 1 s"),
        open_worker_pool(Cluster(1, address)),
    ):
        pass


def test_when_the_last_worker_has_gone_that_is_said(cluster, monkeypatch):
    monkeypatch.setattr(worker_pool, "WORKERS_SECS", 1.0)
    with open_worker_pool(Cluster(workers=1)) as found:
        found._local.scale(0)
        with pytest.raises(ClusterError, match="no worker has been connected for 1 s"):
            wait(found)


def wait(found):
    for _ in range(200):
        found.next(0.1)


def test_a_scheduler_that_is_not_there_is_a_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        pytest.raises(ClusterError, match="does not answer") as refused,
        open_worker_pool(Cluster(1, f"tcp://127.0.0.1:{port}")),
    ):
        pass
    assert refused.value.exit_code == 3


def test_something_else_that_listens_there_is_a_line():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_talk, args=(server,), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match="does not answer"),
            open_worker_pool(Cluster(1, address)),
        ):
            pass


def _talk(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: Cluster(workers=0), "--workers"),
        (lambda _: Cluster(address="scheduler"), "invalid scheduler address"),
        (lambda _: Cluster(address="http://scheduler:8786"), "invalid scheduler address"),
        (lambda _: Cluster(address="tcp://scheduler"), "invalid scheduler address"),
        (lambda _: Cluster(address="tcp://scheduler:port"), "invalid scheduler address"),
        (lambda _: Cluster(address="tls://scheduler:8786"), "needs --tls-ca"),
        (lambda file: Cluster(address="tcp://a:1", ca=file), "three files"),
        (lambda file: Cluster(ca=file, certificate=file, key=file), "for a cluster elsewhere"),
        (
            lambda file: Cluster(address="tcp://a:1", ca=file, certificate=file, key=Path("no")),
            "no such file: no",
        ),
    ],
)
def test_a_cluster_that_makes_no_sense_is_refused(make, said: str, tmp_path: Path):
    (tmp_path / "file.pem").touch()
    with pytest.raises(InputError, match=said):
        make(tmp_path / "file.pem")


def test_files_for_tls_make_the_connection_encrypted(tmp_path: Path):
    file = tmp_path / "file.pem"
    file.touch()
    found = Cluster(1, "tcp://scheduler:8786", file, file, file)
    assert found.target == "tls://scheduler:8786"
    assert not found.open_to_others
    assert Cluster(1, "tcp://10.0.0.7:8786").open_to_others
    assert not Cluster(1, "tcp://127.0.0.1:8786").open_to_others


def test_a_machine_knows_itself():
    assert dask_worker.this_machine() == dask_worker.facts()["machine"]

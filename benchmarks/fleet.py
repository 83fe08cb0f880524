"""Many boards at once: nothing lost and nothing doubled under faults, and what a client costs.

    python benchmarks/fleet.py faults   --out benchmarks/results/fleet.json
    python benchmarks/fleet.py thousand --out benchmarks/results/fleet.json
    python benchmarks/fleet.py paired   --out benchmarks/results/fleet.json

Boards are SSH servers on this machine (tests/integration/boards/machines.py), for `faults` in
network and process namespaces of their own, which only root may make.

- faults: 8 boards × 40 jobs, two clients; for ten minutes something goes wrong every few seconds:
  a client is killed, a board loses its power, a link is cut, sessions are dropped, a disk is full,
  a board is throttled. Lost is a job without results at the end; doubled is a job that was measured
  again although it had been measured, or whose results are stored twice.
- thousand: 1,000 boards that answer as boards do, but measure nothing, 40 jobs each in the queue:
  how long until a new client knows what waits, and how much memory it takes to work on all.
- paired: the same benchmark through `edgecnn benchmark --on` and by hand over ssh, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.integration.boards.machines import (  # noqa: E402
    Fleet,
    Machine,
    may_have_namespaces,
    small_disk,
)

BOARDS, JOBS = 8, 40
FAULT_SECS = 600.0
DISK_MEGABYTES = 300
MANY_BOARDS = 1_000
RESTORE_SECS, CLIENT_MEGABYTES = 1.0, 300
PAIRS = 15
CLIENT_SECS = 3.0
"""After so long another client takes the place of one that ended or was killed."""
CLIENT = [sys.executable, "-c", "from edgecnn.cli import main; main()"]
WORDS = ("--quick", "--processes", "1", "--runtimes", "litert:cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["faults", "thousand", "paired"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--secs", type=float, default=FAULT_SECS, help="of faults")
    parser.add_argument("--most-secs", type=float, default=7_200.0, help="then it is given up")
    parser.add_argument("--boards", type=int, default=BOARDS)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "faults": lambda: faults(
            options.boards, options.jobs, options.secs, options.most_secs, options.seed
        ),
        "thousand": lambda: thousand(options.jobs),
        "paired": lambda: paired(options.pairs),
    }
    began = datetime.now().astimezone().isoformat(timespec="seconds")
    found = parts[options.part]()
    known[options.part] = {"at": began, "load average": os.getloadavg()[0], **found}
    options.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(known[options.part], indent=1))


@contextmanager
def home() -> Iterator[Fleet]:
    """A client with a home, a key and a database of its own."""
    fleet = Fleet(Path(tempfile.mkdtemp(prefix="edgecnn-fleet-")))
    fleet.prepare()
    os.environ.update(HOME=str(fleet.home), EDGECNN_HOME=str(fleet.folder / "edgecnn"))
    os.environ["PYTHONPATH"] = str(ROOT)
    for name in ("SSH_AUTH_SOCK", "EDGECNN_DB"):
        os.environ.pop(name, None)
    try:
        yield fleet
    finally:
        fleet.stop()
        shutil.rmtree(fleet.folder, ignore_errors=True)


def model_in(folder: Path) -> Path:
    from tests.unit.formats.small_models import write_tflite

    return write_tflite(folder / "model.tflite")


# Faults ------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What was measured on the boards, as their own files say it: job → processes."""

    runs: dict[str, set[tuple[str, int]]] = field(default_factory=dict)

    def look(self, machines: list[Machine]) -> None:
        """Note every process that is in results which lie on a board now."""
        for machine in machines:
            for job in machine.jobs:
                with suppress(OSError, ValueError, KeyError, TypeError):
                    document = json.loads((job / "results.json").read_bytes())
                    self.runs.setdefault(job.name, set()).update(
                        (run["started_at"], run["load_ns"])
                        for row in document["measurements"]
                        for run in row["runs"]
                    )


def faults(boards: int, jobs: int, secs: float, most_secs: float, seed: int) -> dict[str, Any]:
    """Everything goes wrong for a while; then the rest is worked off."""
    if not may_have_namespaces():
        raise SystemExit("network namespaces are needed: run it as root")
    from edgecnn.boards.inventory import Board
    from edgecnn.boards.job import BoardJob
    from edgecnn.boards.queue import Queue
    from edgecnn.formats.check import digest_of
    from edgecnn.store import open_database

    with home() as fleet:
        model = model_in(fleet.folder)
        machines = []
        with _disks(fleet, boards):
            queue = Queue.open()
            for number in range(boards):
                root = fleet.folder / f"board{number}" / "system"
                machine = fleet.start_apart(
                    f"board{number}", number, environment=f"EDGECNN_SYSTEM_ROOT={root}"
                )
                _lay_out(root)
                machines.append(machine)
                board = Board(machine.address, sys.executable, name=machine.name)
                for job in range(jobs):
                    words = (*WORDS, "--max-secs", f"{0.3 + job / 1_000:.3f}")
                    out = fleet.folder / "out" / f"{machine.name}-{job}.json"
                    queue.add(board, BoardJob({digest_of(model)[0]: model}, words), out)
            queue.close()
            seen = Seen()
            began = time.monotonic()
            counted = _storm(machines, (secs, most_secs), random.Random(seed), seen)
            took = time.monotonic() - began
            with open_database() as database:
                found = database.jobs()
                sessions = database.sessions()
                stored = {job.digest: database.load(job.session) for job in found if job.session}
            return {
                "boards": boards,
                "jobs": len(found),
                "seconds with faults": secs,
                "seconds until all was done": round(took),
                "faults": dict(counted),
                **_verdict(found, sessions, stored, seen),
            }


def _verdict(found: Any, sessions: Any, stored: Any, seen: Seen) -> dict[str, Any]:
    from edgecnn.boards.queue import read_document

    states = Counter(job.state for job in found)
    waiting = states["queued"] + states["taken"]
    lost = len(found) - states["done"] - waiting
    doubled = len(sessions) - states["done"]
    again = 0
    for job in found:
        if job.digest not in stored:
            continue
        _, work, _ = read_document(job.document)
        kept = {
            (run.started_at, run.load_ns)
            for row in stored[job.digest].measurements
            for run in row.runs
        }
        again += bool(seen.runs.get(work.name(""), set()) - kept) or len(kept) != 1
    return {
        "done": states["done"],
        "still waiting": waiting,
        "lost": lost,
        "stored twice": doubled,
        "measured twice": again,
    }


def _storm(  # noqa: C901, PLR0912 (one loop: clients, faults, the end)
    machines: list[Machine], limits: tuple[float, float], rng: random.Random, seen: Seen
) -> Counter[str]:
    """Two clients work the queue off while things go wrong; what went wrong, how often."""
    from edgecnn.store import open_database

    counted: Counter[str] = Counter()
    over = threading.Event()
    clients: list[subprocess.Popen[bytes] | None] = [None, None]
    again = [0.0, 0.0]
    busy = {machine.name: threading.Lock() for machine in machines}

    def watch() -> None:
        while not over.wait(0.1):
            seen.look(machines)

    watcher = threading.Thread(target=watch)
    watcher.start()
    ends, given_up = (time.monotonic() + secs for secs in limits)
    next_fault, healing = time.monotonic() + 5, []
    try:
        while True:
            with open_database() as database:
                left = sum(job.state in ("queued", "taken") for job in database.jobs())
            if not left or time.monotonic() > given_up:
                return counted
            for number, client in enumerate(clients):
                if client is not None and client.poll() is None:
                    again[number] = time.monotonic() + CLIENT_SECS
                elif time.monotonic() > again[number]:
                    clients[number] = subprocess.Popen(
                        [*CLIENT, "boards", "resume"],
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                    counted["clients started"] += 1
            if next_fault < time.monotonic() < ends:
                next_fault = time.monotonic() + rng.uniform(2, 6)
                machine = rng.choice(machines)
                if busy[machine.name].acquire(blocking=False):
                    name = rng.choice(list(FAULTS))
                    counted[name] += 1
                    thread = threading.Thread(
                        target=_go_wrong,
                        args=(FAULTS[name], machine, rng.random(), busy[machine.name]),
                    )
                    thread.start()
                    healing.append(thread)
                if rng.random() < 0.25:
                    victim = rng.choice(clients)
                    if victim is not None:
                        victim.send_signal(signal.SIGKILL)
                        counted["client killed"] += 1
            print(f"{left} jobs left, {sum(counted.values())} events", end="\r", flush=True)
            time.sleep(1.0)
    finally:
        for thread in healing:
            thread.join()
        for client in clients:
            if client is not None:
                client.send_signal(signal.SIGTERM)
                client.wait()
        over.set()
        watcher.join()


def _go_wrong(
    fault: Callable[[Machine, float], None],
    machine: Machine,
    how_long: float,
    lock: threading.Lock,
) -> None:
    try:
        fault(machine, how_long)
    finally:
        lock.release()


def _power(machine: Machine, how_long: float) -> None:
    machine.switch_off()
    time.sleep(1 + 9 * how_long)
    machine.switch_on()


def _cut(machine: Machine, how_long: float) -> None:
    machine.cut()
    time.sleep(1 + 59 * how_long**2)
    machine.mend()


def _drop(machine: Machine, _how_long: float) -> None:
    machine.drop_connections()


def _fill(machine: Machine, how_long: float) -> None:
    filler = machine.home / ".local" / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    time.sleep(1 + 14 * how_long)
    filler.unlink()


def _throttle(machine: Machine, how_long: float) -> None:
    state = machine.place / "system/sys/class/thermal/cooling_device0/cur_state"
    state.write_text("3")
    time.sleep(1 + 14 * how_long)
    state.write_text("0")


FAULTS: dict[str, Callable[[Machine, float], None]] = {
    "power lost": _power,
    "link cut": _cut,
    "sessions dropped": _drop,
    "disk full": _fill,
    "throttled": _throttle,
}


def _lay_out(root: Path) -> None:
    cooling = root / "sys/class/thermal/cooling_device0"
    cooling.mkdir(parents=True)
    for name, text in (("type", "Processor"), ("cur_state", "0"), ("max_state", "10")):
        (cooling / name).write_text(text)


@contextmanager
def _disks(fleet: Fleet, boards: int, number: int = 0) -> Iterator[None]:
    """A small disk for each board's ~/.local."""
    if number == boards:
        yield
        return
    place = fleet.folder / f"board{number}" / "home" / ".local"
    with small_disk(place, DISK_MEGABYTES), _disks(fleet, boards, number + 1):
        yield


# A thousand --------------------------------------------------------------------------------------


def thousand(jobs: int) -> dict[str, Any]:
    """A client that meets a full queue for a thousand boards."""
    with home() as fleet:
        model = model_in(fleet.folder)
        server, port = _pretender(fleet)
        try:
            _fill_queue(fleet, model, port, jobs)
            restored = _child(
                "import json, time; start = time.perf_counter();"
                "from edgecnn.boards import inventory;"
                "from edgecnn.boards.queue import Queue; imported = time.perf_counter();"
                "known = inventory.load(); queue = Queue.open(); waiting = queue.boards();"
                "end = time.perf_counter(); assert len(known) == len(waiting);"
                "print(json.dumps([end - imported, imported - start, len(waiting)]))"
            )
            secs, importing, waiting = json.loads(restored)
            # One job a board is worked on; the others of the queue are there, too.
            _leave_one(fleet)
            began = time.monotonic()
            peak, code = _peak_of([*CLIENT, "boards", "resume"])
            took = time.monotonic() - began
            with _database() as database:
                states = Counter(job.state for job in database.jobs())
                stored = len(database.sessions())
        finally:
            server.kill()
            server.wait()
    return {
        "boards": MANY_BOARDS,
        "jobs in the queue": MANY_BOARDS * jobs,
        "boards with jobs": waiting,
        "queue restored, s": round(secs, 3),
        "imports before, s": round(importing, 3),
        "worked on at once": MANY_BOARDS,
        "seconds for one job each": round(took),
        "client's exit code": code,
        "client's peak memory, MB": round(peak / 1e6),
        "states": dict(states),
        "sessions stored": stored,
        "limits": {"queue restored, s": RESTORE_SECS, "memory, MB": CLIENT_MEGABYTES},
    }


def _database() -> Any:
    from edgecnn.store import open_database

    return open_database()


def _fill_queue(fleet: Fleet, model: Path, port: int, jobs: int) -> None:
    """Jobs of a client that was killed: the first of each board was under way."""
    import sqlalchemy as sa

    from edgecnn.boards import inventory
    from edgecnn.boards.inventory import Board
    from edgecnn.boards.job import BoardJob
    from edgecnn.boards.queue import digest_of, document_of, processes_here
    from edgecnn.formats.check import digest_of as digest_of_model
    from edgecnn.store.sql.tables import jobs as table

    digest = digest_of_model(model)[0]
    here, rows, boards = processes_here(), [], {}
    for number in range(MANY_BOARDS):
        board = Board(f"ssh://b{number:04}@127.0.0.1:{port}", name=f"b{number:04}")
        boards[board.name] = board
        for job in range(jobs):
            work = BoardJob(
                {digest: model}, (*WORDS, "--max-secs", f"0.{100 + job}"), nonce=f"{job}"
            )
            out = fleet.folder / "out" / f"{board.name}-{job}.json"
            rows.append(
                {
                    "digest": digest_of(board, work),
                    "board": board.name,
                    "document": json.dumps(document_of(board, work, out)),
                    "state": "queued" if job else "taken",
                    "client": "" if job else f"{os.uname().nodename} 999999999 {here} ab",
                    "lease_until": 0.0 if job else time.time() + 60,
                    "created_at": time.time(),
                    "error": "",
                }
            )
    home = inventory.file_of_boards()
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text(
        "".join(f'[boards.{each.name}]\naddress = "{each.address}"\n' for each in boards.values())
    )
    with _database() as database, database.engine.begin() as connection:
        for start in range(0, len(rows), 1_000):
            connection.execute(sa.insert(table), rows[start : start + 1_000])


def _leave_one(fleet: Fleet) -> None:
    """The first job of each board alone waits; the others are done already."""
    import sqlalchemy as sa

    from edgecnn.store.sql.tables import jobs as table

    del fleet
    first = sa.select(sa.func.min(table.c.id)).group_by(table.c.board)
    with _database() as database, database.engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.id.not_in(first)).values(state="failed", error="kept")
        )


def _child(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def _peak_of(command: list[str]) -> tuple[int, int]:
    """(largest resident set in bytes, exit code) of a command."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        with suppress(OSError, IndexError, ValueError):
            text = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(text.split("VmHWM:")[1].split()[0]) * 1024)
        time.sleep(0.2)
    return peak, process.returncode


def _pretender(fleet: Fleet) -> tuple[subprocess.Popen[str], int]:
    """A server that is a thousand boards, one a user; in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pretended_boards.py")), str(fleet.folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port, key = process.stdout.readline().split(maxsplit=1)
    with (fleet.home / ".ssh" / "known_hosts").open("a") as hosts:
        hosts.write(f"[127.0.0.1]:{port} {key.strip()}\n")
    return process, int(port)


# Paired ------------------------------------------------------------------------------------------


def paired(pairs: int) -> dict[str, Any]:
    """The same benchmark through a board and by hand over ssh, in turn."""
    from edgecnn.results import Results

    model = ROOT / "edgecnn/assets/stop_sign_nano_static_int8.tflite"
    with home() as fleet:
        address = fleet.start("here")
        folder = fleet.folder
        _run([*CLIENT, "boards", "add", "here", address, "--python", sys.executable])
        words = ["--quick", "--processes", "3", "--runtimes", "litert:cpu", "--max-secs", "3"]
        port = address.rpartition(":")[2]
        by_hand = shlex.join(
            ["env", f"PYTHONPATH={ROOT}", *CLIENT, "benchmark", str(model), *words,
             "--force", "--out", str(folder / "hand.json")]
        )  # fmt: skip
        ssh = ["ssh", "-F", "none", "-p", port, "-i", str(fleet.home / ".ssh/id_ed25519"),
               "-o", f"UserKnownHostsFile={fleet.home / '.ssh/known_hosts'}", "127.0.0.1",
               by_hand]  # fmt: skip
        over = [*CLIENT, "benchmark", str(model), *words, "--on", "here", "--force",
                "--out", str(folder / "over.json")]  # fmt: skip
        times: dict[str, list[float]] = {"hand": [], "over": []}
        for number in range(pairs + 1):
            for name in ("hand", "over") if number % 2 else ("over", "hand"):
                _run(ssh if name == "hand" else over)
                (row,) = Results.load(folder / f"{name}.json").measurements
                assert row.latency is not None
                if number:  # the first pair brings edgecnn there
                    times[name].append(row.latency.p50)
            print(f"pair {number} of {pairs}", end="\r", flush=True)
    logs = np.log(np.asarray(times["over"]) / np.asarray(times["hand"]))
    rng = np.random.default_rng(0)
    means = np.median(rng.choice(logs, (10_000, len(logs))), axis=1)
    low, high = np.exp(np.percentile(means, [2.5, 97.5])) - 1
    return {
        "model": model.name,
        "pairs": pairs,
        "p50 by hand, ms": [round(each, 4) for each in times["hand"]],
        "p50 over SSH, ms": [round(each, 4) for each in times["over"]],
        "difference": round(float(np.exp(np.median(logs)) - 1), 5),
        "difference, 95% interval": [round(float(low), 5), round(float(high), 5)],
        "limit": 0.01,
    }


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{done.stderr[-2_000:]}")


if __name__ == "__main__":
    main()

"""The part `faults` of `benchmarks/fleet.py`: nothing lost and nothing doubled."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet_client import CLIENT, WORDS, home, model_in

from tests.integration.boards.machines import Fleet, Machine, may_have_namespaces, small_disk

DISK_MEGABYTES = 300
CLIENT_SECS = 3.0
"""After so long another client takes the place of one that ended or was killed."""


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

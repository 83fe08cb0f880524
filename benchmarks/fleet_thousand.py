"""The part `thousand` of `benchmarks/fleet.py`: what a client costs that has a full queue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet_client import CLIENT, WORDS, home, model_in

from tests.integration.boards.machines import Fleet

MANY_BOARDS = 1_000
RESTORE_SECS, CLIENT_MEGABYTES = 1.0, 300


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

"""What runs on a board: one job under a lock, without the client. Standard library alone.

    python -m edgecnn.boards.runner FOLDER            run the job in FOLDER
    python -m edgecnn.boards.runner --status FOLDER   say in a line how it stands

Two locks of the operating system tell what is going on, whatever happens: the job's own is held
while somebody works on it, the board's by the one job that measures. Both end with their process,
however that ends: a board that was switched off holds none.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ANSWER = "edgecnn-board: "
"""Begins the line that answers, among whatever a login shell prints."""
TAIL_BYTES = 2_000


def main(arguments: list[str]) -> int:
    """Run a job, or say how it stands."""
    if arguments[0] == "--status":
        sys.stdout.write(ANSWER + json.dumps(status(Path(arguments[1]))) + "\n")
        return 0
    return run(Path(arguments[0]))


def run(folder: Path) -> int:
    """Run the job once nobody else measures here; a job that is done or under way is left alone."""
    own = _locked(folder / "job.lock", wait=False)
    if own is None or _state(folder).get("state") == "done":
        return 0
    _write(folder, {"state": "queued"})
    board = _locked(folder.parent.parent / "board.lock", wait=True)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    _write(folder, {"state": "running", "began": time.time()})
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-c", "from edgecnn.cli import main; main()", *job["words"]]
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
    _write(folder, {"state": "done", "exit": done.returncode, "ended": time.time()})
    for lock in (board, own):
        if lock is not None:
            os.close(lock)
    return 0


def status(folder: Path) -> dict[str, Any]:
    """How a job stands: "absent", "queued", "running", "done", or "stopped" where nobody works
    on it any more.
    """
    if not (folder / "job.json").is_file():
        return {"state": "absent"}
    lock = _locked(folder / "job.lock", wait=False)
    found = _state(folder)
    if lock is not None:
        os.close(lock)
        if found.get("state") != "done":
            found["state"] = "stopped"
    results = folder / "results.json"
    found["bytes"] = results.stat().st_size if results.is_file() else 0
    found["log"] = _tail(folder / "log")
    return found


def _locked(path: Path, *, wait: bool) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _state(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(folder: Path, state: dict[str, Any]) -> None:
    temporary = folder / "state.tmp"
    temporary.write_text(json.dumps(state), encoding="utf-8")
    temporary.replace(folder / "state.json")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Job runner on a board: one job under a lock, without the client. Standard library only.

    python -m edgecnn.boards.runner --start FOLDER      run the job in FOLDER, by itself
    python -m edgecnn.boards.runner --status FOLDER     say in a line how it stands
    python -m edgecnn.boards.runner --follow FOLDER     say so whenever something changes
    python -m edgecnn.boards.runner --examine HOME      say how the board is, unless it measures
    python -m edgecnn.boards.runner --fetched FOLDER    its results are stored: leave a mark alone

Two locks of the operating system say what happens, whatever happens: the job's own is held while
somebody works on it, the board's by the one job that measures. Both end with the processes that
hold them, however those end: a board that was switched off holds none. The board is examined
under its lock, right before the job: nothing else measures then.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgecnn.boards.health_report import troubles

ANSWER = "edgecnn-board: "
"""Begins the line that answers, among whatever a login shell prints."""
TAIL_BYTES = 2_000
LOOK_SECS = 1.0
BEAT_SECS = 15.0
"""A follower writes at least so often, which shows it whether anybody listens."""
PATIENCE_SECS = 5.0
"""A look at a job holds its lock for an instant: whoever works on it tries again so long."""
EXAMINE_SECS = 120.0
RECENT_SECS = 60.0
KEPT_SECS = 30 * 86_400.0
"""What was not used for so long is removed: marks of old jobs, older code, models, data."""
KILLED = (130, 137, 143)
"""Exit codes of a program that was interrupted, killed or terminated, as a shell has them."""
_PROGRESS = re.compile(r"(\w[\w -]{0,30}): (\d{1,9})/(\d{1,9}) ?(.{0,200})")


def main(arguments: list[str]) -> int:
    """Run a job, say how it stands, or clear it away."""
    if arguments[0] == "--status":
        say(status(Path(arguments[1])))
        return 0
    if arguments[0] == "--follow":
        with suppress(BrokenPipeError, KeyboardInterrupt):
            follow(Path(arguments[1]))
        return 0
    if arguments[0] == "--examine":
        return examine_all(Path(arguments[1]))
    if arguments[0] == "--fetched":
        clear(Path(arguments[1]))
        say({"done": True})
        return 0
    return start(Path(arguments[1]))


def say(answer: dict[str, Any]) -> None:
    """A line for the client."""
    sys.stdout.write(ANSWER + json.dumps(answer) + "\n")
    sys.stdout.flush()


def start(folder: Path) -> int:
    """Let a process of its own run the job; one that is done or under way is left alone.

    It has the job's lock before the client hears of it.
    """
    try:
        own = _locked(folder / "job.lock", wait=PATIENCE_SECS)
        if own is None or _state(folder).get("state") == "done" or (folder / "fetched").exists():
            say({"started": False})
            return 0
        _write(folder, {"state": "queued"})
    except OSError as error:
        say({"problem": error.strerror or str(error)})
        return 0
    if os.fork():
        say({"started": True})
        return 0
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        code = run(folder, own)
    finally:  # whatever went wrong: the parent's work is not done twice
        os._exit(code)


def run(folder: Path, own: int) -> int:
    """Run the job once nobody else measures here. `own` is its lock.

    A disk that is full ends it: its lock says that nobody works on it any more.
    """
    board = _locked(folder.parent.parent / "board.lock", wait=None)
    sick = examine(folder.parent.parent / "examined")
    if sick:
        _write(folder, {"state": "sick", "troubles": sick})
        return 0
    job = _read(folder / "job.json") or {"words": []}
    _drop_damaged(folder / "results.json")
    _write(folder, {"state": "running", "began": time.time()})
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-c", "from edgecnn.cli import main; main()", *job["words"]]
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            # Whatever is left of a job whose runner was killed still measures here.
            pass_fds=[lock for lock in (own, board) if lock is not None],
        )  # fmt: skip
    code = done.returncode
    killed = code < 0 or code in KILLED
    _write(folder, {"state": "stopped" if killed else "done", "exit": code, "ended": time.time()})
    return 0


def examine(mark: Path) -> list[str]:
    """Why this board must not measure now; empty when it may. `mark` is touched then: what
    follows within a minute is examined more briefly.
    """
    try:
        recent = 0 <= time.time() - mark.stat().st_mtime < RECENT_SECS
    except OSError:
        recent = False
    how = "--brief" if recent else "--no-runtimes"
    command = [sys.executable, "-m", "edgecnn.benchmarking.machine.health", how]
    try:
        process = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=EXAMINE_SECS,
            check=False,
        )  # fmt: skip
        output = process.stdout.decode(errors="replace")
        (line,) = [line for line in output.splitlines() if line.startswith(ANSWER)]
        reasons = list(troubles(json.loads(line.removeprefix(ANSWER))))
    except subprocess.TimeoutExpired:
        return [f"its examination did not end in {EXAMINE_SECS:.0f} s"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ["its examination failed: edgecnn does not run there"]
    if not reasons:
        with suppress(OSError):
            mark.touch()
    return reasons


def examine_all(home: Path) -> int:
    """Everything that `boards check` shows; nothing while a job measures here."""
    board = _locked(home / "board.lock", wait=0.0)
    if board is None:
        say({"busy": True})
        return 0
    command = [sys.executable, "-m", "edgecnn.benchmarking.machine.health"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


def status(folder: Path) -> dict[str, Any]:
    """How a job stands: "absent", "queued", "running", "done", "sick" (the board was not fit),
    "fetched", or "stopped" where nobody works on it any more.
    """
    if (folder / "fetched").is_file():
        return {"state": "fetched"}
    if _read(folder / "job.json") is None:  # or a power cut left nothing of it
        return {"state": "absent"}
    lock = _locked(folder / "job.lock", wait=0.0)
    state = _state(folder)
    if lock is not None:
        os.close(lock)
        if state.get("state") not in ("done", "sick"):
            state["state"] = "stopped"
    elif state.get("state") in ("done", "sick", "stopped", None):  # it ends, or begins
        state["state"] = "running" if state else "queued"
    results = folder / "results.json"
    state["bytes"] = results.stat().st_size if results.is_file() else 0
    state["log"] = _tail(folder / "log")
    return state


def follow(folder: Path) -> None:
    """Say how the job stands whenever that changes, until nobody works on it any more.

    Between two looks this process sleeps: a look is a few calls of the operating system.
    """
    before, beat = None, time.monotonic()
    while True:
        state = status(folder)
        state["progress"] = _progress(state.get("log", ""))
        if state["state"] not in ("queued", "running"):
            say(state)
            return
        snapshot = (state["state"], state["progress"])
        now = time.monotonic()
        if snapshot != before:
            say({"state": state["state"], "progress": state["progress"]})
            before, beat = snapshot, now
        elif now - beat > BEAT_SECS:
            sys.stdout.write("\n")
            sys.stdout.flush()
            beat = now
        time.sleep(LOOK_SECS)


def clear(folder: Path) -> None:
    """Leave a mark that the job was fetched, nothing else; and remove what is old."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fetched").touch()
    for path in folder.iterdir():
        if path.name != "fetched":
            with suppress(OSError):
                path.unlink()
    for path in _old(folder.parent.parent):
        shutil.rmtree(path, ignore_errors=True)


def _old(home: Path) -> Iterator[Path]:
    """Folders that nobody used for long. Whoever uses one touches it."""
    before = time.time() - KEPT_SECS
    for pattern in ("jobs/*", "code-*", "env-*", "files/*", "models/*"):
        for path in home.glob(pattern):
            try:
                mark = path / "fetched"
                known = mark if pattern == "jobs/*" else path
                if known.stat().st_mtime < before:
                    yield path
            except OSError:  # a job that was not fetched stays
                continue


def _locked(path: Path, *, wait: float | None) -> int | None:
    """A lock, waited for so many seconds (None: as long as it takes); None when another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = None if wait is None else time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if deadline is None else fcntl.LOCK_NB))
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(0.05)
        else:
            return descriptor


def _drop_damaged(path: Path) -> None:
    """Results that a power cut left in half: they would stop the job for ever."""
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        path.replace(path.with_suffix(".damaged"))


def _state(folder: Path) -> dict[str, Any]:
    return _read(folder / "state.json") or {}


def _read(path: Path) -> dict[str, Any] | None:
    """The object in a small JSON file; None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write(folder: Path, state: dict[str, Any]) -> None:
    """Note the state, on the disk itself: after a power cut it must be old or new."""
    temporary = folder / "state.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(state))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / "state.json")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _progress(log: str) -> list[Any] | None:
    """[stage, done, total, what] of the last line of progress in a log."""
    for line in reversed(log.splitlines()):
        match = _PROGRESS.fullmatch(line.strip())
        if match is not None:
            return [match[1], int(match[2]), int(match[3]), match[4]]
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Start a worker, read its messages, and turn its end into an outcome.

A worker that crashes, hangs or is killed is an outcome like any other; only Ctrl-C leaves here
as an exception, after the worker is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import edgecnn
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.results import Cause, Run, Status, run_from_dict
from edgecnn.system import scratch
from edgecnn.text import shortened

LOAD_TIMEOUT_SECS = 180.0
OUTPUTS_TIMEOUT_SECS = 1_800.0
MAX_EVENT_BYTES = 256 << 20
STDERR_TAIL_BYTES = 4_000

# Makes this edgecnn importable, and nothing else of the parent's environment: a worker in an
# isolated environment must find its own numpy and runtime.
_BOOTSTRAP = """
import importlib.util, os, sys
import numpy
try:
    with open("/proc/self/statm") as file:
        bare = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
except OSError:
    bare = None
home = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "edgecnn", home + "/__init__.py", submodule_search_locations=[home])
module = importlib.util.module_from_spec(spec)
sys.modules["edgecnn"] = module
spec.loader.exec_module(module)
from edgecnn.benchmarking.loop.worker import main
sys.exit(main(int(sys.argv[2]), bare))
"""


@dataclass(frozen=True)
class WorkerOutcome:
    """What became of one worker. `run` is set only when it measured to the end."""

    status: Status
    run: Run | None = None
    loaded: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    hint: str | None = None
    cause: Cause = ""
    outputs_written: bool = False
    absent: bool = False
    """The device or what the runtime needs is not on this machine, whatever the model."""


def run_worker(
    job: WorkerJob, python: Path | None = None, *, timeout: float | None = None
) -> WorkerOutcome:
    """Run one job in a fresh process of `python` (this one by default) and wait for its outcome.

    `timeout` bounds each silence in seconds (by default what the job's protocol may take).
    """
    with scratch.folder() as folder, tempfile.TemporaryFile() as stderr:
        command = [
            str(python or sys.executable),
            "-P",
            "-c",
            _BOOTSTRAP,
            _package_home(),
            str(os.getpid()),
        ]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_environment(job, folder),
                start_new_session=True,
            )
        except OSError as error:
            message = f"cannot start {command[0]}: {error.strerror}"
            return WorkerOutcome(
                "crashed", error=message, hint="install Python again, or its packages"
            )
        _alive.add(process)
        try:
            return _listen(process, job, stderr, timeout)
        finally:
            _end(process)
            _alive.discard(process)


_alive: set[subprocess.Popen[bytes]] = set()
"""Workers that were started, by any thread, and have not ended."""


def end_workers() -> None:
    """Kill every worker that runs: each then is an outcome, "crashed", to whoever waits for it."""
    for process in tuple(_alive):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _listen(
    process: subprocess.Popen[bytes], job: WorkerJob, stderr: IO[bytes], timeout: float | None
) -> WorkerOutcome:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once, which is reported below
        process.stdin.write(job.to_json().encode() + b"\n")
        process.stdin.close()
    events = _EventReader(process.stdout)
    outcome = WorkerOutcome("crashed")
    while True:
        limit = timeout or _patience(job, outcome)
        event = events.next(limit)
        if event is _TIMED_OUT:
            doing = "loading" if not outcome.loaded else "measuring"
            message = f"no answer for {limit:.0f} s while {doing}; the worker was stopped"
            return WorkerOutcome("timeout", outcome.run, outcome.loaded, message)
        if event is None:
            break
        outcome = _absorb(outcome, event)
    if outcome.status == "crashed" or (
        outcome.status == "ok" and job.outputs is not None and not outcome.outputs_written
    ):
        return _crashed(process, outcome, stderr)
    return outcome


def _absorb(outcome: WorkerOutcome, event: Mapping[str, Any]) -> WorkerOutcome:
    """The outcome so far, and what an event adds."""
    kind = event.get("event")
    if kind == "loaded":
        return WorkerOutcome("crashed", loaded=event)
    if kind in ("probed", "inspected"):
        return WorkerOutcome("ok", loaded=outcome.loaded or event)
    if kind == "measured":
        return WorkerOutcome("ok", run_from_dict(event["run"]), outcome.loaded)
    if kind == "pass" and outcome.run is not None:
        passes = {**outcome.run.passes, event["name"]: event["found"]}
        return replace(outcome, run=replace(outcome.run, passes=passes))
    if kind == "outputs":
        return replace(outcome, outputs_written=True)
    status: Status = "unsupported" if event.get("status") == "unsupported" else "failed"
    return WorkerOutcome(
        status,
        outcome.run,
        outcome.loaded,
        event.get("message"),
        event.get("hint") or None,
        event.get("cause", ""),
        absent=event.get("absent") is True,
    )


def _crashed(
    process: subprocess.Popen[bytes], outcome: WorkerOutcome, stderr: IO[bytes]
) -> WorkerOutcome:
    code = process.wait()
    if code < 0:
        try:
            what = f"the worker was killed by {signal.Signals(-code).name}"
        except ValueError:
            what = f"the worker was killed by signal {-code}"
        hint = "out of memory?" if -code == signal.SIGKILL else None
    else:
        what = f"the worker ended with exit code {code} and no result"
        hint = None
    last = _last_line(stderr)
    message = f"{what}: {last}" if last else what
    return WorkerOutcome("crashed", outcome.run, outcome.loaded, message, hint)


def _last_line(stderr: IO[bytes]) -> str:
    """The last thing a worker said that is not blank, for the row's error."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - STDERR_TAIL_BYTES))
    text = stderr.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return shortened(lines[-1], 600) if lines else ""


def _patience(job: WorkerJob, outcome: WorkerOutcome) -> float:
    """Seconds of silence to bear before a worker counts as hanging."""
    if not outcome.loaded or job.protocol is None:
        return LOAD_TIMEOUT_SECS
    if outcome.run is None:
        measuring = job.protocol.warmup_max_secs + job.protocol.max_secs
        return LOAD_TIMEOUT_SECS + 4 * measuring
    return OUTPUTS_TIMEOUT_SECS + job.protocol.sustained_secs


class _EventReader:
    """Lines of a pipe as JSON events, with a limit on the waiting and on the size."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._pending = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)

    def next(self, timeout: float) -> dict[str, Any] | None:
        """The next event; None at the end of the pipe; `_TIMED_OUT` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self._selector.select(remaining):
                return _TIMED_OUT
            piece = os.read(self._pipe.fileno(), 1 << 20)
            if not piece or len(self._pending) > MAX_EVENT_BYTES:
                return None
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        try:
            event = json.loads(line)
        except ValueError:
            return None
        return event if isinstance(event, dict) else None


_TIMED_OUT: dict[str, Any] = {"event": "timed out"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that a worker and its children are gone and its pipes closed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _package_home() -> str:
    return str(Path(edgecnn.__file__).parent)


def _environment(job: WorkerJob, folder: Path) -> dict[str, str]:
    """The worker's environment: thread counts said to every library, GPUs hidden from CPU rows,
    temporary files in a folder that goes with it, streams that take every character.
    """
    threads = str(job.options.threads)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONWARNINGS": "ignore",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "TMPDIR": str(folder),
    }
    if job.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment

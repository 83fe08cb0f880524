"""Code inside a Dask worker: starts a trial's process and forwards its messages.

Standard library alone at the top: a worker imports this before anything else of edgecnn.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOPIC = "edgecnn-search"
MAX_FILE_BYTES = 512 << 20
MAX_LINE = 1 << 20
TAIL_BYTES = 2_000
PACKAGES = ("keras", "tensorflow", "numpy", "litert-quantizer", "ai-edge-litert")
"""Whose versions decide what a trial learns; they must be the client's."""

_running: dict[str, subprocess.Popen[str]] = {}
_stopped: set[str] = set()
_pausing = threading.Lock()
_paused = threading.Event()


def facts() -> dict[str, Any]:
    """Where a worker runs, and which versions it has."""
    from importlib import metadata

    from edgecnn import __version__

    versions = {"edgecnn": __version__, "python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {"versions": versions, "machine": this_machine(), "cores": os.cpu_count() or 1}


def this_machine() -> str:
    """What two processes of one machine have in common."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{socket.gethostname()} {boot.read_text(encoding='ascii').strip()}"
    except OSError:
        return socket.gethostname()


def run_trial(task: Mapping[str, Any]) -> dict[str, Any]:
    """Run a trial in a process of its own; the file that it made comes back as bytes.

    The answer's `event` is "done", "stopped" or "failed".
    """
    from edgecnn.system import scratch

    own = facts()["versions"]
    different = [
        f"{name} {version} here, {task['versions'].get(name, 'none')} there"
        for name, version in own.items()
        if task["versions"].get(name) != version
    ]
    if different:
        error = f"this worker has other versions than the client: {'; '.join(different)}"
        return {"event": "failed", "error": error, "hint": "install the same ones everywhere"}
    with scratch.folder() as folder:
        return _carried({**task, "folder": str(folder)}, folder)


def _carried(task: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    token, attempt = task["token"], secrets.token_hex(4)
    threads = str(task["threads"] or os.cpu_count() or 1)
    environment = {
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "GLOG_minloglevel": "3",
    }
    with (folder / "log").open("w+b") as log:
        with _pausing:
            process = subprocess.Popen(
                [sys.executable, "-m", "edgecnn.search.trial", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment,
                start_new_session=True,  # Ctrl-C on the client's terminal is the client's to handle
            )
            _running[token] = process
            if _paused.is_set():
                _suspend(process, on=True)
        try:
            return _heard(process, task, attempt, folder)
        finally:
            _running.pop(token, None)
            _stopped.discard(token)
            _end(process)


def _heard(
    process: subprocess.Popen[str], task: Mapping[str, Any], attempt: str, folder: Path
) -> dict[str, Any]:
    """Pass on events until the answer comes."""
    assert process.stdin is not None
    assert process.stdout is not None
    _tell(task["token"], attempt, {"event": "started", "pid": process.pid})
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
    while line := process.stdout.readline(MAX_LINE):
        message = json.loads(line)
        if message["event"] == "done":
            path = Path(message.pop("file"))
            if path.stat().st_size > MAX_FILE_BYTES:
                return {"event": "failed", "error": f"a file of more than {MAX_FILE_BYTES} bytes",
                        "hint": ""}  # fmt: skip
            return {**message, "content": path.read_bytes()}
        if message["event"] == "failed":
            return dict(message)
        _tell(task["token"], attempt, message)
    code = process.wait()
    if task["token"] in _stopped:
        return {"event": "stopped"}
    return {"event": "failed", "error": _why(code, folder), "hint": "", "died": True}


def _tell(token: str, attempt: str, message: Mapping[str, Any]) -> None:
    from distributed import get_worker

    worker = get_worker()
    worker.log_event(TOPIC, {"token": token, "attempt": attempt, "worker": worker.address,
                             **message})  # fmt: skip


def _why(code: int, folder: Path) -> str:
    """What is known of a process that ended without an answer."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        more = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{more}"
    log = (folder / "log").read_bytes()[-TAIL_BYTES:].decode(errors="replace").split("\n")
    last_line = next((line.strip() for line in reversed(log) if line.strip()), "no reason given")
    return f"its process ended with {code}: {last_line[:200]}"


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stop(token: str = "") -> None:
    """End a trial, or all of this worker, at once."""
    for name, process in list(_running.items()):
        if token in ("", name):
            _stopped.add(name)
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)


def pause(*, on: bool) -> None:
    """Halt all trials of this worker, also those that begin meanwhile, or let them go on: a latency
    is being measured here.
    """
    with _pausing:
        (_paused.set if on else _paused.clear)()
        for process in list(_running.values()):
            _suspend(process, on=on)


def _suspend(process: subprocess.Popen[str], *, on: bool) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        for each in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                (each.suspend if on else each.resume)()


def ignore_interrupts() -> None:
    """Ctrl-C on a terminal reaches every process there; only the client answers it."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)

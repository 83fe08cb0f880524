"""CPU affinity of a worker: set before the runtime is loaded, read back after the run.

Pinning is the process's own doing, not the runtime's, and therefore equal for all of them:
threads inherit the cores of the thread that starts them. Some runtimes move their threads
afterwards, so that what was asked is held against what every thread says.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError, UnsupportedError

TASKS = Path("/proc/self/task")


def pin(cores: Collection[int]) -> None:
    """Pin this process to `cores`; none leave it where the operating system puts it.

    Raises InputError for a core that this process may not use, UnsupportedError where the
    operating system has no such thing.
    """
    if not cores:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise UnsupportedError(
            "this operating system does not pin processes to cores",
            hint="benchmark without --affinity",
        )
    usable = os.sched_getaffinity(0)
    if not set(cores) <= usable:
        raise InputError(
            f"--affinity {_listed(cores)}: this process may use cores {_listed(usable)}",
            hint="a container or taskset may have taken the others away",
        )
    os.sched_setaffinity(0, cores)
    for thread in _threads():  # numpy's own were started when it was imported
        with contextlib.suppress(OSError):  # it ended meanwhile
            os.sched_setaffinity(thread, cores)


def observe() -> dict[str, Any]:
    """Cores of this process as the kernel reports them, its threads, and how many stray.

    `threads_elsewhere` counts threads that may run on a core the process itself may not.
    """
    if not hasattr(os, "sched_getaffinity"):
        return {"cores": None, "threads_seen": None, "threads_elsewhere": None}
    cores = os.sched_getaffinity(0)
    threads = _threads()
    return {
        "cores": sorted(cores),
        "threads_seen": len(threads),
        "threads_elsewhere": sum(not (_cores_of(thread) or cores) <= cores for thread in threads),
    }


def verify(cores: Collection[int], observed: dict[str, Any]) -> None:
    """Raise UnsupportedError when a process that was pinned is not where it was put."""
    if not cores:
        return
    if observed["cores"] != sorted(set(cores)) or observed["threads_elsewhere"]:
        raise UnsupportedError(
            f"pinned to cores {_listed(cores)}, but the process has {observed['cores']} and "
            f"{observed['threads_elsewhere']} of {observed['threads_seen']} threads run elsewhere",
            hint="the runtime places its threads itself: benchmark it without --affinity",
        )


def _threads() -> list[int]:
    try:
        return [int(path.name) for path in TASKS.iterdir()]
    except OSError:
        return []


def _cores_of(thread: int) -> set[int]:
    try:
        return os.sched_getaffinity(thread)
    except OSError:  # it ended meanwhile
        return set()


def _listed(cores: Collection[int]) -> str:
    return ",".join(str(core) for core in sorted(cores))

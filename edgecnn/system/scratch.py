"""Temporary files and folders that a later start removes when their owner was killed.

Names carry who made them: process id, its start time, the machine (or container), its boot. What
a killed process left behind is found by that and removed; what a live process uses, or one of
another machine or container that shares the folder, is never touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

PREFIX = "edgecnn-"
_OWNER = re.compile(r"\.?(?:.*\.)?edgecnn-(\d+)-(\d+)-([0-9a-f]{8})-([0-9a-f]{4})[.-].*")


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder under the folder for temporary files, removed at the end."""
    path = new_folder()
    try:
        yield path
    finally:
        remove_folder(path)


def new_folder() -> Path:
    """A new folder for whoever calls `remove_folder` later."""
    remove_stale(Path(tempfile.gettempdir()))
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{_token(os.getpid())}-"))


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it, as far as the system lets it go."""
    shutil.rmtree(path, ignore_errors=True)


def new_file(parent: Path, stem: str, suffix: str) -> Path:
    """A new empty file in `parent`, hidden, with this ending. Raises OSError."""
    remove_stale(parent)
    handle, name = tempfile.mkstemp(
        dir=parent, prefix=f".{stem}.{PREFIX}{_token(os.getpid())}.", suffix=suffix
    )
    os.close(handle)
    return Path(name)


@cache
def remove_stale(parent: Path) -> None:
    """Remove what dead owners left in `parent`; looked at once in a process."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if PREFIX in entry.name and is_stale(entry.name):
                _remove(Path(entry.path))


def is_stale(name: str) -> bool:
    """Whether a file or folder of this name belonged to a process of this machine that is gone."""
    match = _OWNER.fullmatch(name)
    if match is None or sys.platform == "win32":
        return False
    pid, start, place, boot = match.groups()
    if place != _place():
        return False
    return boot != _boot() or _start(int(pid)) != int(start)


def _remove(path: Path) -> None:
    """Remove what is ours: of this user, a plain file or a folder, never a link."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        if status.st_uid != os.getuid():
            return
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(path, ignore_errors=True)
        elif stat.S_ISREG(status.st_mode):
            path.unlink()


def _token(pid: int) -> str:
    return f"{pid}-{_start(pid) or 0}-{_place()}-{_boot()}"


def _start(pid: int) -> int | None:
    """When a process started, in ticks since boot; None when it is gone, 0 where unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0 if _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@cache
def _place() -> str:
    """This machine or container: process ids mean something within it only."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    import hashlib
    import socket

    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:8]


@cache
def _boot() -> str:
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (OSError, ValueError):
        text = ""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:4]

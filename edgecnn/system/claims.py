"""Lock outputs: one process at a time.

Two commands with one `--out` would both read what is there, both work for minutes, and the last
one's rows would be all that is left. The second is refused instead, before it has done anything.
The lock is the operating system's: it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edgecnn.errors import InputError

LONGEST = 80
"""Of an output's name in that of its lock."""
_held: dict[Path, int] = {}
_guard = threading.Lock()


@contextmanager
def lock_outputs(*paths: Path) -> Iterator[None]:
    """Hold these outputs (files or folders, there or not yet) until the block ends.

    The same process may hold an output several times. Raises InputError when another process
    holds one, or when its folder cannot be written.
    """
    with ExitStack() as claims:
        for path in sorted({_real(path) for path in paths}):
            claims.enter_context(_claimed(path))
        yield


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    with _guard:
        held_already = path in _held
        if not held_already:
            _held[path] = _lock(path)
    try:
        yield
    finally:
        if not held_already:
            with _guard:
                _unlock(path, _held.pop(path))


def _real(path: Path) -> Path:
    """The path without links, so that two names of one output are one."""
    return Path(os.path.realpath(path))


def _lock_file(path: Path) -> Path:
    name = path.name
    if len(name) > LONGEST:  # what begins with the same words may be another output
        name = f"{name[:LONGEST]}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:12]}"
    return path.with_name(f".{name}.lock")


def _lock(path: Path) -> int:
    """A descriptor that holds the lock, -1 where the system (Windows) or the folder has none."""
    if os.name != "posix":
        return -1
    import fcntl

    lock = _lock_file(path)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = _holder(descriptor)
                os.close(descriptor)
                raise InputError(
                    f"{path} is being written by another edgecnn{holder}",
                    hint="wait until it is done, or choose another --out",
                ) from error
            except OSError:  # a file system without locks
                os.close(descriptor)
                return -1
            if _is_still(lock, descriptor):
                break
            os.close(descriptor)  # whoever held it removed the file meanwhile
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", hint="choose another --out"
        ) from error
    return descriptor


def _unlock(path: Path, descriptor: int) -> None:
    if descriptor >= 0:
        _lock_file(path).unlink(missing_ok=True)  # before it is free: nobody else has it yet
        os.close(descriptor)


def _is_still(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    content = os.pread(descriptor, 20, 0)
    return f" (process {int(content)})" if content.isdigit() else ""

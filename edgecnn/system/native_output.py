"""Capture what native libraries write to standard output and error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Collect the lines that the whole process writes to standard error meanwhile.

    The list is filled when the block ends, also by an exception. A standard error that was
    closed by whoever started the process stays closed, and the list empty.
    """
    with _captured((2,)) as lines:
        yield lines


@contextmanager
def captured_output() -> Iterator[list[str]]:
    """As `captured_stderr`, for standard output and error together."""
    with _captured((1, 2)) as lines:
        yield lines


@contextmanager
def _captured(descriptors: Sequence[int]) -> Iterator[list[str]]:
    lines: list[str] = []
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with tempfile.TemporaryFile() as file, ExitStack() as undo:
        for descriptor in descriptors:
            try:
                saved = os.dup(descriptor)
            except OSError:
                continue
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, descriptor)
            os.dup2(file.fileno(), descriptor)
        try:
            yield lines
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            undo.close()
            file.seek(0)
            lines.extend(file.read().decode("utf-8", "replace").splitlines())

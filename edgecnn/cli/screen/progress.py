"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import click

from edgecnn.cli.screen import timeline
from edgecnn.progress import Progress

LINE_EVERY_SECS = 10.0
SILENCE_SECS = 30.0
"""After so long without a line, one says that work continues."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a Progress that is drawn on standard error while the block runs."""
    noted = timeline.current()
    if sys.stderr is not None and sys.stderr.isatty():
        with _bar() as progress:
            yield noted.through(progress)
        return
    lines = _Lines()
    finished = threading.Event()
    # Asleep but for an instant every half minute: a worker that measures is not disturbed.
    speaker = threading.Thread(target=lines.repeat_until, args=(finished,), daemon=True)
    speaker.start()
    try:
        yield noted.through(lines)
    finally:
        finished.set()
        speaker.join()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[message]}", markup=False),
    )
    tasks: dict[str, TaskID] = {}
    # Two redraws a second: the parent must not disturb a worker that measures at the same time.
    with Bar(*columns, console=Console(stderr=True), refresh_per_second=2) as bar:

        def progress(stage: str, done: int, total: int, message: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, message=message)
            bar.update(tasks[stage], completed=done, total=total, message=message[:60])

        yield progress


class _Lines:
    """A line when a stage begins and ends and every few seconds in between, with the time left.

    Stages may run side by side: each board is one.
    """

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._last_line_at = 0.0
        self._line = "working"

    def repeat_until(self, finished: threading.Event) -> None:
        """Repeat the last line, with the time since, whenever nothing was said for long."""
        began = time.monotonic()
        while not finished.wait(SILENCE_SECS):
            now = time.monotonic()
            if now - max(self._last_line_at, began) >= SILENCE_SECS - 1:
                silent = timedelta(seconds=round(now - max(self._last_line_at, began)))
                click.echo(f"{self._line} … still working ({silent})", err=True)

    def __call__(self, stage: str, done: int, total: int, message: str = "") -> None:
        now = time.monotonic()
        current = self._stages.get(stage)
        if current is None or current.total != total:  # what a resumed stage had done took no time
            last_line_at = current.last_line_at if current else -LINE_EVERY_SECS
            current = self._stages[stage] = _Stage(total, now, done, last_line_at)
        if done >= total:
            self._stages.pop(stage)  # the same stage may begin again
        elif now - current.last_line_at < LINE_EVERY_SECS:
            return
        current.last_line_at = self._last_line_at = now
        line = self._line = f"{stage}: {done}/{total} {message}".rstrip()
        click.echo(line + current.left(now, done), err=True)


@dataclass
class _Stage:
    """How far a stage was when it began, and when a line was last said of it."""

    total: int
    began_at: float
    done_before: int
    last_line_at: float

    def left(self, now: float, done: int) -> str:
        """The time left, once there is anything to estimate it by."""
        if not self.done_before < done < self.total:
            return ""
        each = (now - self.began_at) / (done - self.done_before)
        return f" ({timedelta(seconds=round(each * (self.total - done)))} left)"

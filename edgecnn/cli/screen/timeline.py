"""Where a command's time went: a line at its end, and more of it with --debug."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator

import click

from edgecnn.cli.screen.messages import debugging, say
from edgecnn.progress import Progress

WORDS = {
    "": "start",
    "read": "reading data",
    "download": "download",
    "train": "training",
    "convert": "conversion",
    "limits": "machine limits",
    "report": "report",
}
"""What stages of the work are called here; others by their own name."""
MOST_LINES = 12
LEAST_SHARE = 0.01


class Timeline:
    """Seconds by stage, from one announcement of progress to the next."""

    def __init__(self) -> None:
        self._began = self._since = time.monotonic()
        self._stage = self._message = ""
        self._spent: defaultdict[tuple[str, str], float] = defaultdict(float)

    def through(self, progress: Progress) -> Progress:
        """`progress`, noted here on its way."""

        def noted(stage: str, done: int, total: int, message: str = "") -> None:
            self._close()
            self._stage, self._message = stage, message
            progress(stage, done, total, message)

        return noted

    def line(self, rows: int = 0) -> str:
        """The total and its parts: "78 s: training 9, conversion 14, 36 rows 52, report 3"."""
        self._close()
        by_stage: defaultdict[str, float] = defaultdict(float)
        for (stage, _), secs in self._spent.items():
            by_stage[stage] += secs
        total = self._since - self._began
        parts = [
            f"{_stage_name(stage, rows)} {_format_secs(secs)}"
            for stage, secs in by_stage.items()
            if secs >= LEAST_SHARE * total
        ]
        return f"{_format_secs(total)} s: {', '.join(parts)}"

    def details(self) -> Iterator[str]:
        """The longest single pieces of work, longest first."""
        longest = sorted(self._spent.items(), key=lambda item: -item[1])
        for (stage, message), secs in longest[:MOST_LINES]:
            yield f"{secs:8.2f} s  {WORDS.get(stage, stage)} {message}".rstrip()

    def _close(self) -> None:
        now = time.monotonic()
        self._spent[self._stage, self._message] += now - self._since
        self._since = now


def current() -> Timeline:
    """The timeline of the command that runs; one of its own where none does."""
    context = click.get_current_context(silent=True)
    shared = context.find_root().obj if context else None
    if not isinstance(shared, dict):
        return Timeline()
    timeline: Timeline = shared.setdefault("timeline", Timeline())
    return timeline


def print_summary(rows: int) -> None:
    """Print where the time went on standard error, with the longest pieces under --debug."""
    timeline = current()
    click.echo(timeline.line(rows), err=True)
    if debugging():
        for line in timeline.details():
            say(line)


def _stage_name(stage: str, rows: int) -> str:
    if stage == "benchmark" and rows:
        return f"{rows} {'row' if rows == 1 else 'rows'}"
    return WORDS.get(stage, stage)


def _format_secs(secs: float) -> str:
    return f"{secs:.1f}" if secs < 10 else f"{secs:.0f}"

"""Measure a converted file on its target: this machine, or a board over SSH."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

from edgecnn.benchmarking.protocol import Protocol, command_words
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.progress import Progress, silent
from edgecnn.results import Results
from edgecnn.results.measurements import Measurement

MEASURED = "measured"
"""The folder of results of files that a board measured, next to the files."""

Pause = Callable[[], AbstractContextManager[None]]


class MeasuringError(EdgeCNNError):
    """A file that the target does not run."""


class MeasurementTarget(Interface):
    """Where files are measured, one at a time."""

    @property
    def name(self) -> str:
        """As in "litert:cpu here" or "litert:cpu on rpi5"."""

    def measure(self, path: Path, pause: Pause) -> Measurement:
        """One file. Raises MeasuringError when it does not run there."""

    def compare(
        self, paths: Sequence[Path], out: Path, pause: Pause, progress: Progress = silent
    ) -> Results:
        """Several files in rounds side by side; results are written to `out`."""


@dataclass(frozen=True)
class LocalTarget:
    """This machine. Trials that run on it are halted while a file is measured."""

    runtime: str
    threads: int
    protocol: Protocol
    final: Protocol

    @property
    def name(self) -> str:
        return f"{self.runtime} here"

    def measure(self, path: Path, pause: Pause) -> Measurement:
        """In a few processes; see `MeasurementTarget`."""
        with pause():
            results = self._benchmark([path], self.protocol, None, silent)
        return _only_row(results, path)

    def compare(
        self, paths: Sequence[Path], out: Path, pause: Pause, progress: Progress = silent
    ) -> Results:
        """In interleaved rounds; see `MeasurementTarget`."""
        if not _holds_exactly(out, paths):  # other finalists, before the search was resumed
            out.unlink(missing_ok=True)
        with pause():
            return self._benchmark(paths, self.final, out, progress)

    def _benchmark(
        self, paths: Sequence[Path], protocol: Protocol, out: Path | None, progress: Progress
    ) -> Results:
        from edgecnn.benchmarking.benchmark import JUDGING_PASSES, benchmark

        return benchmark(
            list(paths),
            (self.runtime,),
            threads=(self.threads,),
            protocol=protocol,
            passes=JUDGING_PASSES,
            out=out,
            previous=Results.load(out) if out is not None and out.exists() else None,
            progress=progress,
        )


@dataclass(frozen=True)
class BoardTarget:
    """A board over SSH, by its name in the inventory or its address. It takes one job at a time."""

    board: str
    runtime: str
    threads: int
    protocol: Protocol
    final: Protocol
    say: Callable[[str], None]

    @property
    def name(self) -> str:
        return f"{self.runtime} on {self.board}"

    def measure(self, path: Path, pause: Pause) -> Measurement:  # noqa: ARG002 (others work on)
        """As `edgecnn benchmark --on` does, results in a folder next to the file; see
        `MeasurementTarget`.
        """
        out = path.parent / MEASURED / f"{path.stem}.json"
        out.parent.mkdir(exist_ok=True)
        return _only_row(self._job([path], self.protocol, out), path)

    def compare(
        self,
        paths: Sequence[Path],
        out: Path,
        pause: Pause,  # noqa: ARG002
        progress: Progress = silent,  # noqa: ARG002
    ) -> Results:
        """All files in one job there; see `MeasurementTarget`."""
        return self._job(paths, self.final, out)

    def _job(self, paths: Sequence[Path], protocol: Protocol, out: Path) -> Results:
        from edgecnn.boards import inventory
        from edgecnn.boards.connection import JobError
        from edgecnn.boards.job import BoardJob
        from edgecnn.boards.queue import Queue
        from edgecnn.boards.work import measure_all
        from edgecnn.formats.check import digest_of

        (board,) = inventory.choose([self.board])
        words = ("--runtimes", self.runtime, "--threads", str(self.threads))
        job = BoardJob(
            {digest_of(path)[0]: path for path in paths}, (*words, *command_words(protocol))
        )
        out.unlink(missing_ok=True)  # of other finalists, before the search was resumed
        queue = Queue.open()
        try:
            outcome = measure_all(queue, [board], job, {board.name: out}, self.say)
        finally:
            queue.close()
        error = outcome.errors.get(board.name)
        if isinstance(error, JobError):
            raise MeasuringError(error.message, hint=error.hint) from error
        if error is not None:
            raise error
        return outcome.results[board.name]


def check_board(name: str) -> None:
    """Raise InputError for a name that is not one board's."""
    from edgecnn.boards import inventory

    boards = inventory.choose([name])
    if len(boards) != 1:
        raise InputError(
            f"--on takes one board, {name!r} matches {len(boards)}",
            hint="a search measures every file at one place",
        )


def _holds_exactly(out: Path, paths: Sequence[Path]) -> bool:
    """Whether a results file is of these files and no others, so that all share its rounds."""
    from edgecnn.formats.check import digest_of

    if not out.exists():
        return False
    measured = {row.artifact.sha256 for row in Results.load(out).measurements}
    return measured == {digest_of(path)[0] for path in paths}


def _only_row(results: Results, path: Path) -> Measurement:
    rows = [row for row in results.measurements if row.artifact.name == path.name]
    if not rows:
        raise MeasuringError(f"{path.name}: nothing was measured")
    row = rows[-1]
    if row.status != "ok" or row.latency is None:
        raise MeasuringError(
            f"{row.configuration}: {row.error or '; '.join(row.reasons) or row.status}",
            hint=row.hint or "",
        )
    return row

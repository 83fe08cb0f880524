"""A job for a board: what to measure, what it is known by, and which results are of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.boards.inventory import Board
from edgecnn.errors import EdgeCNNError
from edgecnn.results import Results

_FILE = "{file:"


@dataclass(frozen=True)
class BoardJob:
    """Models to measure and the other words of `edgecnn benchmark`.

    `files` are other files that the words name, by the name that `file_word` gives them there.
    """

    models: Mapping[str, Path]
    """sha256 → file."""
    words: tuple[str, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    """sha256 → file."""
    command: str = ""
    """What the user typed; noted in the results."""
    repeat: tuple[str, ...] = ()
    """What the command line here says besides the row's own options; noted in the results."""
    nonce: str = ""
    """Distinguishes a new measurement from an earlier one of the same job; empty where the same
    job is always the same measurement."""

    def name(self, code: str) -> str:
        """What the job is known by on a board."""
        identity = [sorted(self.models), self.words, self.nonce or code]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20]


def digest_of_job(board: Board, job: BoardJob) -> str:
    """What a job is known by here: the board's name, the models and the words."""
    identity = json.dumps([board.name, sorted(job.models), job.words])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def file_word(digest: str) -> str:
    """What stands in a job's words for the place that a file has on the board."""
    return f"{_FILE}{digest}}}"


def is_of(out: Path, board: Board, job: BoardJob) -> bool:
    """Whether a results file is of this job on this board."""
    try:
        results = Results.load(out)
    except EdgeCNNError:
        return False
    machine = results.environment.machine
    if "job" in machine:
        return bool(machine["job"] == digest_of_job(board, job))
    same = machine.get("name") == board.name and results.command == job.command
    return same and set(job.models) <= {row.artifact.sha256 for row in results.measurements}

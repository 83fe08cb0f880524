"""The machine's undisturbed probe time, remembered between sessions.

A session that runs next to a neighbor from its first to its last second cannot know it from its
own probes. The best of each of the last sessions lies in a file next to the isolated environments,
under a name made of the processor and the Python; the least of them is the machine's best. Old
sessions are forgotten, so that a machine that became slower for good is measured again in time.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.errors import EdgeCNNError
from edgecnn.files import write_text_atomically
from edgecnn.system.places import data_home

SESSIONS = 20
MOST_AGE_DAYS = 30.0
FEWEST_PROBES = 20
"""A session with fewer probes than these is not remembered."""
_VERSION = 2
"""Goes up when the kernels change, so that old files are not compared with."""


class QuietBaseline:
    """The remembered best of a machine; `machine` is the environment's."""

    def __init__(self, machine: Mapping[str, Any]) -> None:
        identity = [
            _VERSION,
            platform.python_version(),
            *(machine.get(name) for name in ("board", "cpu_model", "architecture")),
        ]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        self._path = data_home() / f"baseline-{digest}.json"

    def reference_ns(self, python: str) -> float | None:
        """The least of what recent sessions saw with that Python; None when nothing is known."""
        return min((each[1] for each in self._read().get(python, [])), default=None)

    def remember(self, python: str, reference_ns: float) -> None:
        """Add a session. Where the file cannot be written, nothing is remembered."""
        stored = self._read()
        sessions = [*stored.get(python, []), [time.time(), reference_ns]]
        document = {**stored, python: sessions[-SESSIONS:]}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(self._path, json.dumps(document) + "\n")
        except (OSError, EdgeCNNError):
            return

    def _read(self) -> dict[str, list[list[float]]]:
        """Sessions by Python: (seconds since the epoch, reference), recent ones alone."""
        try:
            document = json.loads(Path(self._path).read_text(encoding="utf-8"))
            oldest = time.time() - 86_400 * MOST_AGE_DAYS
            return {
                str(python): [
                    [float(value) for value in each]
                    for each in sessions
                    if len(each) == 2 and float(each[0]) > oldest and min(map(float, each)) > 0
                ]
                for python, sessions in document.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

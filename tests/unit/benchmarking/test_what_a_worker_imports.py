"""A worker starts dozens of times in a run: what it imports is time that measures nothing."""

from __future__ import annotations

import subprocess
import sys

PARENTS_WORK = (
    "edgecnn.data.base",
    "edgecnn.manifest",
    "edgecnn.results.measurements",
    "edgecnn.preprocessing",
    "edgecnn.results.results",
    "edgecnn.roofline",
    "concurrent.futures",
    "importlib.metadata",
    "socket",
    "zipfile",
)
"""What only the parent needs, and what only some scenarios and formats do."""


def test_a_worker_imports_nothing_of_its_parents_work():
    words = f"""
import sys, numpy
before = set(sys.modules)
import edgecnn.benchmarking.loop.worker, edgecnn.runtimes.litert
print(*sorted(set({PARENTS_WORK!r}) & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

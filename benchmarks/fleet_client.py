"""The client of `benchmarks/fleet.py`: its home, its model and how its commands begin."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.integration.boards.machines import Fleet  # noqa: E402

CLIENT = [sys.executable, "-c", "from edgecnn.cli import main; main()"]
WORDS = ("--quick", "--processes", "1", "--runtimes", "litert:cpu")


@contextmanager
def home() -> Iterator[Fleet]:
    """A client with a home, a key and a database of its own."""
    fleet = Fleet(Path(tempfile.mkdtemp(prefix="edgecnn-fleet-")))
    fleet.prepare()
    os.environ.update(HOME=str(fleet.home), EDGECNN_HOME=str(fleet.folder / "edgecnn"))
    os.environ["PYTHONPATH"] = str(ROOT)
    for name in ("SSH_AUTH_SOCK", "EDGECNN_DB"):
        os.environ.pop(name, None)
    try:
        yield fleet
    finally:
        fleet.stop()
        shutil.rmtree(fleet.folder, ignore_errors=True)


def model_in(folder: Path) -> Path:
    from tests.unit.formats.small_models import write_tflite

    return write_tflite(folder / "model.tflite")

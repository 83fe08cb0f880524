"""What a command must not import: it decides how fast it answers and what a device must install."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "tensorflow", "keras", "onnx", "onnxruntime", "cv2", "openvino", "rich", "altair")

SPY = """
import sys
from edgecnn.cli import invoke
code = invoke(sys.argv[2:])
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
print("LOADED", ",".join(loaded), file=sys.stderr)
sys.exit(code)
"""


def loaded_by(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", SPY, ",".join(HEAVY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("LOADED")
    return set(filter(None, last.removeprefix("LOADED").strip().split(",")))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["benchmark", "--help"], ["run", "--help"], ["env", "list"]],
    ids=" ".join,
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]):
    assert loaded_by(*arguments) == set()

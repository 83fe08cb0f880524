"""The plug-in of pytest that fails a run with a skip that nobody expects."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.documents import PROJECT

PASSES = "def test_passes():\n    pass\n"
MISSING_LIBRARY = "import pytest\npytest.importorskip('no_such_library')\n\n\n" + PASSES
MISSING_FOR_ONE = (
    "import pytest\n\n\ndef test_skips():\n    pytest.importorskip('no_such_library')\n"
)
EXPECTED = "import pytest\npytest.skip('torch is not installed', allow_module_level=True)\n"


def run(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "tests.strict_skips", "-q", *arguments]
    paths = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTEST_ADDOPTS": ""}
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (folder / "test_another.py").write_text(PASSES)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["one process", "xdist"])
@pytest.mark.parametrize(
    "program", [MISSING_LIBRARY, MISSING_FOR_ONE], ids=["a whole file", "one test"]
)
def test_a_missing_library_fails_the_run_and_is_named(tmp_path, program, processes):
    (tmp_path / "test_skipped.py").write_text(program)
    done = run(tmp_path, *processes)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "UNEXPECTED SKIP" in line)
    assert "test_skipped.py" in line
    assert "no_such_library" in line
    assert "1 passed" in done.stdout


def test_a_reason_on_the_list_is_no_failure(tmp_path):
    (tmp_path / "test_skipped.py").write_text(EXPECTED)
    done = run(tmp_path)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert "UNEXPECTED" not in done.stdout

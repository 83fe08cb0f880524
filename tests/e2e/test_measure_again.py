"""A reader copies a row's command from the report, pastes it, and compares."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.analysis.rows import collect
from edgecnn.results import Results

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(tmp_path):
    """Run a line in a shell, as pasted."""
    beside = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    "options",
    [
        "--data digits --strict-float32 --affinity 0",
        "--data 'arrays:my samples.npz' --scenario offline --streams 2 --threads 1,2",
    ],
)
def test_the_command_of_a_row_measures_it_again(shell, tmp_path, lenet_artifacts, digits, options):
    import numpy as np

    np.savez(
        tmp_path / "my samples.npz",
        x=digits["train"].samples[:90],
        y=digits["train"].labels[:90],
    )
    name = "-it's a model.tflite"
    shutil.copy(lenet_artifacts["tflite:float32"].path, tmp_path / name)
    first = shell(
        f"edgecnn benchmark --runtimes litert:cpu --quick --max-secs 0.4 --min-runs 20 {options} "
        '--out first.json -- "-it\'s a model.tflite"'
    )
    assert first.returncode == 0, first.stderr
    results = Results.load(tmp_path / "first.json")
    row = collect([results])[-1]
    again = shell(row.provenance.command)
    assert again.returncode == 0, again.stderr
    (out,) = tmp_path.glob("again-*.json")
    repeated = Results.load(out)
    assert repeated.protocol == results.protocol
    assert repeated.data == results.data
    (key,) = {each.key for each in repeated.measurements}
    assert key == results.measurements[-1].key
    compared = shell(f"edgecnn compare first.json {out.name} --out difference.json")
    assert compared.returncode in (0, 1), compared.stderr
    found = json.loads((tmp_path / "difference.json").read_text())
    assert len(found["changes"]) == 1
    assert found["refused"] == []

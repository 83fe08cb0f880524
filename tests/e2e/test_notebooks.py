"""The notebooks that are kept as scripts run from beginning to end, as a reader runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.reporting import extract
from edgecnn.results import Results
from tests.documents import PROJECT
from tests.unit.reporting import factory

DEMOS = PROJECT / "demos"
QUICKSTART = PROJECT / "benchmarks" / "results" / "quickstart" / "results.json"
NOTEBOOKS = sorted(
    path for path in DEMOS.glob("*.py") if "format_name: percent" in path.read_text()
)


def run(name: str, folder: Path, *arguments: object) -> str:
    source = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, str(DEMOS / name), *map(str, arguments)], cwd=folder, timeout=600,
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_two_and_each_cell_has_its_words():
    assert [path.name for path in NOTEBOOKS] == ["compare_machines.py", "own_keras_model.py"]
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert text.count("# %% [markdown]") >= 4
        assert text.startswith("# ---\n# jupyter:")


@pytest.mark.slow
def test_a_keras_model_of_ones_own_goes_all_the_way(tmp_path: Path):
    said = run("own_keras_model.py", tmp_path)
    out = tmp_path / "runs" / "own_keras_model"
    assert "own_static_int8.tflite: accuracy" in said
    (results,) = extract.read_any(out / "results.json")
    assert len(results.measurements) == 2
    assert (out / "report.html").exists()
    done = subprocess.run(
        [sys.executable, "-m", "own", "--self-test"], cwd=out / "shipped", capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_this_machine_is_compared_with_that_of_the_quickstart(tmp_path: Path):
    said = run("compare_machines.py", tmp_path)
    assert "lenet5_static_int8.tflite" in said
    machine = Results.load(QUICKSTART).environment.machine["cpu_model"]
    (machines,) = (line for line in said.splitlines() if line.startswith("machines: "))
    assert machine in machines
    assert len(machines.split("; ")) == 2
    assert (tmp_path / "runs" / "compare_machines" / "machines.html").exists()


def test_results_of_boards_are_compared_row_by_row(tmp_path: Path):
    factory.sample("Board A").save(tmp_path / "a.json")
    factory.sample("Board B", 2.6, 3).save(tmp_path / "b.json")
    said = run("compare_machines.py", tmp_path, "a.json", "b.json")
    assert "machines: Board A; Board B" in said
    ratios = [float(ratio) for ratio in re.findall(r"\((\d+\.\d+)×\)", said)]
    assert f"{len(ratios)} rows on every machine" in said
    assert ratios == pytest.approx([1 / 2.6] * len(ratios), abs=0.01)
    assert len(ratios) > 40
    assert "same or undecided" not in said

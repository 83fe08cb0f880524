"""`edgecnn optimize` and `edgecnn bundle` as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.cli import invoke
from tests.integration.optimization.conftest import plain

QUICK = ("--processes", "3", "--min-secs", "0.01", "--max-secs", "1.5", "--min-runs", "8")


@pytest.mark.slow
def test_the_answer_the_page_and_a_bundle_that_runs(made, tmp_path: Path, capsys):
    out, shipped = tmp_path / "search", tmp_path / "shipped"
    arguments = ["optimize", str(made(plain)), "--data", "digits", "--runtimes", "litert:cpu"]
    code = invoke([*arguments, *QUICK, "--bundle", str(shipped), "--out", str(out)])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "ship " in said
    assert "with 95% confidence" in said
    assert (out / "report.html").exists()
    evidence = json.loads(next(shipped.glob("*/evidence.json")).read_text())
    assert evidence["accepted"] is True
    (name,) = (path.parent.name for path in shipped.glob("*/bundle.json"))
    done = subprocess.run(
        [sys.executable, "-m", name, "--self-test"], cwd=shipped, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-drop", "0"], "--max-drop"),
        (["--max-latency", "soon"], "--max-latency"),
        (["--max-memory", "-1MB"], "--max-memory"),
        (["--max-size", "2 horses"], "--max-size"),
        (["--runtimes", "litret:cpu"], "litert"),
    ],
)
def test_limits_that_make_no_sense_are_refused_before_anything_runs(
    made, arguments: list[str], said: str, tmp_path: Path, capsys
):
    code = invoke(
        ["optimize", str(made(plain)), "--data", "digits", *arguments, "--out", str(tmp_path / "o")]
    )
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_bundle_needs_somewhere_to_go(made, capsys):
    assert invoke(["bundle", str(made(plain))]) == 2
    assert "nothing to write" in capsys.readouterr().err

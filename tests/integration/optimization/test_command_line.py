"""`edgecnn optimize` and `edgecnn bundle` as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.cli import invoke
from tests.integration.optimization.conftest import plain
from tests.unit.formats import small_models
from tests.unit.optimization.test_page import outcome
from tests.unit.reporting import factory

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


def test_a_bundle_that_has_no_place_is_refused_before_the_search(made, tmp_path: Path, capsys):
    place = tmp_path / "photos"
    place.mkdir()
    (place / "letter.txt").write_text("mine")
    out = tmp_path / "search"
    arguments = ["optimize", str(made(plain)), "--data", "digits", "--out", str(out)]
    assert invoke([*arguments, "--bundle", str(place), "--force"]) == 2
    assert "holds no bundle" in capsys.readouterr().err
    assert not out.exists()


def test_a_bundle_of_a_file_that_takes_four_samples_is_refused_before_the_search(tmp_path, capsys):
    four = [small_models.value(name, (4, 3)) for name in ("x", "y")]
    relu = small_models.node("Relu", ["x"], ["y"])
    model = small_models.write_onnx(
        tmp_path / "four.onnx", [relu], inputs=four[:1], outputs=four[1:]
    )
    out = tmp_path / "search"
    arguments = ["optimize", str(model), "--data", "digits", "--out", str(out)]
    assert invoke([*arguments, "--bundle", str(tmp_path / "shipped")]) == 2
    assert "takes 4 samples at once" in capsys.readouterr().err
    assert not out.exists()


def test_a_bundle_that_cannot_be_written_costs_no_line_of_the_answer(
    made, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    """The search is replaced by its answer, whose file then is not there to be packed."""
    brief = replace(outcome().choice.tried, measurement=factory.measurement())
    found = replace(outcome(), timed=(), tried=(brief,), sentences=("ship it",))
    out = tmp_path / "search"
    out.mkdir()
    monkeypatch.setattr("edgecnn.optimization.optimize.optimize", lambda *_, **__: found)
    arguments = ["optimize", str(made(plain)), "--data", "digits", "--out", str(out)]
    assert invoke([*arguments, "--bundle", str(tmp_path / "shipped")]) == 2
    said = capsys.readouterr()
    assert "ship it" in said.out
    assert f"report: {out / 'report.html'}" in said.out
    assert "choice.tflite" in said.err
    assert not (tmp_path / "shipped").exists()

"""Traps of the third kind: right numbers, and a conclusion that they do not carry."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edgecnn import reporting
from edgecnn.analysis.answer import Constraints, choose
from edgecnn.analysis.gate import GateBaseline, regression_gate
from edgecnn.analysis.rows import collect
from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.cli import invoke
from edgecnn.data.base import Split
from edgecnn.results import Results
from edgecnn.store import open_database
from edgecnn.store.sql import MeasurementFilter
from tests.traps.conftest import BRIEF
from tests.traps.test_what_comes_out import onnx_model
from tests.unit.store import made_up

SHORT = replace(BRIEF, min_secs=0.05, max_secs=0.2, max_runs=500)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return network(tmp_path / "small.onnx", 1)


def network(path: Path, layers: int) -> Path:
    """An .onnx file of that many matrix products."""
    from onnx import helper

    names = ["input", *(f"hidden{n}" for n in range(layers - 1)), "sums"]
    weights = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", [before, "weights"], [after])
        for before, after in pairwise(names)
    ]
    last = helper.make_node("MatMul", ["sums", "last"], ["output"])
    return onnx_model(path, *nodes, last, weights=weights, last=weights[:, :2].copy())


def measured(out: Path, *paths: Path, processes: int = 1, **more) -> Results:
    return benchmark(
        paths,
        ["onnxruntime:cpu"],
        protocol=replace(SHORT, processes=processes),
        passes=(),
        out=out,
        **more,
    )


def test_two_single_processes_of_one_row_are_never_faster_or_slower(small, tmp_path, capsys):
    for name in ("before", "after"):
        measured(tmp_path / f"{name}.json", small)
    code = invoke(["compare", str(tmp_path / "before.json"), str(tmp_path / "after.json")])
    said = capsys.readouterr().out
    assert code == 1
    assert "Not decided: 0 slower, 0 faster, 0 the same, 1 undecided" in said
    assert "too few to compare" in " ".join(said.split())


def test_a_repeat_in_several_processes_says_whether_it_reproduces(small, tmp_path, capsys):
    """The last line is for whoever pasted the command of a page."""
    for name in ("before", "after"):
        measured(tmp_path / f"{name}.json", small, processes=4)
    invoke(["compare", str(tmp_path / "before.json"), str(tmp_path / "after.json")])
    last = capsys.readouterr().out.strip().rpartition("configuration")[2]
    assert "reproduced" in last.lower()


def test_a_row_that_cannot_be_compared_forbids_no_regression(small, tmp_path, capsys):
    """Half of the file is damaged: what is left is not a reason to say that nothing changed."""
    other = network(tmp_path / "other.onnx", 3)
    whole = tmp_path / "whole.json"
    results = measured(whole, small, other, processes=3)
    damaged = tmp_path / "damaged.json"
    lost = str(results.measurements[0].runs[0].samples_ns[0])
    damaged.write_text(whole.read_text().replace(f"[{lost},", "[NaN,", 1), encoding="utf-8")
    for pair in ((whole, damaged), (damaged, whole), (damaged, damaged)):
        assert invoke(["compare", *map(str, pair)]) == 1
        said = capsys.readouterr()
        assert "No regression" not in said.out + said.err
        assert "Not compared" in said.out


def test_the_same_results_twice_are_one_machine(small, tmp_path, capsys):
    out = tmp_path / "results.json"
    results = measured(out, small)
    page = tmp_path / "twice.html"
    assert invoke(["report", str(out), str(out), "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "they count once" in text
    assert 'id="machines"' not in text
    reporting.write([results, results], tmp_path / "twice.md")
    assert (tmp_path / "twice.md").read_text(encoding="utf-8").count("<sub>") == 1


def test_the_smallest_of_different_networks_is_no_answer(small, tmp_path):
    large = network(tmp_path / "large.onnx", 20)
    choices = choose(collect([measured(tmp_path / "results.json", small, large)]))
    assert [choice.row.artifact for choice in choices] == ["small.onnx", "large.onnx"]
    assert all(choice.measured == 1 for choice in choices)


def test_a_perfect_score_on_a_handful_of_samples_keeps_no_limit(lenet_artifacts, digits, tmp_path):
    test = digits["test"]
    few = replace(
        digits,
        splits={**digits.splits, "test": Split(test.samples[:36], test.labels[:36])},
    )
    files = [lenet_artifacts[name].path for name in ("onnx:float32", "tflite:static_int8")]
    results = benchmark(
        files,
        ["onnxruntime:cpu", "litert:cpu"],
        protocol=SHORT,
        passes=(),
        data=few,
        out=tmp_path / "results.json",
    )
    rows = collect([results])
    assert {row.correctness.accuracy_n for row in rows} == {36}
    (choice,) = choose(rows, Constraints(drop=6, objective="size"))
    assert choice.row.recipe == "static_int8"
    assert choice.row.drop_bound > 6  # Tango's bound for 36 samples is 6.99 points at best
    assert "Undecided: 36 samples cannot show whether the drop is within 6 points" in (
        choice.sentence
    )


def test_a_page_is_compared_with_the_repeat_of_its_row(small, tmp_path, capsys):
    for name in ("before", "after"):
        measured(tmp_path / f"{name}.json", small, processes=3)
    page = str(tmp_path / "report.html")
    assert invoke(["report", str(tmp_path / "before.json"), "--out", page]) == 0
    assert invoke(["compare", page, str(tmp_path / "after.json")]) in (0, 1)
    assert "of 1 configuration" in capsys.readouterr().out
    both = str(tmp_path / "both.html")
    files = [str(tmp_path / f"{name}.json") for name in ("before", "after")]
    assert invoke(["report", *files, "--out", both]) == 0
    assert invoke(["compare", both, files[0]]) == 2
    assert "holds 2 results" in capsys.readouterr().err


def test_one_odd_session_is_no_change_and_two_that_agree_by_chance_make_no_regression(tmp_path):
    odd = [1.8 if day == 11 else 1.0 for day in range(20)]
    with open_database(str(tmp_path / "results.db")) as database:
        for day, factor in enumerate(odd):
            database.add(made_up.session(day, factor))
        (series,) = database.history(MeasurementFilter("net0"))
        assert not series.changes
        same = made_up.session(40, session_spread=0.0)
        database.add(same, label="twice")
        database.add(made_up.session(41, seed=1_040, session_spread=0.0), label="twice")
        new = made_up.session(42, 1.012, seed=1_040, session_spread=0.0)
        (stored,) = database.baselines(new, "twice")
    assert len(stored.rows) == 2
    found = regression_gate([(new.measurements[0], GateBaseline(stored.rows))], "twice")
    assert not found.failed

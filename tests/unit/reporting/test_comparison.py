"""What a comparison says in a terminal, in Markdown, HTML and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from edgecnn.analysis.compare import Comparison, RowChange, compare
from edgecnn.reporting import comparison
from edgecnn.statistics.interval import Interval
from tests.unit.reporting import factory


def test_a_repeat_on_the_same_machine_is_reproduced_or_not_by_how_much(results):
    def again(slowdown, seed, processes=10):
        rng = np.random.default_rng(seed)
        row = factory.measurement(slowdown=slowdown, rng=rng, processes=processes)
        return replace(results, measurements=(row,))

    first = again(1.0, 1)
    assert comparison.reproduced(compare(first, again(1.0, 2))).startswith("Reproduced: ")
    line = comparison.reproduced(compare(first, again(1.2, 3)))
    assert line.startswith("Not reproduced (1 of 1): lenet5.float32.tflite on litert:cpu ×1 is ")
    assert "% slower [" in line
    one = comparison.reproduced(compare(first, again(1.0, 4, processes=1)))
    assert one.startswith("Undecided whether it is reproduced (1 of 1)")
    assert "--processes" in one


def test_another_machine_or_other_software_is_no_repeat(results):
    other = replace(results, environment=factory.environment("Board", "Other CPU"))
    assert comparison.reproduced(compare(results, other)) == ""


@pytest.mark.parametrize("slowdown", [1.0, 1.15])
def test_renderings_say_the_answer(results, slowdown):
    found = compare(results, factory.sample(slowdown=slowdown, seed=9))
    answer = "Regression" if slowdown > 1 else "No regression"
    console = Console(width=100)
    with console.capture() as said:
        console.print(comparison.terminal(found))
    assert answer in said.get()
    assert comparison.markdown(found).startswith(f"**{answer}")
    assert answer in comparison.html(found)
    assert json.loads(comparison.summary(found))["regressed"] == (slowdown > 1)


def one_change(bounds, processes=(5, 5), lack=""):
    """A comparison of one row at 1.02 times its time, undecided."""
    change = RowChange(
        "row", 1.0, 1.02, Interval.around(1.02, bounds), "undecided", False, lack, processes
    )
    return Comparison((change,), 0.025)


def test_a_side_that_was_disturbed_all_the_time_is_not_called_too_few_processes():
    said = comparison.markdown(one_change(None, lack="a neighbor shared the core"))
    assert "too few processes" not in said
    assert "Undecided: row: a neighbor shared the core; measure on a quieter machine" in said
    few = comparison.markdown(one_change(None, (1, 5), "one process on one side"))
    assert "one process on one side; measure with --processes 5" in few


@pytest.mark.parametrize(
    ("bounds", "answer"),
    [((0.99, 1.02), "No regression: "), ((0.8, 2.8), "No regression found: ")],
)
def test_an_interval_that_does_not_exclude_a_regression_is_heard(bounds, answer):
    said = comparison.verdict(one_change(bounds))
    assert said.startswith(answer)
    assert "(threshold 2.5%)" in said


def test_hostile_names_break_no_rendering(hostile):
    found = compare(hostile, hostile)
    page = comparison.html(found)
    assert "<script" not in page
    assert "<img" not in page
    for line in comparison.markdown(found).splitlines():
        assert "<script" not in line.replace("\\<", "")  # written out, it is text in Markdown
    json.loads(comparison.summary(found))

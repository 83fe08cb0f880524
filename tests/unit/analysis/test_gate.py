"""The gate: what fails, what does not, and what it says."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.analysis.gate import GateBaseline, regression_gate
from edgecnn.errors import InputError
from edgecnn.reporting import gate as words
from tests.unit.reporting import factory
from tests.unit.store import made_up


def row(seed, slowdown=1.0, *, session_spread=0.008, **changes):
    return made_up.session(seed, slowdown, session_spread=session_spread, **changes).measurements[0]


def stored(count, *, first=0, session_spread=0.008):
    return tuple(row(first + seed, session_spread=session_spread) for seed in range(count))


@pytest.mark.parametrize("sessions", [1, 3, 12])
def test_unchanged_code_fails_in_one_of_a_hundred_gates_at_most(sessions):
    failed = 0
    for trial in range(100):
        base = GateBaseline(stored(sessions, first=1_000 * trial))
        failed += regression_gate([(row(1_000 * trial + 999), base)], "main").failed
    assert failed <= 1


def test_a_gate_over_many_rows_fails_no_more_often():
    failed = 0
    for trial in range(20):
        pairs = [
            (
                row(50_000 + 100 * trial + number),
                GateBaseline(stored(4, first=100 * trial + 7 * number)),
            )
            for number in range(10)
        ]
        failed += regression_gate(pairs, "main").failed
    assert failed <= 1


def test_the_slowdown_that_a_row_would_show_is_shown_in_95_of_100():
    found = 0
    for trial in range(50):
        base = GateBaseline(stored(12, first=1_000 * trial))
        honest = regression_gate([(row(1_000 * trial + 998), base)], "main").rows[0]
        slower = row(1_000 * trial + 999, honest.detectable)
        found += regression_gate([(slower, base)], "main").failed
    assert found >= 45


def beside(slowdown, seed):
    """Two rows measured in the same ten rounds; what slows a round slows both."""
    rng = np.random.default_rng(seed)
    common = rng.lognormal(0, 0.05, 10)
    rows = []
    for factor in (1.0, slowdown):
        base = factory.measurement(processes=10, samples=40, rng=rng)
        runs = tuple(
            replace(
                run,
                samples_ns=tuple(
                    int(30_000 * factor * common[index] * rng.normal(1, 0.004) + offset)
                    for offset in range(20)
                ),
            )
            for index, run in enumerate(base.runs)
        )
        rows.append(replace(base, runs=runs))
    return rows


def test_beside_its_baseline_three_percent_are_found_and_nothing_else():
    found = alarms = 0
    for seed in range(100):
        old, new = beside(1.03, seed)
        found += regression_gate([(new, GateBaseline(remeasured=old))], "main").failed
        old, new = beside(1.0, 1_000 + seed)
        alarms += regression_gate([(new, GateBaseline(remeasured=old))], "main").failed
    assert found >= 95
    assert alarms <= 1


def test_a_slowdown_is_a_sentence_with_its_interval_and_what_it_was_held_against():
    found = regression_gate([(row(99, 1.2), GateBaseline(stored(6)))], "main")
    assert found.failed
    said = words.sentence(found.rows[0], "main")
    assert said.startswith("net0.float32.tflite on litert:cpu ×1 is ")
    assert "slower than main [+" in said
    assert said.endswith("against 6 stored sessions.")
    assert words.headline(found) == "Regression against main: 1 slower of 1 configuration."


def test_a_sure_slowdown_below_the_threshold_passes():
    base = GateBaseline(tuple(row(seed, session_spread=0.0) for seed in range(30)))
    slower = row(99, 1.06, session_spread=0.0)
    assert regression_gate([(slower, base)], "main").failed
    found = regression_gate([(slower, base)], "main", threshold=0.10)
    assert not found.failed
    assert found.rows[0].detectable > 1.10  # less than the threshold is never called slower


def test_accuracy_that_fell_fails_whatever_the_speed():
    base = replace(row(1), accuracy=factory.answered(355))
    worse = replace(row(2), accuracy=factory.answered(300))
    (judged,) = regression_gate([(worse, GateBaseline((base,)))], "main").rows
    assert judged.outcome == "less accurate"
    assert "points less accurate than main" in words.sentence(judged, "main")


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "INVALID", "reasons": ("the output is the same for every input",)},
        {"status": "crashed", "runs": (), "verdict": None, "error": "killed by SIGSEGV"},
    ],
)
def test_what_worked_and_does_not_any_more_fails(changes):
    broken = replace(row(9), **changes)
    found = regression_gate([(broken, GateBaseline(stored(3)))], "main")
    assert found.failed
    assert "no longer does" in words.sentence(found.rows[0], "main")


def test_a_new_configuration_fails_nothing():
    found = regression_gate(
        [(row(1), GateBaseline(why="no row of this configuration is stored as main"))], "main"
    )
    assert not found.failed
    assert found.rows[0].outcome == "new"


def test_one_process_decides_nothing():
    single = row(1, 3.0, processes=1)
    (judged,) = regression_gate([(single, GateBaseline(stored(5)))], "main").rows
    assert judged.outcome == "undecided"
    assert "3 are needed" in words.sentence(judged, "main")


def test_two_sessions_that_agree_by_chance_do_not_make_a_third_a_regression():
    same = row(5, session_spread=0.0)
    base = GateBaseline((same, same))
    (judged,) = regression_gate([(row(6, 1.012, session_spread=0.0), base)], "main").rows
    assert judged.outcome in ("undecided", "same")


def test_a_row_that_never_was_undisturbed_decides_nothing():
    quiet = factory.watched(row(1), contended=0.3)
    noisy = factory.watched(row(2, 1.5), contended=0.3)
    runs = tuple(
        replace(run, blocks=tuple(replace(block, quiet=False) for block in run.blocks))
        for run in noisy.runs
    )
    (judged,) = regression_gate(
        [(replace(noisy, runs=runs), GateBaseline((quiet,) * 3))], "main"
    ).rows
    assert judged.outcome == "undecided"
    assert "neighbor" in judged.why


def test_a_threshold_that_is_none_is_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        regression_gate([], "main", threshold=1.5)


def test_the_markdown_is_harmless_whatever_the_names(hostile):
    pairs = [(each, GateBaseline((each,))) for each in hostile.measurements]
    text = words.markdown(regression_gate(pairs, "main"))
    assert not re.search(r"(?<!\\)<(script|img|svg)", text)

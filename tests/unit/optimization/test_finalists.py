"""Rows of the same rounds are ranked by their rounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.recipe import PRESETS
from edgecnn.manifest import Artifact, Manifest
from edgecnn.optimization.candidates import SearchCandidate
from edgecnn.optimization.drops import BoundedDrop
from edgecnn.optimization.finalists import (
    MOST_RACED,
    _fastest,
    chances,
    in_order,
    together,
    undominated,
)
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.outcome import TimedCandidate
from edgecnn.results import Measurement, Results
from tests.unit.reporting import factory


def tried(
    name: str,
    rough_ms: float,
    recipe: str = "static_int8",
    lost: int = 0,
    n: int = 360,
    size: int = 9,
    gained: int = 0,
) -> SearchCandidate:
    artifact = Artifact(Path(f"{name}.tflite"), Manifest(recipe=recipe), name * 8, size)
    bound = 100 * 2.7055 / (n + 2.7055) + 200 * lost / n
    part = (lost - gained) / n
    drop = BoundedDrop(100 * part, bound, n, 0.95, lost, gained, "top1", 0.9, 0.9 - part)
    return SearchCandidate(artifact, PRESETS[recipe], "litert:cpu", drop, rough_ms)


def timed(
    one: SearchCandidate, milliseconds: list[float], verdict: str = "VALID"
) -> TimedCandidate:
    runs = tuple(
        replace(factory.run(each, np.random.default_rng(number)), round=number)
        for number, each in enumerate(milliseconds)
    )
    row: Measurement = factory.measurement(runs=runs, verdict=verdict)
    record = replace(row.artifact, name=one.artifact.name, sha256=one.artifact.sha256)
    return TimedCandidate(one, replace(row, artifact=record))


def test_a_noisy_row_that_is_faster_in_every_round_is_chosen():
    drifting = [1.0, 1.6, 1.1, 1.7, 1.2]
    fast = timed(tried("fast", 1.0), drifting, "NOISY")
    slow = timed(tried("slow", 1.2), [1.3 * each for each in drifting])
    assert list(in_order([slow, fast], Goal())) == [fast, slow]


def test_the_chance_to_be_fastest_is_drawn_from_shared_rounds():
    first = timed(tried("a", 1.0), [1.0, 1.1, 1.0, 1.1])
    second = timed(tried("b", 2.0), [2.0, 2.1, 2.0, 2.1])
    without = replace(first.measurement, runs=())
    *found, none = chances([first.measurement, second.measurement, without])
    assert found == pytest.approx([1.0, 0.0], abs=0.01)
    assert none is None


def test_a_slow_row_with_two_rounds_leaves_the_others_their_order():
    first, second = timed(tried("a", 1.0), [1.0] * 4), timed(tried("b", 2.0), [2.0, 2.1, 2.0, 2.1])
    slow = timed(tried("slow", 50.0), [50.0, 51.0])
    rows = [each.measurement for each in (first, slow, second)]
    fast, none, other = chances(rows)
    assert [fast, other] == pytest.approx([1.0, 0.0], abs=0.01)
    assert none is None
    assert chances([first.measurement, slow.measurement]) == [None, None]


def test_four_rounds_of_a_noisy_machine_make_no_order_certain():
    first = timed(tried("a", 1.0), [1.0, 1.4, 1.0, 1.3])
    second = timed(tried("b", 1.0), [1.02, 1.41, 1.3, 1.05])
    one, other = chances([first.measurement, second.measurement])
    assert one + other == pytest.approx(1.0)
    assert 0.2 < one < 0.8


def test_rows_that_share_no_rounds_are_ranked_by_medians_valid_ones_first():
    noisy = timed(tried("noisy", 1.0), [1.0, 1.1], "NOISY")
    valid = timed(tried("valid", 1.0), [1.3, 1.4, 1.5])
    assert list(in_order([noisy, valid], Goal())) == [valid, noisy]


def test_rows_of_an_earlier_search_take_turns_with_new_ones_again():
    """A resumed search keeps rows that shared their rounds, also where one has fewer of them."""
    old, new = (timed(tried(name, 1.0), [1.0] * 4).measurement for name in ("old", "new"))
    places = {(row.artifact.sha256, row.configuration, 1) for row in (old, new)}
    other = timed(tried("other", 1.0), [1.0] * 9).measurement
    alone = Results(measurements=(old, other))
    assert [row.artifact.name for row in together(alone, places).measurements] == ["other.tflite"]
    for runs in (4, 3, 1):
        both = Results(measurements=(old, replace(new, runs=new.runs[:runs])))
        assert together(both, places) is both
    later = replace(new, runs=tuple(replace(run, round=run.round + 4) for run in new.runs))
    assert not together(Results(measurements=(old, later)), places).measurements
    first = Results(measurements=(replace(old, runs=old.runs[:1]),))
    assert together(first, places) is first


def test_a_limit_on_latency_is_that_of_the_measured_median():
    one = timed(tried("a", 1.0), [2.0, 2.0, 2.0, 2.0])
    assert not list(in_order([one], Goal(max_latency_ms=1.5)))
    assert list(in_order([one], Goal(max_latency_ms=2.5))) == [one]


def test_the_best_float_file_races_along_however_slow_it_is():
    good = [tried(f"int{number}", 1 + number / 100) for number in range(MOST_RACED + 3)]
    slow = tried("float", 9.0, "float32")
    kept = undominated([*good, slow], Goal())
    assert slow in kept
    assert len(kept) == MOST_RACED + 1


def test_the_safest_file_races_along_however_slow_it_is():
    """A runtime that computes float files in bfloat16 is fast, and may lose an answer or two."""
    fast = [replace(tried(f"int{number}", 1.0, lost=1), noise=1e-3) for number in range(3)]
    rounded = replace(tried("rounded", 2.5, "float32"), noise=1e-5)
    exact = replace(tried("exact", 9.0, "float32"), noise=1e-13)
    exact_too = replace(tried("exact_too", 9.5, "float16"), noise=1e-12)
    kept = undominated([*fast, rounded, exact_too, exact], Goal())
    assert kept == [*fast, rounded, exact]


def test_what_is_too_slow_does_not_crowd_out_what_is_not():
    slow = [tried(f"slow{number}", 9.0, size=number + 1) for number in range(6)]
    quick = tried("quick", 3.0, size=50)
    assert quick in undominated([*slow, quick], Goal(objective="size", max_latency_ms=5.0))


def test_of_a_race_only_what_fits_into_memory_is_measured_in_full():
    raced = []
    for number in range(7):
        one = timed(tried(f"file{number}", 1.0), [1.0 + number / 100] * 2)
        rss = {"peak": 90_000_000 if number < 6 else 40_000_000}
        runs = tuple(replace(run, rss_bytes=rss) for run in one.measurement.runs)
        raced.append((one.tried, replace(one.measurement, runs=runs)))
    within = _fastest(raced, set(), Goal(max_memory_bytes=5e7))
    assert {digest for digest, *_ in within} == {raced[6][0].artifact.sha256}
    assert len(_fastest(raced, set(), Goal(max_memory_bytes=1e7))) >= 5


def test_the_smallest_file_is_kept_when_size_counts():
    small, large = tried("small", 9.0, size=5), tried("large", 1.0, size=50)
    row = [timed(large, [1.0] * 4), timed(small, [9.0] * 4)]
    sized = [
        replace(
            each,
            measurement=replace(
                each.measurement,
                artifact=replace(
                    each.measurement.artifact, size_bytes=each.tried.artifact.size_bytes
                ),
            ),
        )
        for each in row
    ]
    best = next(in_order(sized, Goal(objective="size")))
    assert best.tried is small

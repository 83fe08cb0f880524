"""Which trial wins, what is said of it, and what is said when none does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.search.outcome import SearchOutcome
from edgecnn.search.page import render
from edgecnn.search.parameter import parameter
from edgecnn.search.settings import DataName, SearchSettings, claim_folder
from edgecnn.search.space import SearchSpace
from edgecnn.search.trials import SearchGoal, Trial, TrialMeasurement

SPACE = SearchSpace("lenet5", (parameter("width", {"low": 0.25, "high": 1.0, "first": 1.0}),))


def trial(number: int, accuracy: float, latency_ms: float, **more) -> Trial:
    found = TrialMeasurement(accuracy, latency_ms, 10_000, 60_000_000)
    return Trial(number, "complete", {"width": 1.0 / (number + 1)}, found, first=number == 0,
                 **more)  # fmt: skip


TRIALS = (
    trial(0, 0.90, 4.0),
    trial(1, 0.91, 2.0),
    trial(2, 0.95, 6.0),
    trial(3, 0.80, 1.0),
    Trial(4, "pruned", {"width": 0.3}, accuracies=(0.1,), reason="below the median"),
    Trial(5, "failed", {"width": 0.3}, reason="<script>alert(1)</script>"),
)


def outcome(wanted: SearchGoal | None = None, trials=TRIALS) -> SearchOutcome:
    settings = SearchSettings("lenet5", DataName("digits"), wanted or SearchGoal())
    return SearchOutcome(settings, SPACE, "litert:cpu here", tuple(trials), epochs=5)


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (SearchGoal(), 1),  # the fastest that loses nothing against the first
        (SearchGoal(max_drop=10), 3),
        (SearchGoal(max_latency_ms=5), 1),  # the most accurate within the limit
        (SearchGoal(max_latency_ms=10), 2),
        (SearchGoal(max_latency_ms=1.5), 3),
        (SearchGoal(choice="accuracy"), 2),
        (SearchGoal(max_latency_ms=5, choice="latency", max_drop=100), 3),
    ],
)
def test_the_winner_is_the_best_within_the_limits(wanted: SearchGoal, number: int):
    best = outcome(wanted).best
    assert best is not None
    assert best.number == number


def test_the_front_is_what_no_other_beats():
    assert [each.number for each in outcome().front] == [3, 1, 2]


def test_without_a_winner_the_nearest_is_said_with_how_near_it_came():
    found = outcome(SearchGoal(max_latency_ms=0.5, max_size_bytes=20_000))
    assert found.best is None
    said = " ".join(found.sentences)
    assert "no trial meets the limits: latency of at most 0.5 ms, size of at most 20 kB" in said
    assert "closest: trial 3" in said
    assert "1 ms, 100% slower than allowed" in said


def test_without_a_measurement_that_is_said():
    assert outcome(trials=TRIALS[4:]).sentences[0] == "no trial came to a measurement"


def test_an_interrupted_search_says_the_best_so_far():
    found = replace(outcome(), interrupted=True).sentences
    assert found[0].startswith("interrupted; best so far: trial 1")
    assert found[1] == ("6 trials: 4 measured on litert:cpu here, 1 ended early, 1 failed")


def test_the_page_shows_front_trials_and_space_without_scripts_or_network():
    page = render(replace(outcome(), importances={"latency": {"width": 1.0}}))
    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert page.count("<circle") == 4
    for text in ("PED-ANOVA", "fastest so far", "below the median", "0.25 to 1"):
        assert text in page


def test_the_page_of_a_search_without_measurements_is_a_page():
    assert "Too few measured trials" in render(outcome(trials=TRIALS[4:]))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SearchGoal(("accuracy",)), "accuracy and something else"),
        (lambda: SearchGoal(("accuracy", "speed")), "unknown objective 'speed'"),
        (lambda: SearchGoal(max_drop=-1), "--max-drop"),
        (lambda: SearchSettings("lenet5", DataName("digits"), trials=0), "--trials"),
        (lambda: SearchSettings("lenet5", DataName("digits"), epochs=0), "--epochs"),
        (lambda: SearchSettings("lenet5", DataName("digits"), final_epochs=0), "--final-epochs"),
        (lambda: SearchSettings("lenet5", DataName("digits"), trial_threads=0), "--trial-threads"),
        (lambda: SearchSettings("lenet5", DataName("digits"), sampler="best"), "unknown sampler"),
        (lambda: SearchSettings("lenet5", DataName("digits"), pruning="all"), "unknown pruning"),
        (lambda: SearchSettings("lenet5", DataName("digits"), runtime="litret"), "unknown runtime"),
        (lambda: SearchSettings("lenet5", DataName("digits"), target="tflite"), "one target"),
        (
            lambda: SearchSettings("lenet5", DataName("digits"), target="ncnn:float32"),
            "tflite or onnx",
        ),
        (
            lambda: SearchSettings("lenet5", DataName("digits"), target="onnx:float32"),
            "does not read",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, said: str):
    with pytest.raises(InputError, match=said):
        make()


def test_int8_of_the_runtimes_format_is_the_default():
    assert SearchSettings("lenet5", DataName("digits")).file_target == "tflite:static_int8"
    onnx = SearchSettings("lenet5", DataName("digits"), runtime="onnxruntime:cpu")
    assert onnx.file_target == "onnx:static_int8"


def test_a_folder_belongs_to_one_search(tmp_path: Path):
    out = tmp_path / "out"
    record = SearchSettings("lenet5", DataName("digits")).record(SPACE, "abc")
    study = claim_folder(out, record, force=False)
    assert claim_folder(out, record, force=False) == study
    with pytest.raises(InputError, match="other settings \\(seed\\)"):
        claim_folder(out, {**record, "seed": 1}, force=False)
    assert claim_folder(out, {**record, "seed": 1}, force=True) != study
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(InputError, match="not empty and holds no search"):
        claim_folder(tmp_path / "full", record, force=False)

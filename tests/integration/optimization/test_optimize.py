"""From a model to the file to ship, with real converters and runtimes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import InputError
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.optimize import OptimizationSettings, optimize
from edgecnn.optimization.outcome import ANSWER_FILE, OptimizationOutcome
from edgecnn.optimization.page import write_page
from edgecnn.results import Results
from tests.integration.optimization.conftest import PROTOCOL, broken, digits, plain

LITERT = OptimizationSettings(Goal(), ("litert:cpu",), protocol=PROTOCOL)


@pytest.fixture(scope="module")
def answered(made, tmp_path_factory) -> tuple[OptimizationOutcome, Path, Path]:
    model, out = made(plain), tmp_path_factory.mktemp("out") / "search"
    return optimize(model, digits(), LITERT, out), model, out


def test_one_file_is_named_and_shown_to_keep_the_budget_on_fresh_samples(answered):
    outcome, _, out = answered
    assert outcome.accepted
    assert outcome.choice.tried.artifact.path.parent == out / "artifacts"
    assert outcome.claim.n == len(digits()["test"])
    assert outcome.claim.bound <= 1.0
    assert outcome.parts["search"] == len(digits()["validation"])
    assert "ship" in outcome.sentences[0]


def test_the_answer_lies_beside_the_files(answered):
    outcome, _, out = answered
    told = json.loads((out / ANSWER_FILE).read_text())
    assert told["choice"]["file"] == outcome.choice.tried.artifact.name
    assert told["accepted"] is True
    assert (
        json.loads((out / "recipe.json").read_text())["weights"]
        == told["choice"]["recipe"]["weights"]
    )


def test_the_same_again_asks_nothing_and_answers_the_same(answered, monkeypatch):
    from edgecnn.benchmarking import measurement_cache

    outcome, model, out = answered

    def forbidden(*_args: Any, **_options: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(measurement_cache.MeasurementCache, "_measure", forbidden)
    again = optimize(model, digits(), LITERT, out)
    assert again.choice.tried.artifact.sha256 == outcome.choice.tried.artifact.sha256
    assert again.claim == outcome.claim


def test_a_folder_of_another_search_is_refused(answered):
    _, model, out = answered
    with pytest.raises(InputError, match="other settings"):
        optimize(model, digits(), replace(LITERT, seed=7), out)


def test_the_page_shows_the_search_above_the_finalists(answered, tmp_path: Path):
    outcome, _, out = answered
    page = write_page(outcome, Results.load(out / "results.json"), tmp_path / "report.html")
    text = page.read_text()
    assert "Which file to ship" in text
    assert outcome.choice.tried.artifact.name in text
    assert "The path of the search" in text


def test_too_few_samples_for_the_budget_are_counted(answered, tmp_path: Path):
    _, model, out = answered
    tight = replace(LITERT, goal=Goal(max_drop=0.1))
    outcome = optimize(model, digits(), tight, out)
    assert not outcome.accepted
    assert any("cannot show whether the drop is within 0.1" in text for text in outcome.sentences)


def test_limits_that_nothing_keeps_are_answered_with_the_nearest_and_ways_out(answered):
    _, model, out = answered
    impossible = replace(LITERT, goal=Goal(max_size_bytes=100.0))
    outcome = optimize(model, digits(), impossible, out)
    assert not outcome.accepted
    assert outcome.choice is None
    assert outcome.nearest is not None
    assert any("the size" in text for text in outcome.sentences)
    assert any("quantization-aware" in text for text in outcome.ways_out)


@pytest.mark.slow
def test_an_interruption_leaves_the_best_so_far_and_resumes(made, tmp_path: Path):
    model, out = made(plain), tmp_path / "search"

    def interrupt(_stage: str, _done: int, _total: int, message: str = "") -> None:
        if "best so far" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(model, digits(), LITERT, out, progress=interrupt)
    told = json.loads((out / ANSWER_FILE).read_text())
    assert told["interrupted"] is True
    assert "best so far" in told["sentences"][0]
    assert optimize(model, digits(), LITERT, out).accepted


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert:cpu", "onnxruntime:cpu"])
def test_a_layer_that_int8_ruins_is_named_and_it_alone_stays_out_of_int8(
    made: Callable[..., Path], runtime: str, tmp_path: Path
):
    # 359 samples cannot show a loss below 1 point where a few answers change.
    settings = OptimizationSettings(
        Goal(max_drop=3, objective="size"), (runtime,), protocol=PROTOCOL
    )
    outcome = optimize(made(broken), digits(), settings, tmp_path / "search")
    assert outcome.accepted
    kept = outcome.choice.tried.recipe.per_layer
    assert len(kept) == 1
    assert "ruined" in kept[0][0]
    (costs,) = outcome.costs.values()
    assert any("ruined" in name for name in (costs[0].name, *costs[0].tensors))
    assert max(outcome.validations.values()) <= 12 + 5


def test_other_values_in_the_file_of_the_preprocessing_are_another_optimization(
    made, tmp_path, monkeypatch
):
    def interrupted(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecnn.optimization.optimize._OptimizationRun.outcome", interrupted)
    model = tmp_path / "nobody_says_how_it_is_fed.keras"
    shutil.copy(made(plain), model)
    values = digits().preprocessing((8, 8, 1)).to_dict()

    def again(name: str, scale: float) -> None:
        path = tmp_path / name
        path.write_text(json.dumps({**values, "scale": scale}))
        optimize(model, digits(), LITERT, tmp_path / "out", preprocessing=str(path))

    for name in ("first.json", "moved.json"):
        with pytest.raises(KeyboardInterrupt):
            again(name, 1 / 16)
    with pytest.raises(InputError, match=r"other settings \(preprocessing\)"):
        again("first.json", 1 / 255)

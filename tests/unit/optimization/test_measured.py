"""The answer from rows that are measured already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.analysis.answer import choose
from edgecnn.analysis.rows import collect
from edgecnn.conversion.recipe import Recipe
from edgecnn.manifest import Artifact, Manifest
from edgecnn.optimization.measured import answer
from edgecnn.results import Measurement, Results
from tests.unit.reporting import factory

RIGHT = 340


def rows(int8_right: int = RIGHT, first: int = 0) -> list[Measurement]:
    rng = np.random.default_rng(3)
    return [
        factory.measurement(
            file_format="keras", runtime="keras", accuracy=factory.answered(RIGHT), rng=rng
        ),
        factory.measurement(accuracy=factory.answered(RIGHT), rng=rng),
        factory.measurement(
            recipe="static_int8", accuracy=factory.answered(int8_right, first=first), rng=rng
        ),
    ]


def files(measured: list[Measurement]) -> list[Artifact]:
    return [
        Artifact(
            Path(row.artifact.name),
            Manifest(recipe=row.artifact.recipe),
            row.artifact.sha256,
            row.artifact.size_bytes,
        )
        for row in measured
        if row.artifact.format != "keras"
    ]


def test_the_fastest_that_shows_its_budget_is_the_answer():
    measured = rows()
    found = answer(Results(measurements=tuple(measured)), files(measured))
    assert found is not None
    assert found.accepted
    assert found.choice.tried.artifact.path.name == "lenet5.static_int8.tflite"
    assert found.claim.n == factory.N_TEST
    assert "100% likely to be the fastest" in found.sentences[1]
    assert found.to_dict()["choice"]["chance_best"] > 0.95


def test_a_faster_file_with_an_unshown_loss_is_passed_over_and_named():
    measured = rows(RIGHT - 1)
    found = answer(Results(measurements=tuple(measured)), files(measured))
    assert found is not None
    assert found.choice.tried.artifact.path.name == "lenet5.float32.tflite"
    assert any("static_int8" in text and "cannot show" in text for text in found.sentences)


def test_a_parent_that_only_guesses_gives_no_answer():
    measured = [
        factory.measurement(file_format="keras", runtime="keras", accuracy=None),
        factory.measurement(accuracy=None),
    ]
    assert answer(Results(measurements=tuple(measured)), files(measured)) is None


def test_without_the_models_own_row_a_float_file_is_the_parent():
    measured = rows()[1:]
    found = answer(Results(measurements=tuple(measured)), files(measured))
    assert found is not None
    assert found.model == "lenet5.float32.tflite"


def test_the_page_begins_with_the_file_that_is_shipped():
    """Also where it is noisy, and where a faster file is rejected."""
    *others, fastest = rows()
    for measured in ([*others, replace(fastest, verdict="NOISY")], rows(RIGHT - 1), rows()):
        results = Results(measurements=tuple(measured))
        found = answer(results, files(measured))
        (page,) = choose(collect([results]))
        assert page.row.artifact == found.choice.tried.artifact.path.name
        assert (page.row.drop, page.row.drop_bound) == (found.claim.points, found.claim.bound)


def test_the_answer_says_by_which_recipe_the_file_was_made():
    measured = rows()
    own = Recipe("int8", "int8", calibration="mse", equalized=True)
    said = {"recipe": {**own.to_dict(), "digest": own.digest}}
    made = [
        replace(each, manifest=Manifest(recipe=own.name, conversion=said))
        if each.manifest.recipe == "static_int8"
        else each
        for each in files(measured)
    ]
    found = answer(Results(measurements=tuple(measured)), made)
    assert found.choice.tried.recipe == own
    assert "(ranges by mse, equalized)" in found.sentences[0]


def test_a_file_of_an_unknown_recipe_is_not_taken_for_float32():
    measured = rows()
    made = [
        replace(each, manifest=Manifest(recipe="int4_weights"))
        if each.manifest.recipe == "static_int8"
        else each
        for each in files(measured)
    ]
    found = answer(Results(measurements=tuple(measured)), made)
    assert [each.artifact.path.name for each in found.tried] == ["lenet5.float32.tflite"]

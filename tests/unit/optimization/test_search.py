"""What a search gives up, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.benchmarking.measurement_cache import CachedMeasurement
from edgecnn.conversion.outcome import ConversionOutcome
from edgecnn.conversion.targets import Target
from edgecnn.data.base import Dataset, Split
from edgecnn.manifest import Artifact, Manifest
from edgecnn.optimization.drops import DropEstimator
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.search import Search
from edgecnn.optimization.space import ConfigurationSpace
from edgecnn.preprocessing import ImagePreprocessing
from tests.unit.optimization.test_finalists import tried
from tests.unit.reporting import factory

COUNT = 60
ANSWERS = np.eye(3, dtype=np.float32)[np.arange(COUNT) % 3]


class FilesInName:
    """In the place of a converter: files that nobody reads."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def make(self, target: Target) -> ConversionOutcome:
        name = str(target)
        self.made.append(name)
        parity = {"conversion": {"parity": {"snr_db": 10.0 + len(self.made)}}}
        artifact = Artifact(Path(f"{len(self.made)}.tflite"), Manifest(**parity), name, 1)
        return ConversionOutcome(target, "converted", artifact)


class SameOutputs:
    """In the place of the questions to workers: the same outputs for each of them."""

    def __init__(self, *outputs: np.ndarray) -> None:
        self._outputs = outputs

    def ask(self, *_: object) -> CachedMeasurement:
        return CachedMeasurement(factory.measurement(), self._outputs)


def search(
    goal: Goal,
    threads: Sequence[int] = (1,),
    outputs: np.ndarray = ANSWERS,
    claimed: int = 1000,
) -> Search:
    split = Split(np.zeros((COUNT, 2, 2), np.uint8), np.arange(COUNT) % 3)
    data = Dataset("made", "classification", tuple("abc"), {"test": split}, "ab", (2, 2))
    doubles: list[Any] = [FilesInName(), SameOutputs(outputs)]
    judge = DropEstimator(data, Manifest(), ImagePreprocessing(2, 2, 1), [ANSWERS])
    return Search(
        doubles[0],
        ConfigurationSpace({"tflite": ("litert:cpu",)}, ()),
        goal,
        doubles[1],
        judge,
        samples=[],
        reference=[ANSWERS],
        claimed=claimed,
        threads=threads,
    )


def test_a_file_whose_outputs_are_no_answers_is_not_mended():
    made = search(Goal(), outputs=np.zeros((COUNT, 7), np.float32))
    state = made.run()
    assert state.tried
    assert all(each.drop is None for each in state.tried)
    assert not {step.stage for step in state.path} & {"calibration", "lever", "layers"}


def test_a_file_that_loses_too_much_is_mended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgecnn.optimization.search.ranked", lambda *_, **__: [])
    state = search(Goal(), outputs=np.roll(ANSWERS, 1, axis=1)).run()
    assert {step.stage for step in state.path} >= {"calibration", "lever"}


@pytest.mark.parametrize(("rough_ms", "kept"), [(9.0, True), (18.0, True), (21.0, False)])
def test_a_brief_latency_of_twice_the_limit_is_given_up(rough_ms: float, kept: bool):
    one = tried("one", rough_ms, n=COUNT)
    assert search(Goal(max_latency_ms=10.0)).keeps(one) is kept


def test_a_file_that_is_too_slow_with_one_thread_is_measured_with_four():
    one = tried("one", 35.0, n=COUNT)
    assert search(Goal(max_latency_ms=10.0), threads=(1, 4)).keeps(one)
    assert not search(Goal(max_latency_ms=10.0), threads=(1,)).keeps(one)


@pytest.mark.parametrize("place", ["litert:cpu", "onnxruntime:cuda"])
def test_float16_is_passed_over_on_processors_alone_where_int8_is_good(place: str):
    made = search(Goal())
    for recipe, rough_ms in (("static_int8", 1.0), ("float32", 2.0)):
        made.state.tried.append(
            replace(tried(recipe, rough_ms, recipe, n=1000), configuration=place)
        )
    assert made._dominated("float16", place, "tflite") is (place == "litert:cpu")
    assert made._dominated("dynamic_int8", place, "tflite")


def test_float16_is_asked_about_where_int8_is_slower_than_float32():
    made = search(Goal())
    for recipe, rough_ms in (("static_int8", 3.0), ("float32", 2.0)):
        made.state.tried.append(tried(recipe, rough_ms, recipe, n=1000))
    assert not made._dominated("float16", "litert:cpu", "tflite")


@pytest.mark.parametrize(("claimed", "tries"), [(100, True), (300, False), (1000, True)])
def test_layers_are_tried_unless_the_samples_show_the_budget_of_unchanged_answers_alone(
    claimed: int, tries: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edgecnn.optimization.search.ranked", lambda *_, **__: [])
    made = search(Goal(), outputs=np.roll(ANSWERS, 1, axis=1), claimed=claimed)
    said = [step.found for step in made.run().path if step.stage == "layers"]
    assert any("where no answer changes" in each for each in said) is not tries

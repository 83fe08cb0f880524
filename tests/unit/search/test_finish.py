"""Which finalist is the winner where trials were shorter than a winner's training."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from edgecnn import data
from edgecnn.manifest import Artifact, Manifest
from edgecnn.progress import silent
from edgecnn.results import Results
from edgecnn.search import finish
from edgecnn.search.measuring import LocalTarget, MeasuringError
from edgecnn.search.outcome import SearchOutcome
from edgecnn.search.parameter import parameter
from edgecnn.search.settings import DataName, SearchSettings
from edgecnn.search.space import SearchSpace
from edgecnn.search.trials import SearchGoal, Trial, TrialMeasurement, with_drops
from tests.unit.formats.small_models import write_tflite
from tests.unit.reporting import factory

SPACE = SearchSpace("lenet5", (parameter("width", {"low": 0.25, "high": 1.0, "first": 1.0}),))


def trial(number: int, accuracy: float, latency_ms: float) -> Trial:
    measured = TrialMeasurement(accuracy, latency_ms, 1_000, 50_000_000)
    return Trial(number, "complete", {}, measured, first=number == 0)


FINALISTS = with_drops(
    [trial(0, 0.45, 0.4), trial(1, 0.47, 0.1), trial(2, 0.46, 0.2), trial(3, 0.46, 0.3),
     trial(4, 0.46, 0.35)]
)  # fmt: skip


@pytest.fixture
def reached(monkeypatch):
    """Number → the accuracy in the end; the trials that were trained, in order."""

    def given(accuracies: dict[int, float]) -> list[int]:
        order: list[int] = []

        def validated(one: Trial, job: object) -> Trial:
            order.append(one.number)
            return replace(one, measured=replace(one.measured, accuracy=accuracies[one.number]))

        monkeypatch.setattr(finish, "_validated", validated)
        return order

    return given


@pytest.mark.parametrize(
    ("accuracies", "order", "winner"),
    [
        ({0: 0.6, 1: 0.61}, [0, 1], 1),
        ({0: 0.6, 1: 0.47, 2: 0.6}, [0, 1, 2], 2),
        ({0: 0.6, 1: 0.47, 2: 0.5, 3: 0.62}, [0, 1, 2, 3], 3),
        ({0: 0.6, 1: 0.47, 2: 0.5, 3: 0.59, 4: 0.9}, [0, 1, 2, 3], 0),
    ],
)
def test_the_fastest_that_holds_in_the_end_wins(reached, accuracies, order, winner):
    trained_in_order = reached(accuracies)
    limits = SearchGoal().limits
    trained = finish._trained_longer(FINALISTS, limits, None)
    assert trained_in_order == order
    assert finish.selection.choose(trained, limits).best.number == winner
    assert [each.drop for each in trained] == pytest.approx(
        [100 * (accuracies[0] - accuracies[number]) for number in order]
    )


def test_the_most_accurate_in_the_end_wins_where_accuracy_is_the_objective(reached):
    trained_in_order = reached({0: 0.6, 1: 0.61, 2: 0.64, 3: 0.62})
    limits = SearchGoal(max_latency_ms=1.0).limits
    trained = finish._trained_longer(FINALISTS, limits, None)
    assert trained_in_order == [0, 1, 2, 3]
    assert finish.selection.choose(trained, limits).best.number == 2
    settings = SearchSettings("lenet5", DataName("digits"), SearchGoal(max_latency_ms=1.0))
    outcome = SearchOutcome(
        settings, SPACE, "litert:cpu here", tuple(FINALISTS), finalists=tuple(FINALISTS),
        trained=tuple(trained), final_epochs=20,
        winner=finish.Winner(trained[2], "m.keras", "m.tflite"),
    )  # fmt: skip
    assert "the most accurate of 4 networks trained for 20 epochs" in outcome.sentences


def test_where_none_holds_in_the_end_that_is_said(reached):
    reached({0: 0.6, 1: 0.5, 2: 0.5, 3: 0.5})
    wanted = SearchGoal(max_latency_ms=0.35, max_drop=1.0)
    trained = finish._trained_longer(FINALISTS, wanted.limits, None)
    outcome = SearchOutcome(
        SearchSettings("lenet5", DataName("digits"), wanted), SPACE, "litert:cpu here",
        tuple(FINALISTS), trained=tuple(trained), final_epochs=20,
    )  # fmt: skip
    assert outcome.winner is None
    said = " ".join(outcome.none())
    assert "4 networks trained for 20 epochs" in said
    assert "within all alone" not in said
    assert "10.00 points lost" in said


def measured_together(folder, slowdowns):
    """One row for each file; in each round a neighbor slows all rows by the same factor."""
    rng = np.random.default_rng(0)
    rounds = rng.lognormal(0, 0.3, 8)
    rows = []
    for number, slowdown in enumerate(slowdowns):
        row = factory.measurement(model=f"{number:04d}", processes=8, samples=30, rng=rng)
        times = [
            tuple(int(1e6 * slowdown * both * noise) for noise in rng.lognormal(0, 0.002, 30))
            for both in rounds
        ]
        runs = [
            replace(one, samples_ns=samples) for one, samples in zip(row.runs, times, strict=True)
        ]
        artifact = replace(
            row.artifact, name=f"{number:04d}.tflite", parent_sha256=f"{number:064d}"
        )
        rows.append(replace(row, artifact=artifact, runs=tuple(runs)))
    return Results(tuple(rows), factory.environment(), {"name": "quick"})


def test_finalists_are_compared_round_by_round_though_each_has_its_own_parent(tmp_path):
    class Together:
        name = "litert:cpu here"

        def compare(self, paths, out, pause, progress):
            assert [path.name for path in paths] == ["0000.tflite", "0001.tflite", "0002.tflite"]
            return measured_together(tmp_path, (1.0, 1.0, 0.9))

    (tmp_path / "trials").mkdir()
    for number in range(3):
        (tmp_path / "trials" / f"{number:04d}.tflite").write_bytes(b"")
    job = finish.SearchTask(
        SearchSettings("lenet5", DataName("digits")), SPACE, None, tmp_path, Together(), silent
    )
    first, second, third = finish._compared(FINALISTS[:3], job)
    assert third.paired_p50 / first.paired_p50 == pytest.approx(0.9, rel=0.01)
    assert second.number in first.ties or first.number in second.ties
    assert third.number not in first.ties
    settings = job.settings
    for winner, said in (
        (second, "as fast (statistically indistinguishable)"),
        (third, "1.11 times as fast"),
    ):
        outcome = SearchOutcome(
            settings, SPACE, "litert:cpu here", (first, second, third),
            finalists=(first, second, third), winner=finish.Winner(winner, "m.keras", "m.tflite"),
        )  # fmt: skip
        assert any(said in sentence for sentence in outcome.sentences), outcome.sentences


def test_finalists_of_a_search_that_was_resumed_are_measured_in_rounds_of_their_own(
    tmp_path, monkeypatch
):
    import hashlib

    calls = []
    monkeypatch.setattr(
        LocalTarget,
        "_benchmark",
        lambda self, paths, protocol, out, progress: calls.append(out.exists()),
    )
    here = LocalTarget("litert:cpu", 1, None, None)
    out = tmp_path / "finalists.json"
    results = measured_together(tmp_path, (1.0, 1.0))
    paths, rows = [], []
    for number, row in enumerate(results.measurements):
        paths.append(tmp_path / f"{number:04d}.tflite")
        write_tflite(paths[-1])
        paths[-1].write_bytes(paths[-1].read_bytes() + bytes(number))
        sha256 = hashlib.sha256(paths[-1].read_bytes()).hexdigest()
        rows.append(replace(row, artifact=replace(row.artifact, sha256=sha256)))
    replace(results, measurements=tuple(rows)).save(out)
    here.compare(paths, out, nullcontext)
    here.compare(paths[:1], out, nullcontext)
    assert calls == [True, False]


def test_a_winner_is_trained_for_as_long_as_is_said_whatever_its_batch_size(tmp_path, monkeypatch):
    epochs = []

    class StoppedError(Exception):
        pass

    def train(*_, **options):
        epochs.append(options["epochs"])
        raise StoppedError

    monkeypatch.setattr("edgecnn.training.train", train)
    space = SearchSpace("lenet5", (parameter("batch_size", {"choices": [16, 64], "first": 64}),))
    dataset = data.load("digits")
    job = finish.SearchTask(
        SearchSettings("lenet5", DataName("digits")), space, dataset, tmp_path, None, silent
    )
    with pytest.raises(StoppedError):
        finish._files_of(replace(FINALISTS[1], parameters={"batch_size": 16}), job)
    assert epochs == [job.final_epochs]


class Board:
    """A target that gives the rows it was made with, or the error."""

    name = "litert:cpu on pi"

    def __init__(self, *rows, error=None):
        self.rows, self.error = rows, error

    def compare(self, paths, out, pause, progress):
        if self.error is not None:
            raise self.error
        return Results(self.rows)


def no_row(**more):
    return replace(factory.measurement(), runs=(), **more)


@pytest.mark.parametrize(
    ("board", "why"),
    [
        (
            Board(no_row(status="unsupported", error="no driver", verdict=None)),
            "unsupported: no driver",
        ),
        (Board(no_row(status="ok")), "it has no samples"),
        (Board(), "nothing was measured"),
        (Board(error=MeasuringError("no runtime", hint="install one")), "no runtime (install one)"),
    ],
)
def test_where_the_board_has_no_latency_of_the_winner_none_is_given_and_why(
    tmp_path, monkeypatch, board, why
):
    here = factory.measurement()
    assert here.latency is not None
    monkeypatch.setattr(
        "edgecnn.benchmarking.benchmark.benchmark", lambda *_, **__: Results((here,))
    )
    settings = SearchSettings("lenet5", DataName("digits"), on="pi")
    job = finish.SearchTask(settings, SPACE, data.load("digits"), tmp_path, board, silent)
    artifact = Artifact(tmp_path / "m.tflite", Manifest(), here.artifact.sha256, 1)
    winner = finish._tested(FINALISTS[1], artifact, tmp_path / "m.keras", job)
    assert (winner.latency_ms, winner.unmeasured) == (None, why)
    outcome = SearchOutcome(settings, SPACE, board.name, tuple(FINALISTS), winner=winner)
    assert f"its file has no latency on litert:cpu on pi: {why}" in outcome.sentences
    assert outcome.to_dict()["winner"]["unmeasured"] == why


def test_the_latency_of_the_winner_is_the_board_s(tmp_path, monkeypatch):
    here, there = factory.measurement(), factory.measurement(slowdown=3.0)
    monkeypatch.setattr(
        "edgecnn.benchmarking.benchmark.benchmark", lambda *_, **__: Results((here,))
    )
    settings = SearchSettings("lenet5", DataName("digits"), on="pi")
    job = finish.SearchTask(settings, SPACE, data.load("digits"), tmp_path, Board(there), silent)
    artifact = Artifact(tmp_path / "m.tflite", Manifest(), here.artifact.sha256, 1)
    winner = finish._tested(FINALISTS[1], artifact, tmp_path / "m.keras", job)
    assert winner.latency_ms == there.latency.p50
    assert winner.unmeasured == ""

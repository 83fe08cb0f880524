"""Which finalist is the winner where trials were shorter than a winner's training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.search import finish
from edgecnn.search.trials import Measured, Trial, Wanted, with_drops


def trial(number: int, accuracy: float, latency_ms: float) -> Trial:
    measured = Measured(accuracy, latency_ms, 1_000, 50_000_000)
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
    limits = Wanted().limits
    trained = finish._until_one_holds(FINALISTS, limits, None)
    assert trained_in_order == order
    assert finish.selection.choose(trained, limits).best.number == winner
    assert [each.drop for each in trained] == pytest.approx(
        [100 * (accuracies[0] - accuracies[number]) for number in order]
    )

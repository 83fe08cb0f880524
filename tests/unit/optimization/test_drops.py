"""What a file loses on the same samples, and the bound that decides."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgecnn.data.base import Dataset, Split
from edgecnn.manifest import Manifest
from edgecnn.optimization.drops import BoundedDrop, DropEstimator, least_reach
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.results.output_quality import Accuracy

N = 400


def judge_of(wrong: int = 10) -> tuple[DropEstimator, np.ndarray, np.ndarray]:
    """A parent that errs on the first `wrong` of 400 samples."""
    labels = np.arange(N) % 4
    outputs = np.eye(4, dtype=np.float32)[labels]
    outputs[:wrong] = np.roll(outputs[:wrong], 1, axis=1)
    samples = np.zeros((N, 4, 4), np.uint8)
    data = Dataset(
        "made", "classification", tuple("abcd"), {"test": Split(samples, labels)}, "ab", (4, 4)
    )
    return DropEstimator(data, Manifest(), ImagePreprocessing(4, 4, 1), [outputs]), outputs, labels


def test_the_same_outputs_lose_nothing_and_the_bound_is_what_n_allows():
    judge, outputs, _ = judge_of()
    drop = judge.drop([outputs], 0.95)
    assert (drop.points, drop.lost, drop.gained, drop.n) == (0.0, 0, 0, N)
    assert drop.bound == pytest.approx(100 * 2.7055 / (N + 2.7055), rel=1e-3)
    assert drop.within(1.0)
    assert not drop.within(0.5)


def test_samples_lost_and_gained_are_counted_apart():
    judge, outputs, labels = judge_of(wrong=10)
    changed = outputs.copy()
    changed[:4] = np.eye(4)[labels[:4]]
    changed[100:107] = np.roll(changed[100:107], 1, axis=1)
    drop = judge.drop([changed], 0.95)
    assert (drop.lost, drop.gained) == (7, 4)
    assert drop.points == pytest.approx(0.75)
    assert drop.bound > 0.75


def test_more_confidence_makes_a_larger_bound():
    judge, outputs, _ = judge_of()
    bounds = [judge.drop([outputs], level).bound for level in (0.9, 0.95, 0.99)]
    assert bounds == sorted(bounds)


def test_outputs_of_another_task_are_not_judged():
    judge, _, _ = judge_of()
    assert judge.drop([np.zeros((N, 7), np.float32)], 0.95) is None


def test_noise_is_relative_to_the_parent():
    judge, outputs, _ = judge_of()
    assert judge.noise([outputs]) == 0
    assert judge.noise([outputs * 0.9]) == pytest.approx(0.01, rel=1e-3)


def maps(count: int) -> tuple[DropEstimator, np.ndarray, np.ndarray]:
    """A parent whose outputs (n, 100, 1,000) are no class scores, and a file's."""
    generator = np.random.default_rng(0)
    real = generator.normal(size=(count, 100, 1_000)).astype(np.float32)
    found = real + generator.normal(scale=0.1, size=real.shape).astype(np.float32)
    split = Split(np.zeros((count, 4, 4), np.uint8), np.arange(count) % 4)
    data = Dataset("made", "classification", tuple("abcd"), {"test": split}, "ab", (4, 4))
    return DropEstimator(data, Manifest(), ImagePreprocessing(4, 4, 1), [real]), real, found


def test_noise_of_large_outputs_takes_the_memory_of_a_few_samples():
    """17 GB for a thousand answers of a detector."""
    judge, real, found = maps(200)
    tracemalloc.start()
    noise = judge.noise([found])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * real.nbytes  # in float64 at once it takes six times as much
    ours, theirs = real.astype(np.float64), found.astype(np.float64)
    assert noise == pytest.approx(((theirs - ours) ** 2).sum() / (ours**2).sum(), rel=1e-12)


def test_outputs_that_are_no_answers_are_refused_in_the_scorers_words():
    assert "one output of class scores is expected" in maps(8)[0].refusal
    assert judge_of()[0].refusal == ""


@pytest.mark.parametrize(("lost", "gained", "n"), [(0, 0, 359), (2, 1, 359), (1, 0, 400)])
def test_the_number_of_samples_that_would_show_a_budget_shows_it(lost: int, gained: int, n: int):
    points = 100 * (lost - gained) / n
    drop = BoundedDrop(points, 9.9, n, 0.95, lost, gained)
    needed = drop.samples_needed(0.5)
    assert needed > n
    assert drop.expected(needed) <= 0.5 + 1e-6
    assert drop.expected(needed // 2) > 0.5


def test_no_number_of_samples_shows_a_budget_that_is_broken():
    assert BoundedDrop(2.0, 3.0, 400, 0.95, 8, 0).samples_needed(1.0) is None


class BoxesAlike:
    """A scorer whose metric covers the whole set, for two files with identical outputs."""

    def accepts(self, outputs):
        return True

    def ordered(self, outputs):
        return outputs

    def accuracy(self, outputs):
        return Accuracy("AP50-95", 0.7, 16)

    def resampled(self, outputs, resamples):
        return np.random.default_rng(0).normal(0.7, 0.05, resamples)


def test_few_images_whose_boxes_do_not_change_show_no_more_than_they_can(monkeypatch):
    """Resampling differences that are all 0 gives a bound of 0, whatever n is."""
    monkeypatch.setattr(
        "edgecnn.optimization.drops.open_scorer", lambda task, context: BoxesAlike()
    )
    judge, outputs, _ = judge_of()
    drop = judge.drop([outputs], 0.95)
    assert (drop.lost, drop.points) == (None, 0)
    assert drop.bound == pytest.approx(least_reach(16, 0.95))
    assert drop.floor == pytest.approx(-least_reach(16, 0.95))
    assert not drop.within(1.0)
    needed = drop.samples_needed(1.0)
    assert drop.expected(needed) <= 1.0 + 1e-6 < drop.expected(needed // 2)


def test_what_gained_a_few_answers_is_expected_to_be_no_safer_than_what_changed_none():
    """A float32 file stood behind an int8 file that had gained one of 516, and was never judged."""
    same, gained, lost = (
        BoundedDrop(-100 * (right - wrong) / 516, 0.5, 516, 0.95, lost=wrong, gained=right)
        for wrong, right in ((0, 0), (1, 2), (2, 1))
    )
    assert same.expected(1_052) < gained.expected(1_052) < lost.expected(1_052)
    whole = BoundedDrop(-1.0, 4.0, 100, 0.95, metric="ap50")
    assert whole.expected(100) > BoundedDrop(0.0, 4.5, 100, 0.95, metric="ap50").expected(100)


@pytest.mark.parametrize(
    ("budget", "n", "shows"), [(0.3, 1_052, False), (0.3, 1_300, True), (1, 500, True)]
)
def test_whether_samples_can_show_a_budget_where_an_answer_changes(
    budget: float, n: int, shows: bool
):
    drop = BoundedDrop(0.2, 1.3, 516, 0.95, 4, 3)
    assert drop.may_show(budget, n) is shows
    assert BoundedDrop(0.2, 1.3, 516, 0.95, metric="ap50").may_show(budget, n)

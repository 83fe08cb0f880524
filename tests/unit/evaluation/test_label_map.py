"""A model is scored on data whose classes it numbers in another way, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluation.label_map import label_map
from edgecnn.evaluation.tasks import ScoringContext, open_scorer

TEN = ("n01440764", "n02102040", "n02979186")


@pytest.mark.parametrize(
    ("labels", "names", "classes", "expected"),
    [
        (("a", "b"), (), 2, (0, 1)),
        (("a", "b"), ("b", "a"), 2, (1, 0)),
        (("a", "b"), ("x", "y"), 2, (0, 1)),  # other names for the same classes
        (("paper", "rock", "scissor"), ("Rock", "Paper", "Scissors"), 3, None),  # another order
        (("rock", "papers", "scissor"), ("Rock", "Paper", "Scissors"), 3, (0, 1, 2)),
        (("crane", "ox", "crane"), ("crane", "cow", "crane"), 3, (0, 1, 2)),  # two of one name
        (("a", "b"), ("c", "b", "a"), 3, (2, 1)),
        (("a", "b"), ("c", "b", "d"), 3, None),
        (TEN, (), 1000, (0, 217, 482)),
        (TEN, (), 1001, (1, 218, 483)),
        (("tench", "English springer"), (), 1000, (0, 217)),
        (("cat", "no such thing"), (), 1000, None),
        (("n01440764", "tench"), (), 1000, None),  # one class twice
        (("a", "b"), (), 7, None),
        (("cow", "Great Tit"), ("ox, cow", "crane, bird", "titmouse, great tit"), 3, (0, 2)),
        (("crane", "ox"), ("crane, bird", "ox", "crane, machine"), 3, None),
    ],
)
def test_labels_find_their_classes(labels, names, classes, expected):
    assert label_map(labels, names, classes) == expected


def test_imagenets_answers_are_scored_on_a_folder_of_a_few_classes():
    scorer = open_scorer("classification", ScoringContext(np.asarray([0, 1, 2, 2]), TEN))
    outputs = np.zeros((4, 1001), np.float32)
    outputs[np.arange(4), [1, 218, 483, 7]] = 1

    accuracy = scorer.accuracy([outputs])

    assert accuracy.value == 0.75
    assert accuracy.n == 4
    assert accuracy.chance == pytest.approx(1 / 4 * 1 / 4 + 1 / 4 * 1 / 4 + 2 / 4 * 1 / 4)


def test_classes_that_cannot_be_matched_are_named():
    scorer = open_scorer("classification", ScoringContext(np.asarray([0, 1]), ("cats", "hounds")))

    reason = scorer.refusal([np.zeros((2, 1000), np.float32)])

    assert "1,000 classes" in reason
    assert "cats, hounds" in reason
    assert "--labels" in reason
    assert not scorer.accepts([np.zeros((2, 1000), np.float32)])
    assert scorer.refusal([np.zeros((2, 3, 4))])

"""Batches of sentences: what is given, what is wanted, and in which order they come."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.preprocessing.subwords import END, PADDING, START
from edgecnn.training.prefetch import prefetched
from edgecnn.training.sequences.batches import Sentences, bucketed_batches, ordered_batches


@pytest.fixture
def sentences():
    rng = np.random.default_rng(0)
    made = [rng.integers(4, 50, rng.integers(1, 30)).tolist() for _ in range(101)]
    return Sentences(made, [[*ids, 60] for ids in made])


def rows(batch):
    (sources, given), wanted = batch
    return [
        (
            tuple(source[source > END].tolist()),
            tuple(one[one > END].tolist()),
            tuple(other[other > END].tolist()),
        )
        for source, one, other in zip(sources, given, wanted, strict=True)
    ]


def test_what_is_wanted_is_one_ahead_of_what_is_given(sentences):
    (sources, given), wanted = sentences.batch([0, 1, 2])

    assert (given[:, 0] == START).all()
    for one, other, source in zip(given, wanted, sources, strict=True):
        end = other.tolist().index(END)
        np.testing.assert_array_equal(one[1 : end + 1], other[:end])
        assert (other[end + 1 :] == PADDING).all()
        assert END in source


def test_an_epoch_holds_each_sentence_once(sentences):
    batches = bucketed_batches(sentences, 8, seed=0)
    seen = [row for index in range(len(batches)) for row in rows(batches[index])]

    assert sorted(source for source, _, _ in seen) == sorted(map(tuple, sentences.sources))
    assert all(given == wanted for _, given, wanted in seen)


def test_batches_hold_sentences_of_similar_length(sentences):
    batches = bucketed_batches(sentences, 8, seed=0)
    cells = filled = 0
    for index in range(len(batches)):
        (sources, _), _ = batches[index]
        cells, filled = cells + sources.size, filled + int((sources != PADDING).sum())

    assert filled / cells > 0.75  # 0.55 in random order


def test_the_order_is_the_seeds_and_the_epochs(sentences):
    one, same, other = (bucketed_batches(sentences, 8, seed=seed) for seed in (3, 3, 4))

    assert rows(one[0]) == rows(same[0])
    assert [rows(one[i]) for i in range(3)] != [rows(other[i]) for i in range(3)]
    one.next_epoch()
    second = bucketed_batches(sentences, 8, seed=3, epoch=1)
    assert rows(one[2]) == rows(second[2])
    assert rows(second[2]) != rows(same[2])


def test_a_rest_of_an_epoch_begins_where_it_was_cut(sentences):
    whole, rest = (bucketed_batches(sentences, 8, seed=0, first=first) for first in (0, 5))

    assert len(rest) == len(whole) - 5
    assert rows(rest[0]) == rows(whole[5])


def test_batches_made_ahead_keep_their_own_lengths(sentences):
    batches = bucketed_batches(sentences, 8, seed=0)
    lengths = {np.asarray(sources).shape[1] for (sources, _), _ in prefetched(batches)}

    assert len(lengths) > 3


def test_what_does_not_fit_is_left_out_or_cut(sentences):
    short = sentences.within(12)

    assert all(len(ids) < 12 for ids in (*short.sources, *short.targets))
    assert 0 < len(short) < len(sentences)
    assert max(len(ids) for ids in sentences.cut(12).targets) == 11


def test_validation_is_always_the_same(sentences):
    batches = ordered_batches(sentences, 16)

    assert rows(batches[1]) == rows(batches[1])
    assert sum(len(rows(batches[index])) for index in range(len(batches))) == 101

"""Greedy and beam search, against every answer there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.preprocessing.subwords import END, PADDING, START
from edgecnn.sequences.search import (
    Decoding,
    best,
    greedy,
    normalized,
    padded,
    search,
    unpadded,
)

VOCABULARY, MOST = 7, 4
WORDS = (4, 5, 6)


def log_probabilities(scores):
    """By their definition: over all ids but those that are not part of an answer."""
    chances = np.array(scores, np.float64)
    chances[:, :END] = -np.inf
    return chances - np.log(np.exp(chances).sum(axis=1, keepdims=True))


class Chain:
    """Scores depend on the whole history, which the step finds by the origins alone."""

    def __init__(self, seed, rows=1):
        self._seed = seed
        self.histories = [() for _ in range(rows)]

    def scores_of(self, history):
        return np.random.default_rng((self._seed, *history)).normal(0, 2, VOCABULARY)

    def __call__(self, ids, position, origins):
        self.histories = [
            (*self.histories[origin], int(token))
            for origin, token in zip(origins, ids, strict=True)
        ]
        assert all(len(history) == position for history in self.histories)
        return np.stack([self.scores_of(history) for history in self.histories])


def all_answers(seed, penalty, most=MOST):
    """Every answer of at most `most` ids with its score, best first."""
    chain, found = Chain(seed), []
    for length in range(most + 1):
        for ids in itertools.product(WORDS, repeat=length):
            total, history = 0.0, (START,)
            for token in (*ids, END):
                scores = chain.scores_of(history)[None]
                if len(history) > most:
                    total += float(log_probabilities(scores)[0, END])
                else:
                    total += float(log_probabilities(scores)[0, token])
                history = (*history, token)
            found.append((total / (length + 1) ** penalty, ids))
    return sorted(found, reverse=True)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=25, deadline=None)
def test_a_beam_as_wide_as_the_choice_finds_the_best_answer(seed, penalty):
    """Three ids at most: 40 answers, of which 27 are followed at a time."""
    answers = all_answers(seed, penalty, most=3)

    found = search(Chain(seed), Decoding(64, penalty), 3)

    assert {one.ids for one in found} == {ids for _, ids in answers}
    assert found[0].score == pytest.approx(answers[0][0], abs=1e-4)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_scores_are_those_of_the_answers(seed):
    of_ids = {ids: score for score, ids in all_answers(seed, 1.0)}

    for hypothesis in search(Chain(seed), Decoding(5, 1.0), MOST):
        assert hypothesis.score == pytest.approx(of_ids[hypothesis.ids], abs=1e-4)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_beam_of_one_is_greedy(seed):
    (best,) = search(Chain(seed), Decoding(1), MOST)
    (plain,) = greedy(Chain(seed), 1, MOST)

    assert best == plain
    history = (START,)
    for token in (*best.ids, END)[:MOST]:
        scores = Chain(seed).scores_of(history)
        scores[:END] = -np.inf
        assert scores.argmax() == token
        history = (*history, token)


def test_many_rows_at_once_answer_as_one_after_the_other():
    class Rows:
        def __init__(self):
            self.chains = [Chain(seed) for seed in range(6)]

        def __call__(self, ids, position, origins):
            return np.concatenate(
                [
                    chain(ids[row : row + 1], position, np.asarray([0]))
                    for row, chain in enumerate(self.chains)
                ]
            )

    together = greedy(Rows(), 6, MOST)
    alone = [greedy(Chain(seed), 1, MOST)[0] for seed in range(6)]

    assert [each.ids for each in together] == [each.ids for each in alone]
    assert [each.score for each in together] == pytest.approx([each.score for each in alone])


def test_an_answer_that_never_ends_is_cut_and_says_so():
    def endless(ids, position, origins):
        scores = np.zeros((len(ids), VOCABULARY))
        scores[:, 4] = 50.0
        return scores

    for decoding in (Decoding(1), Decoding(3)):
        best = search(endless, decoding, MOST)[0]
        assert best.ids == (4,) * MOST
        assert not best.ended


def test_origins_lead_back_to_the_rows_that_made_the_answer():
    chain = Chain(3)
    seen = []

    def step(ids, position, origins):
        scores = chain(ids, position, origins)
        seen.append(list(chain.histories))
        return scores

    for hypothesis in search(step, Decoding(4), MOST):
        told = [seen[index][row] for index, row in enumerate(hypothesis.origins)]
        assert told[-1] == (START, *hypothesis.ids)


@given(
    st.integers(0, 10_000), st.integers(1, 5), st.integers(7, 700), st.integers(1, 12),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_the_best_are_those_that_sorting_all_would_find(seed, rows, words, count, ties):
    values = np.random.default_rng(seed).normal(0, 2, (rows, words)).astype(np.float32)
    if ties:
        values = np.round(values)
    values[:, :3] = -np.inf

    offsets = np.round(np.random.default_rng(seed + 1).normal(0, 2, rows))

    found = best(values, offsets, count)
    sums = (values + offsets[:, None]).ravel()
    wanted = np.argsort(-sums, kind="stable")[: min(count, rows * (words - 3))]
    np.testing.assert_array_equal(found[0] * words + found[1], wanted)
    np.testing.assert_array_equal(found[2], sums[wanted])


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_scores_minus_what_normalizes_them_are_log_probabilities(seed, rows):
    scores = np.random.default_rng(seed).normal(0, 20, (rows, 50))

    values, normalizers = normalized(scores)
    np.testing.assert_allclose(values - normalizers[:, None], log_probabilities(scores), atol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    with pytest.raises(InputError, match="not finite"):
        greedy(lambda *_: np.full((1, VOCABULARY), value), 1, MOST)


@pytest.mark.parametrize("arguments", [{"beam": 0}, {"beam": 65}, {"length_penalty": -1.0}])
def test_nonsense_is_refused(arguments):
    with pytest.raises(InputError, match="received"):
        Decoding(**arguments)


@given(st.lists(st.lists(st.integers(4, 99), max_size=6), min_size=1, max_size=4))
def test_padding_comes_off_again(answers):
    rows = padded(answers, 8)

    assert [unpadded(row) for row in rows] == answers
    assert (rows[:, -1] == PADDING).all() or any(len(answer) > 6 for answer in answers)

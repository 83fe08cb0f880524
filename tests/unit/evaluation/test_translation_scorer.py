"""BLEU with its interval and its paired test, against sacrebleu itself."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from edgecnn.conversion.verification.gate import accuracy_gate
from edgecnn.data.subword_vocabulary import train_vocabulary
from edgecnn.errors import InputError
from edgecnn.evaluation.parity import parity
from edgecnn.evaluation.parity_findings import findings, summary
from edgecnn.evaluation.tasks import ScoringContext, open_scorer
from edgecnn.preprocessing import SubwordPreprocessing, TextPreprocessing
from edgecnn.results.accuracy_drop import drop_between
from edgecnn.sequences.search import padded

TRUTH = [
    f"{who} {what} {where} avec {whom}."
    for who in ("Un chien", "Un homme", "Deux filles")
    for what in ("court", "joue", "marche")
    for where in ("dans le parc", "sur un banc")
    for whom in ("un ami", "une balle rouge")
]


@pytest.fixture(scope="module")
def words():
    return SubwordPreprocessing.of(train_vocabulary(TRUTH * 2, 400), 40)


def answers(words, texts):
    return [padded([words.encode(text) for text in texts], words.length)]


def worse(texts, every, word="vert"):
    """Every so many texts with another last word."""
    return [
        f"{text.rsplit(' ', 1)[0]} {word}." if index % every == 0 else text
        for index, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def scorer(words):
    return open_scorer("translation", ScoringContext(TRUTH, (), words))


def test_bleu_and_chrf_are_sacrebleus(scorer, words):
    texts = worse(TRUTH, 3)
    found = scorer.accuracy(answers(words, texts))

    assert found.metric == "BLEU"
    assert found.value == pytest.approx(BLEU().corpus_score(texts, [TRUTH]).score / 100)
    assert found.further["chrf"] == pytest.approx(CHRF().corpus_score(texts, [TRUTH]).score / 100)
    assert "tok:13a" in found.further["signature"]
    assert found.n == len(TRUTH)


def test_the_interval_holds_the_value_and_is_the_same_again(scorer, words):
    once, twice = (scorer.accuracy(answers(words, worse(TRUTH, 3))) for _ in range(2))

    low, high = once.ci95
    assert 0 < low < once.value < high <= 1
    assert once == twice


def test_right_answers_have_no_interval_to_speak_of(scorer, words):
    found = scorer.accuracy(answers(words, TRUTH))

    assert found.value == pytest.approx(1.0)
    assert found.ci95 == pytest.approx((1.0, 1.0))


def test_a_small_loss_is_decided_by_the_same_sentences(scorer, words):
    parent, child = answers(words, worse(TRUTH, 3)), answers(words, worse(TRUTH, 3, "bleu"))
    before = scorer.accuracy(parent)
    after = scorer.with_parent(scorer.accuracy(child), child, parent)

    assert after.parent_value == pytest.approx(before.value)
    assert after.drop_ci95 == pytest.approx((0.0, 0.0))  # another wrong word in the same places
    drop = drop_between(before, after)
    assert drop.decision(1.0) == "kept"
    assert before.ci95[1] - before.ci95[0] > 0.02  # two intervals alone would not tell


def test_a_real_loss_is_found(scorer, words):
    parent, child = answers(words, TRUTH), answers(words, worse(TRUTH, 2))
    before = scorer.accuracy(parent)
    after = scorer.with_parent(scorer.accuracy(child), child, parent)

    assert after.paired_p < 0.05
    assert after.drop_ci95[0] > 0
    answer = accuracy_gate(parity(parent, child), before, after, max_drop=1.0)
    assert not answer.passed


def test_equal_answers_pass_the_gate(scorer, words):
    parent = answers(words, worse(TRUTH, 3))
    accuracy = scorer.accuracy(parent)
    same = scorer.with_parent(accuracy, parent, parent)

    assert same.paired_p == 1.0
    assert accuracy_gate(parity(parent, parent), accuracy, same, max_drop=0.0).passed


def test_a_parent_that_translates_nothing_proves_nothing(scorer, words):
    empty = answers(words, ["chat"] * len(TRUTH))
    accuracy = scorer.accuracy(empty)

    answer = accuracy_gate(parity(empty, empty), accuracy, accuracy)
    assert not answer.passed
    assert "translates nothing" in answer.reason


def test_other_outputs_are_no_answers(scorer):
    assert not scorer.accepts([np.zeros((len(TRUTH), 5), np.float32)])
    assert not scorer.accepts([np.zeros((3, 5), np.int32)])


def test_words_must_be_known():
    with pytest.raises(InputError, match="vocabulary is unknown") as caught:
        open_scorer("translation", ScoringContext(TRUTH, (), TextPreprocessing(8, ("a",))))
    assert "subwords" in caught.value.hint


def test_parity_of_answers_counts_ids_and_not_distances(words):
    ours = answers(words, TRUTH)
    shifted = [np.where(ours[0] > 3, ours[0] + 1, ours[0])]
    found = parity(ours, shifted)

    assert found.top1_agreement == 0
    assert found.same_ids < 0.2
    assert findings(found)
    same = parity(ours, ours)
    assert (same.top1_agreement, same.same_ids) == (1.0, 1.0)
    assert not findings(same)
    assert summary(same).startswith("100.0% of 36 answers")

"""The same text gives the same ids in training, on the device and in the benchmark."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.preprocessing import TextPreprocessing, preprocessing_from_dict
from edgecnn.preprocessing.text import build_vocabulary, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "It's so laddish, and juvenile!",
            ["it", "'s", "so", "laddish", ",", "and", "juvenile", "!"],
        ),
        ("They can't (won't) go?", ["they", "ca", "n't", "(", "wo", "n't", ")", "go", "?"]),
        (
            "I'd say we've; they'll - you're",
            ["i", "'d", "say", "we", "'ve", "they", "'ll", "you", "'re"],
        ),
        ('dots... "quotes" snake_case #1', ["dots", "quotes", "snake", "case", "1"]),
        ("Un homme clichéd ÉTÉ", ["un", "homme", "clichéd", "été"]),
        ("  \n\t ", []),
    ],
)
def test_tokens_are_those_of_kim_2014(text: str, expected: list[str]):
    assert tokens(text) == expected


def test_one_letter_written_in_two_ways_is_one_token():
    assert tokens("caf\u00e9") == tokens("cafe\u0301")


@given(st.text())
def test_tokens_of_tokens_are_the_same_words(text: str):
    once = tokens(text)

    assert all(token and not token.isspace() for token in once)
    assert tokens(" ".join(once)) == once


def test_ids_pad_at_the_end_and_mark_the_unknown():
    preprocessing = TextPreprocessing(6, ("the", "film"))

    np.testing.assert_array_equal(preprocessing("The FILM was the"), [2, 3, 1, 2, 0, 0])
    assert preprocessing("").tolist() == [0] * 6
    assert preprocessing.vocabulary_size == 4


def test_a_longer_text_is_cut():
    assert TextPreprocessing(2, ("a",))("a b a a").tolist() == [2, 1]


def test_a_batch_is_of_int32(tmp_path):
    batch = TextPreprocessing(3, ("a",)).batch(("a", np.str_("b"), np.asarray("a b")))

    assert batch.dtype == np.int32
    assert batch.tolist() == [[2, 0, 0], [1, 0, 0], [2, 1, 0]]


def test_what_is_no_text_is_refused():
    with pytest.raises(InputError, match="a text is a string, received: ndarray"):
        TextPreprocessing(3, ())(np.zeros(3))


@pytest.mark.parametrize("arguments", [(0, ()), (3, ("a", "b", "a"))])
def test_impossible_settings_are_refused(arguments):
    with pytest.raises(InputError):
        TextPreprocessing(*arguments)


def test_it_survives_json_and_can_be_a_key():
    original = TextPreprocessing(5, ("the", "clichéd", "n't"))
    again = preprocessing_from_dict(json.loads(json.dumps(original.to_dict())))

    assert again == original
    assert len({original, again}) == 1


def test_the_vocabulary_is_by_frequency_then_alphabet():
    texts = ("b a a", "c b", "d")

    assert build_vocabulary(texts) == ("a", "b", "c", "d")
    assert build_vocabulary(texts, at_least=2) == ("a", "b")

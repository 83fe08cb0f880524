"""Sentences to ids of subwords and back, whatever they are written in."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.subword_vocabulary import train_vocabulary
from edgecnn.errors import InputError
from edgecnn.preprocessing import SubwordPreprocessing, preprocessing_from_dict
from edgecnn.preprocessing.subwords import END, PADDING, START, clean

SENTENCES = [
    f"{who} {what} {where}."
    for who in ("A dog", "A man", "Two girls", "Un chien", "Un homme", "Deux filles")
    for what in ("runs", "sits", "plays", "court", "joue")
    for where in ("in the park", "on a bench", "dans le parc", "sur un banc")
]


@pytest.fixture(scope="module")
def words():
    return SubwordPreprocessing.of(train_vocabulary(SENTENCES, 400), 24)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_every_text_comes_back_as_it_was(words, text):
    assert words.decode(words.encode(text)) == clean(text)


@pytest.mark.parametrize(
    "text", ["日本語のテキスト", "Привет, мир", "مرحبا", "🦜 🐕", "e\u0301t\u00e9"]
)
def test_other_scripts_are_spelled_and_never_unknown(words, text):
    ids = words.encode(text)

    assert ids
    assert min(ids) > END
    assert words.decode(ids) == clean(text)


def test_control_characters_become_a_space_and_format_characters_stay():
    assert clean("a\x07b\ud800c\ue000d\u2028e") == "a b c d e"
    assert clean("\U0001f469\u200d\U0001f33e \u00ad") == "\U0001f469\u200d\U0001f33e \u00ad"


def test_a_tensor_ends_and_is_filled_up(words):
    ids = words("A dog runs in the park.")

    assert ids.dtype == np.int32
    assert ids.shape == (24,)
    end = ids.tolist().index(END)
    assert (ids[:end] > END).all()
    assert (ids[end + 1 :] == PADDING).all()


def test_a_long_sentence_is_cut_before_its_end(words):
    ids = words("dog " * 500)

    assert ids[-1] == END
    assert words.count("dog " * 500) > 400


@pytest.mark.parametrize("text", ["a\x00b", "a\tb\r\nc", "a\u2028b", "a\x7f\x1bb", " a  b "])
def test_control_characters_are_spaces(text):
    assert clean(text) in ("a b", "a b c")


def test_composed_and_decomposed_letters_are_one(words):
    assert words.encode("e\u0301te\u0301") == words.encode("été")


def test_it_comes_back_from_json(words):
    again = preprocessing_from_dict(json.loads(json.dumps(words.to_dict())))

    assert again == words
    assert again.digest == words.digest
    assert again.encode("Un chien court.") == words.encode("Un chien court.")


def test_the_same_sentences_give_the_same_vocabulary(words):
    assert train_vocabulary(SENTENCES, 400) == words.content


def test_special_ids_are_no_words(words):
    assert words.decode([START, *words.encode("A dog"), END, 300]) == "A dog"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("!", "not base64"),
        (base64.b64encode(b"not a model").decode(), "not a sentencepiece model"),
        ("", "not a sentencepiece model|are"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(model, said):
    with pytest.raises(InputError, match=said):
        SubwordPreprocessing(8, model).encode("A dog")


def test_ids_outside_of_the_vocabulary_are_refused(words):
    with pytest.raises(InputError, match="outside"):
        words.decode([5, 1_000_000])


def test_what_is_no_sentence_is_refused(words):
    with pytest.raises(InputError, match="string"):
        words(np.zeros(3))

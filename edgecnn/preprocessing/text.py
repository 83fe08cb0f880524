"""From a sentence to word ids.

The tokens are those of Kim 2014, "Convolutional Neural Networks for Sentence Classification"
(`clean_str` of his code), with two differences: letters of every alphabet count as letters
(his are A to Z), and a bracket is the token "(" (his is a backslash and a bracket).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import Preprocessing, check_sizes

PADDING, UNKNOWN = 0, 1
"""Ids that stand for no word and for a word outside the vocabulary."""

_NEITHER_WORD_NOR_MARK = re.compile(r"[^\w(),!?'`]|_")
_ENDING = re.compile(r"('s|'ve|n't|'re|'d|'ll)")
_MARK = re.compile(r"([,!?()])")


def tokens(text: str) -> list[str]:
    """Lower-case words; short forms ("n't", "'s") and the marks , ! ? ( ) stand alone."""
    cleaned = _NEITHER_WORD_NOR_MARK.sub(" ", unicodedata.normalize("NFC", text.lower()))
    return _MARK.sub(r" \1 ", _ENDING.sub(r" \1", cleaned)).split()


def build_vocabulary(texts: Iterable[str], *, at_least: int = 1) -> tuple[str, ...]:
    """The words that `texts` hold `at_least` so often, most frequent first, equals by alphabet."""
    counts = Counter(word for text in texts for word in tokens(text))
    frequent = [word for word, count in counts.items() if count >= at_least]
    return tuple(sorted(frequent, key=lambda word: (-counts[word], word)))


@dataclass(frozen=True)
class TextPreprocessing(Preprocessing):
    """A text → int32 ids (length,): id 0 pads at the end, id 1 is a word outside the
    vocabulary, `vocabulary[i]` has the id i + 2. A longer text is cut after `length` words.
    """

    length: int
    vocabulary: tuple[str, ...]

    kind: ClassVar[str] = "text"
    layout: ClassVar[str] = "NL"
    dtype: ClassVar[str] = "int32"

    def __post_init__(self) -> None:
        check_sizes("a text tensor", length=self.length)
        if len(set(self.vocabulary)) != len(self.vocabulary):
            twice = next(word for word, n in Counter(self.vocabulary).items() if n > 1)
            raise InputError(f"a vocabulary holds each word once, received {twice!r} twice")

    @property
    def shape(self) -> tuple[int]:
        """(length,) of the tensor."""
        return (self.length,)

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are: the words, padding and unknown."""
        return len(self.vocabulary) + 2

    def __call__(self, sample: Any) -> npt.NDArray[np.int32]:
        """One text (str, or a numpy array that holds one) → int32 (length,)."""
        if isinstance(sample, np.ndarray) and sample.ndim == 0:
            sample = sample.item()
        if not isinstance(sample, str):
            raise InputError(f"a text is a string, received: {type(sample).__name__}")
        ids = np.full(self.length, PADDING, np.int32)
        words = tokens(sample)[: self.length]
        ids[: len(words)] = [self._ids.get(word, UNKNOWN) for word in words]
        return ids

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.vocabulary, start=2)}

"""From a sentence to ids of subwords, and back: sentencepiece with its model in the manifest.

A vocabulary of subwords holds frequent words whole and builds the others from pieces; what no
piece spells is spelled in bytes (Kudo 2018), so that no text is unknown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import Preprocessing, check_sizes
from edgecnn.registry import require
from edgecnn.text import shortened

PADDING, UNKNOWN, START, END = 0, 1, 2, 3
"""Ids with a meaning of their own; pieces follow."""
MAX_MODEL_BYTES = 8 << 20
_BLANKS = re.compile("[\\s\u2581]+")
"""White space, and the block that sentencepiece writes for a space."""


def clean(text: str) -> str:
    """One line in Unicode's composed form (NFC): control characters, code points without a
    character and every run of white space become one space. Format characters (Cf), as the
    joiners of some scripts and of emoji, stay: trained vocabularies know them.
    """
    composed = unicodedata.normalize("NFC", text)
    if not composed.isprintable():
        composed = "".join(
            " " if unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") else char
            for char in composed
        )
    return _BLANKS.sub(" ", composed).strip()


@dataclass(frozen=True)
class SubwordPreprocessing(Preprocessing):
    """A sentence → int32 ids (length,): its subwords, the end (3), filled up with 0.

    `model` is a sentencepiece model as base64. A longer sentence is cut to `length` − 1 subwords;
    `count` says beforehand. Raises InputError for a damaged model, or that has other ids for
    padding, unknown, start and end than 0, 1, 2, 3.
    """

    length: int
    model: str

    kind: ClassVar[str] = "subwords"
    layout: ClassVar[str] = "NL"
    dtype: ClassVar[str] = "int32"

    def __post_init__(self) -> None:
        check_sizes("a sequence of subwords", length=self.length)
        if len(self.model) > MAX_MODEL_BYTES * 4 // 3 + 4:
            raise InputError(f"a vocabulary has at most {MAX_MODEL_BYTES >> 20} MiB")
        try:
            base64.b64decode(self.model, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InputError(f"the vocabulary is not base64: {error}") from error

    @classmethod
    def of(cls, content: bytes, length: int) -> SubwordPreprocessing:
        """From the bytes of a sentencepiece model."""
        return cls(length, base64.b64encode(content).decode("ascii"))

    @property
    def shape(self) -> tuple[int]:
        """(length,) of the tensor."""
        return (self.length,)

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are."""
        return int(self._processor.get_piece_size())

    @cached_property
    def content(self) -> bytes:
        """The sentencepiece model."""
        return base64.b64decode(self.model)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the sentencepiece model: what a network's vocabulary is known by."""
        return hashlib.sha256(self.content).hexdigest()

    def with_length(self, length: int) -> SubwordPreprocessing:
        """The same vocabulary for another length."""
        return SubwordPreprocessing(length, self.model)

    def __call__(self, sample: Any) -> npt.NDArray[np.int32]:
        """One sentence (str, or a numpy array that holds one) → int32 (length,)."""
        ids = np.full(self.length, PADDING, np.int32)
        kept = [*self.encode(sample)[: self.length - 1], END]
        ids[: len(kept)] = kept
        return ids

    def encode(self, sample: Any) -> list[int]:
        """The ids of all subwords, without start and end."""
        if isinstance(sample, np.ndarray) and sample.ndim == 0:
            sample = sample.item()
        if not isinstance(sample, str):
            raise InputError(f"a sentence is a string, received: {type(sample).__name__}")
        ids: list[int] = self._processor.encode(clean(sample))
        return ids

    def encode_all(self, sentences: Iterable[str]) -> list[list[int]]:
        """`encode` for many, which is faster at once."""
        ids: list[list[int]] = self._processor.encode([clean(text) for text in sentences])
        return ids

    def count(self, text: str) -> int:
        """How many ids a sentence becomes, its end counted in."""
        return len(self.encode(text)) + 1

    def pieces(self, text: str) -> list[str]:
        """The subwords of a sentence as they are read."""
        pieces: list[str] = self._processor.encode(clean(text), out_type=str)
        return pieces

    def named(self, ids: Iterable[int]) -> list[str]:
        """The subwords that ids stand for."""
        return [str(self._processor.id_to_piece(int(each))) for each in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids → a sentence, up to the end; bytes that spell no character become U+FFFD.

        Raises InputError for ids outside of the vocabulary.
        """
        kept: list[int] = []
        size = self.vocabulary_size
        for value in ids:
            if int(value) == END:
                break
            if not 0 <= int(value) < size:
                raise InputError(
                    f"id {int(value)} is outside of the vocabulary of {size}",
                    hint="the vocabulary is another network's",
                )
            if int(value) > END:
                kept.append(int(value))
        return clean(str(self._processor.decode(kept))) if kept else ""

    @cached_property
    def _processor(self) -> Any:
        library = require("sentencepiece", "translate")
        processor = library.SentencePieceProcessor()
        try:
            if not self.content:
                raise ValueError("it is empty")
            processor.LoadFromSerializedProto(self.content)
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(
                f"the vocabulary is not a sentencepiece model ({shortened(str(error), 120)})",
                hint="it is damaged, or another kind of file",
            ) from error
        special = (
            processor.pad_id(),
            processor.unk_id(),
            processor.bos_id(),
            processor.eos_id(),
        )
        if special != (PADDING, UNKNOWN, START, END):
            raise InputError(
                f"the vocabulary's ids of padding, unknown, start and end are {special}, "
                f"expected {(PADDING, UNKNOWN, START, END)}",
                hint="train it with pad_id=0, unk_id=1, bos_id=2, eos_id=3",
            )
        return processor

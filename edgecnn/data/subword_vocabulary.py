"""A vocabulary of subwords, learned from sentences with sentencepiece."""

from __future__ import annotations

import io
from collections.abc import Sequence

from edgecnn.errors import InputError
from edgecnn.preprocessing.subwords import END, PADDING, START, UNKNOWN
from edgecnn.registry import require
from edgecnn.text import shortened

DEFAULT_SIZE = 4000
"""Small enough for what an edge device holds, large enough for most words of short captions."""


def train_vocabulary(sentences: Sequence[str], size: int = DEFAULT_SIZE) -> bytes:
    """A sentencepiece model (unigram, Kudo 2018) of at most `size` pieces, as bytes.

    256 of the pieces are bytes, so that every text can be spelled. Sentences are taken as they are,
    spaces at their ends aside: no case is folded, no character replaced. The same sentences in the
    same order give the same vocabulary.

    Raises InputError where there is too little text, MissingDependencyError without sentencepiece.
    """
    library = require("sentencepiece", "translate")
    model = io.BytesIO()
    try:
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=True,
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=START,
            eos_id=END,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"no vocabulary of {size} subwords can be learned from {len(sentences)} sentences "
            f"({shortened(str(error), 160)})",
            hint="give more text, or a smaller vocabulary (?vocabulary=1000)",
        ) from error
    return model.getvalue()

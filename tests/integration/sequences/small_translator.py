"""A translator of a dozen words, learned in seconds, with its data and its manifest."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import edgecnn.data
from edgecnn import models
from edgecnn.data.base import Dataset
from edgecnn.data.seen import KEY, training_record
from edgecnn.keras_files import import_keras
from edgecnn.manifest import Manifest, write_manifest
from edgecnn.training.prefetch import prefetched
from edgecnn.training.sequence_batches import Sentences, bucketed_batches
from edgecnn.training.sequences import _cross_entropy

LENGTH = 24
WHO = {"a dog": "un chien", "a man": "un homme", "a girl": "une fille", "a cat": "un chat"}
WHAT = {"runs": "court", "sleeps": "dort", "eats": "mange", "jumps": "saute", "sings": "chante"}
WHERE = {"at home": "chez lui", "here": "ici", "there": "par là", "in town": "en ville"}
SIZES = {"embedding": 24, "channels": 24, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}


@dataclass(frozen=True)
class SmallTranslator:
    path: Path
    """The .keras file, its manifest beside it."""
    data: str
    """As --data takes it."""
    dataset: Dataset


def write_pairs(path: Path) -> None:
    rows = [
        f"{who} {what} {where}.\t{WHO[who]} {WHAT[what]} {WHERE[where]}."
        for who, what, where in itertools.product(WHO, WHAT, WHERE)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def make(folder: Path, *, epochs: int = 30) -> SmallTranslator:
    write_pairs(folder / "pairs.tsv")
    data = f"pairs:{folder / 'pairs.tsv'}?vocabulary=400"
    dataset = edgecnn.data.load(data)
    words = dataset.preprocessing((LENGTH,))
    model = models.build(
        "convs2s", seed=0, input_shape=(LENGTH,), vocabulary_size=words.vocabulary_size, **SIZES
    )
    train = dataset["train"]
    sentences = Sentences(words.encode_all(train.samples), words.encode_all(train.truth))
    keras = import_keras()
    model.compile(keras.optimizers.Adam(8e-3), loss=_cross_entropy(0.0), jit_compile=False)
    batches = bucketed_batches(sentences.within(LENGTH), 16, seed=0)
    model.fit(prefetched(batches), epochs=epochs, shuffle=False, verbose=0)
    path = folder / "small.keras"
    model.save(path)
    manifest = Manifest(
        task="translation",
        model="convs2s",
        recipe="float32",
        preprocessing=words,
        data={**dataset.record(), KEY: training_record(dataset)},
    )
    write_manifest(path, manifest)
    return SmallTranslator(path, data, dataset)

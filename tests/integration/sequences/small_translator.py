"""A translator of a dozen words, trained in seconds, with its data and its manifest."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import edgecnn.data
from edgecnn import models
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.training_overlap import KEY, training_record
from edgecnn.keras_files import import_keras
from edgecnn.manifest import Manifest, write_manifest
from edgecnn.training.prefetch import prefetched
from edgecnn.training.sequences.batches import Sentences, bucketed_batches
from edgecnn.training.sequences.task import _cross_entropy, _token_accuracy

FLOATS = ("tflite:float32", "onnx:float32")
INTEGERS = ("tflite:static_int8", "onnx:static_int8")
SENTENCE = "a girl sings in town."
TEXT = "a girl sings in town. a dog runs at home. a cat sleeps here."
"""Three sentences, which are too long for the small network in one piece."""
LENGTH = 24
WHO = {"a dog": "un chien", "a man": "un homme", "a girl": "une fille", "a cat": "un chat"}
WHAT = {"runs": "court", "sleeps": "dort", "eats": "mange", "jumps": "saute", "sings": "chante"}
WHERE = {"at home": "chez lui", "here": "ici", "there": "par là", "in town": "en ville"}
KNOWN = 0.97
"""Share of the subwords of all pairs that it predicts right in the end, whatever the machine."""
MOST_EPOCHS = 300
SIZES = {"embedding": 24, "channels": 24, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}


@dataclass(frozen=True)
class SmallTranslator:
    path: Path
    """The .keras file, its manifest next to it."""
    data: str
    """As --data takes it."""
    dataset: Dataset


def write_pairs(path: Path) -> None:
    rows = [
        f"{who} {what} {where}.\t{WHO[who]} {WHAT[what]} {WHERE[where]}."
        for who, what, where in itertools.product(WHO, WHAT, WHERE)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def make(folder: Path) -> SmallTranslator:
    """Train until it knows its words: how many epochs that takes differs between machines."""
    write_pairs(folder / "pairs.tsv")
    dataset = edgecnn.data.load(_data(folder))
    words = dataset.preprocessing((LENGTH,))
    model = models.build(
        "convs2s", seed=0, input_shape=(LENGTH,), vocabulary_size=words.vocabulary_size, **SIZES
    )
    train, every = (
        Sentences(
            [ids for name in names for ids in words.encode_all(dataset[name].samples)],
            [ids for name in names for ids in words.encode_all(dataset[name].ground_truth)],
        ).within(LENGTH)
        for names in (("train",), tuple(dataset.splits))
    )
    keras = import_keras()
    model.compile(
        keras.optimizers.Adam(8e-3),
        loss=_cross_entropy(0.0),
        metrics=[_token_accuracy()],
        jit_compile=False,
    )
    batches = bucketed_batches(train, 16, seed=0)
    (given, wanted) = every.batch(range(len(every)))
    known = 0.0
    for epoch in range(0, MOST_EPOCHS, 10):
        model.fit(
            prefetched(batches), initial_epoch=epoch, epochs=epoch + 10, shuffle=False, verbose=0
        )
        _, known = model.test_on_batch(given, wanted)
        if known >= KNOWN:
            break
    assert known >= KNOWN, f"it knows {known:.0%} of its subwords after {MOST_EPOCHS} epochs"
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
    return load(folder)


def load(folder: Path) -> SmallTranslator:
    """What `make` left in a folder."""
    return SmallTranslator(folder / "small.keras", _data(folder), edgecnn.data.load(_data(folder)))


def _data(folder: Path) -> str:
    return f"pairs:{folder / 'pairs.tsv'}?vocabulary=400"

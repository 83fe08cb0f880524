"""TextCNN: Y. Kim, "Convolutional neural networks for sentence classification", 2014, fig. 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

WINDOWS = (3, 4, 5)
"""Words that a filter sees at once."""
MAPS = 100
EMBEDDING = 300
SMALLEST = max(WINDOWS)
LARGEST = 4096
MAX_VOCABULARY = 2_000_000
SPACE = {
    "maps": {"low": 25, "high": 150, "step": 25, "first": MAPS},
    "embedding": {"low": 50, "high": 300, "step": 50, "first": EMBEDDING},
    "window": {"low": 1, "high": 3, "first": WINDOWS[0]},
    "dropout": {"low": 0.0, "high": 0.7, "step": 0.1, "first": 0.5},
}
"""What `edgecnn search` may change; `first` is the paper's."""


def build(
    input_shape: tuple[int] = (64,),
    num_classes: int = 2,
    vocabulary_size: int = 20_000,
    *,
    maps: int = MAPS,
    embedding: int = EMBEDDING,
    window: int = WINDOWS[0],
    dropout: float = 0.5,
) -> keras.Model:
    """Ids (batch, length) → embedding 300 → Conv1D of 3, 4 and 5 words, 100 maps each → softmax.

    The model input is int32: 0 where the text has ended, then the ids of words below
    `vocabulary_size`. Each map is reduced to its maximum over time; dropout ½ before the output,
    whose weights keep an L2 norm of at most 3 for each class. This is the paper's CNN-rand:
    embeddings start at random, uniform in ±¼, and are learned. 6,360,902 parameters at 20,000
    words and 2 classes, 6,000,000 of them embeddings. One difference: the padding's embedding
    is learned as any other; the paper's stays zero. The three windows are `window` words and
    one and two more.

    Raises InputError for texts shorter than 5 or longer than 4096 words, or a vocabulary
    of no valid size.
    """
    check_shapes(
        "textcnn", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST, modality="text"
    )
    if not (isinstance(vocabulary_size, int) and 2 <= vocabulary_size <= MAX_VOCABULARY):
        raise InputError(
            f"textcnn takes vocabularies of 2 to {MAX_VOCABULARY} ids, "
            f"received: {vocabulary_size!r}"
        )
    import keras
    from keras import layers

    ids = keras.Input(input_shape, dtype="int32", name="input")
    words = layers.Embedding(
        vocabulary_size,
        embedding,
        embeddings_initializer=keras.initializers.RandomUniform(-0.25, 0.25),
        name="embedding",
    )(ids)
    maxima = []
    for words_seen in range(window, window + len(WINDOWS)):
        x = layers.Conv1D(maps, words_seen, activation="relu", name=f"conv{words_seen}")(words)
        maxima.append(layers.GlobalMaxPooling1D(name=f"max{words_seen}")(x))
    x = layers.Concatenate(name="features")(maxima)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(
        num_classes,
        activation="softmax",
        kernel_constraint=keras.constraints.MaxNorm(3, axis=0),
        name="probabilities",
    )(x)
    return keras.Model(ids, x, name="textcnn")

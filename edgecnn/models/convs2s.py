"""ConvS2S: J. Gehring et al., "Convolutional sequence to sequence learning", 2017, section 3.

An encoder of gated convolutions reads the source; a decoder of causal ones writes the target and
looks at the whole source in each of its layers. Both add embeddings of positions to those of
subwords, and every sum of two branches is scaled by √½, so that variance stays as it is.

Two differences from the paper. Its weight normalization is left out: layers start with its
variances (section 3.5), and Adam with bounded gradients takes the place of its optimizer. And the
gradients of the encoder are not divided by the number of attention layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.sequences.graphs import SequenceGraphs, step_inputs

if TYPE_CHECKING:
    import keras

NAME = "convs2s"
PADDING = 0
"""The id that fills up a sentence; a network reads nothing into it."""
HIDDEN = -16.0
"""Added to the attention's score of a padded position: e⁻¹⁶ is one in nine million. A larger number
would cost an int8 score its resolution.
"""
LONGEST = 4096
MAX_VOCABULARY = 1_000_000
_HALF = math.sqrt(0.5)


def build(
    input_shape: tuple[int] = (64,),
    vocabulary_size: int = 4000,
    *,
    embedding: int = 256,
    channels: int = 256,
    encoder_layers: int = 4,
    decoder_layers: int = 3,
    kernel: int = 3,
    dropout: float = 0.2,
) -> keras.Model:
    """Ids of a source (batch, any length) and of a target so far (batch, any length) → scores of
    the next subword behind each position of the target (batch, length, vocabulary), not normalized.

    Both are int32, filled up with 0, of at most `input_shape` ids; the outputs for a position do
    not depend on later ones. Subwords of both languages share one vocabulary, and have embeddings
    of their own on each side. The defaults are smaller than the paper's (15 layers of 512 and more)
    and have 6,523,296 parameters: see `parameters`.

    Raises InputError for sizes that make no sense.
    """
    import keras

    if len(input_shape) != 1:
        raise InputError(f"{NAME} takes sequences (length,), received: {input_shape}")
    layers = _layers(
        Sizes(
            input_shape[0],
            vocabulary_size,
            embedding=embedding,
            channels=channels,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            kernel=kernel,
            dropout=dropout,
        )
    )
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory = _encoded(layers, source, dropped=True)
    scores = _scores(layers, target, memory)
    return keras.Model([source, target], scores, name=NAME)


def parameters(
    length: int,
    vocabulary: int,
    *,
    embedding: int = 256,
    channels: int = 256,
    encoder_layers: int = 4,
    decoder_layers: int = 3,
    kernel: int = 3,
) -> int:
    """What the paper's equations count: two tables of subwords and of positions, maps between
    embeddings and channels, convolutions of `kernel` positions into two halves of a gate, in the
    decoder two maps around each attention, and the scores of all subwords.
    """
    tables = 2 * (vocabulary + length + 1) * embedding
    into, out_of = (embedding + 1) * channels, (channels + 1) * embedding
    convolution = (kernel * channels + 1) * 2 * channels
    encoder = into + encoder_layers * convolution + out_of
    decoder = into + decoder_layers * (convolution + out_of + into) + out_of
    return tables + encoder + decoder + (embedding + 1) * vocabulary


def receptive_field(layers: int, kernel: int = 3) -> int:
    """Positions that stacked convolutions see: layers × (kernel − 1) + 1 (paper, section 3.2)."""
    return layers * (kernel - 1) + 1


def parts(model: keras.Model) -> SequenceGraphs:
    """The encoder and one step of the decoder, with the weights of a trained network.

    The encoder takes a source (batch, length) and gives keys, values (batch, length, embedding) and
    hidden (batch, length). The step takes one id a row with its position, the encoder's outputs,
    and for each layer the states of the convolution's last kernel − 1 positions, side by side
    (batch, (kernel − 1) × channels). It gives scores (batch, vocabulary), attention (batch, length;
    the mean over layers), and for each layer the new position's state (batch, channels).
    """
    import keras

    layers = {layer.name: layer for layer in model.layers}
    length = int(layers["source_position"].input_dim) - 1
    source = keras.Input((length,), dtype="int32", name="source")
    encoder = keras.Model(source, _encoded(layers, source, dropped=False), name="encoder")
    kernel = int(layers["decoder_conv1"].kernel_size[0])
    reads, writes = (
        receptive_field(len(_depth(layers, side)), kernel) for side in ("encoder", "decoder")
    )
    step = _step(layers, encoder.outputs)
    return SequenceGraphs(encoder, step, ("keys", "values", "hidden"), reads, writes)


@dataclass(frozen=True)
class Sizes:
    """What a network is built with. Raises InputError for sizes that make no sense."""

    length: int
    vocabulary: int
    embedding: int
    channels: int
    encoder_layers: int
    decoder_layers: int
    kernel: int
    dropout: float

    def __post_init__(self) -> None:
        if not 4 <= int(self.length or 0) <= LONGEST:
            raise InputError(
                f"{NAME} takes sequences of 4 to {LONGEST} ids, received: {self.length}"
            )
        if not 4 < self.vocabulary <= MAX_VOCABULARY:
            raise InputError(
                f"{NAME} takes vocabularies of 5 to {MAX_VOCABULARY} ids, "
                f"received: {self.vocabulary}"
            )
        for name in ("embedding", "channels", "encoder_layers", "decoder_layers"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"{NAME}: {name} must be at least 1, received: {getattr(self, name)}"
                )
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise InputError(f"{NAME}: the kernel must be odd, from 3 on, received: {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"{NAME}: dropout is a share below 1, received: {self.dropout}")


def _layers(sizes: Sizes) -> dict[str, Any]:
    """All layers by name, with the paper's initial variances."""
    import keras
    from keras import layers

    def normal(fan_in: float, gain: float = 1.0) -> Any:
        return keras.initializers.RandomNormal(stddev=math.sqrt(gain / fan_in))

    depth = (sizes.encoder_layers, sizes.decoder_layers)
    kept = 1.0 - sizes.dropout
    made: list[Any] = []
    for side in ("source", "target"):
        table = keras.initializers.RandomNormal(stddev=0.1)
        made.append(
            layers.Embedding(
                sizes.vocabulary,
                sizes.embedding,
                embeddings_initializer=table,
                name=f"{side}_embedding",
            )
        )
        table = keras.initializers.RandomNormal(stddev=0.1)
        made.append(
            layers.Embedding(
                sizes.length + 1,
                sizes.embedding,
                embeddings_initializer=table,
                name=f"{side}_position",
            )
        )
    for side, count in zip(("encoder", "decoder"), depth, strict=True):
        made.append(
            layers.Dense(
                sizes.channels, kernel_initializer=normal(sizes.embedding, kept), name=f"{side}_in"
            )
        )
        made += [
            layers.Conv1D(
                2 * sizes.channels,
                sizes.kernel,
                padding="same" if side == "encoder" else "causal",
                kernel_initializer=normal(sizes.kernel * sizes.channels, 4 * kept),
                name=f"{side}_conv{index}",
            )
            for index in range(1, count + 1)
        ]
        made.append(
            layers.Dense(
                sizes.embedding, kernel_initializer=normal(sizes.channels), name=f"{side}_out"
            )
        )
    for index in range(1, depth[1] + 1):
        for name, units, fan_in in (
            ("query", sizes.embedding, sizes.channels),
            ("context", sizes.channels, sizes.embedding),
        ):
            made.append(
                layers.Dense(units, kernel_initializer=normal(fan_in), name=f"{name}{index}")
            )
    made.append(
        layers.Dense(
            sizes.vocabulary, kernel_initializer=normal(sizes.embedding, kept), name="scores"
        )
    )
    named = {layer.name: layer for layer in made}
    if sizes.dropout:
        named["dropout"] = _Dropout(sizes.dropout)
    return named


class _Dropout:
    """A dropout layer of its own at each place: every layer has a generator."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, x: Any, name: str) -> Any:
        from keras import layers

        return layers.Dropout(self._share, name=f"dropout_{name}")(x)


def _drop(layers: dict[str, Any], x: Any, name: str, *, dropped: bool = True) -> Any:
    return layers["dropout"](x, name) if dropped and "dropout" in layers else x


def _embedded(layers: dict[str, Any], ids: Any, side: str) -> tuple[Any, Any]:
    """(subwords + positions, 1 where there is a subword and 0 where there is padding).

    Positions count from 1; 0 is that of padding.
    """
    import keras

    there = keras.ops.cast(keras.ops.not_equal(ids, PADDING), "int32")
    positions = keras.ops.multiply(keras.ops.cumsum(there, axis=1), there)
    return layers[f"{side}_embedding"](ids) + layers[f"{side}_position"](positions), there


def _gated(x: Any) -> Any:
    """a · sigmoid(b) for the halves a and b of the last axis."""
    import keras

    value, gate = keras.ops.split(x, 2, axis=-1)
    return value * keras.ops.sigmoid(gate)


def _depth(layers: dict[str, Any], side: str) -> range:
    return range(1, 1 + sum(name.startswith(f"{side}_conv") for name in layers))


def _encoded(layers: dict[str, Any], source: Any, *, dropped: bool) -> list[Any]:
    """Keys and values (batch, length, embedding), and what hides padding (batch, length).

    Values are multiplied by √m for a source of m ids: m inputs of equal weight would otherwise
    leave a variance of 1/m.
    """
    import keras

    ops = keras.ops
    words, there = _embedded(layers, source, "source")
    words = _drop(layers, words, "source", dropped=dropped)
    seen = ops.cast(ops.expand_dims(there, -1), words.dtype)
    x = layers["encoder_in"](words)
    for index in _depth(layers, "encoder"):
        before = x
        x = _drop(layers, x * seen, f"encoder{index}", dropped=dropped)
        x = (_gated(layers[f"encoder_conv{index}"](x)) + before) * _HALF
    keys = layers["encoder_out"](x) * seen
    count = ops.sum(seen, axis=1, keepdims=True)
    values = (keys + words) * seen * (ops.sqrt(count) * _HALF)
    hidden = (1.0 - ops.squeeze(seen, -1)) * HIDDEN
    return [keys, values, hidden]


def _scores(layers: dict[str, Any], target: Any, memory: list[Any]) -> Any:
    import keras

    ops = keras.ops
    keys, values, hidden = memory
    words, _ = _embedded(layers, target, "target")
    words = _drop(layers, words, "target")
    x = layers["decoder_in"](words)
    bias = ops.expand_dims(hidden, 1)
    for index in _depth(layers, "decoder"):
        before = x
        x = _drop(layers, x, f"decoder{index}")
        x = _gated(layers[f"decoder_conv{index}"](x))
        query = (layers[f"query{index}"](x) + words) * _HALF
        weights = ops.softmax(ops.matmul(query, ops.transpose(keys, (0, 2, 1))) + bias)
        context = layers[f"context{index}"](ops.matmul(weights, values))
        x = ((context + x) * _HALF + before) * _HALF
    x = _drop(layers, layers["decoder_out"](x), "scores")
    return layers["scores"](x)


def _step(layers: dict[str, Any], memory: list[Any]) -> keras.Model:
    """One position of the decoder. Its convolutions are maps of the last `kernel` states.

    Only sizes of a row stand in it: converters leave the number of rows open then.
    """
    import keras

    ops = keras.ops
    depth = _depth(layers, "decoder")
    convolution = layers["decoder_conv1"]
    channels = int(convolution.filters) // 2
    width = (int(convolution.kernel_size[0]) - 1) * channels
    inputs = step_inputs(memory, ("keys", "values", "hidden"), {f"state{i}": width for i in depth})
    words = layers["target_embedding"](inputs["token"])
    words = words + layers["target_position"](inputs["position"])
    words = ops.reshape(words, (-1, words.shape[-1]))
    x = layers["decoder_in"](words)
    hidden, attention, states = inputs["hidden"], [], []
    length = int(hidden.shape[-1])
    for index in depth:
        before = x
        states.append(x)
        window = ops.concatenate([inputs[f"state{index}"], x], axis=-1)
        x = _gated(_as_dense(layers[f"decoder_conv{index}"])(window))
        query = (layers[f"query{index}"](x) + words) * _HALF
        matches = ops.matmul(inputs["keys"], ops.reshape(query, (-1, query.shape[-1], 1)))
        weights = ops.softmax(ops.reshape(matches, (-1, length)) + hidden)
        attention.append(weights)
        context = ops.matmul(ops.reshape(weights, (-1, 1, length)), inputs["values"])
        context = ops.reshape(context, (-1, query.shape[-1]))
        x = ((layers[f"context{index}"](context) + x) * _HALF + before) * _HALF
    scores = layers["scores"](layers["decoder_out"](x))
    mean = sum(attention[1:], attention[0]) * (1.0 / len(attention))
    # Identities give the states names of their own: an output may not be an inner tensor's alias.
    outputs = [scores, mean, *(state * 1.0 for state in states)]
    return keras.Model(list(inputs.values()), outputs, name="step")


def _as_dense(convolution: Any) -> Any:
    """The same map for one position: kernel (k, in, out) → (k · in, out)."""
    import keras

    kernel, bias = convolution.get_weights()
    flat = kernel.reshape(-1, kernel.shape[-1])
    layer = keras.layers.Dense(flat.shape[1], name=convolution.name)
    layer.build((None, flat.shape[0]))
    layer.set_weights([flat, bias])
    return layer

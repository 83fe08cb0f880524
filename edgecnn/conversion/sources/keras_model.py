"""A Keras model to convert: what it takes and gives, judged before any converter runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from edgecnn.conversion.rewriting.keras.plain_argmax import plain_argmax
from edgecnn.conversion.rewriting.keras.upsampling import as_resize
from edgecnn.conversion.sources.keras_twins import convertible
from edgecnn.conversion.sources.tensorflow import TensorFlowSource, given_sizes
from edgecnn.errors import InputError
from edgecnn.feeding import InferredInput
from edgecnn.feeding.family import family_of
from edgecnn.feeding.keras_model import prove
from edgecnn.keras_files import is_keras_2
from edgecnn.manifest import TensorSpec
from edgecnn.runtimes.shapes import fix_shapes, parse_shapes
from edgecnn.runtimes.tensors import name_axes
from edgecnn.text import first_line

DTYPES = ("float32", "int32", "int64", "uint8", "int8", "int16", "uint16", "bool")
"""What an input may be: real values, ids of words, pixels as a camera gives them."""


@dataclass(frozen=True, kw_only=True)
class KerasSource(TensorFlowSource):
    """A model of Keras 3, or of Keras 2 (tf-keras); both are called and traced in the same way."""

    model: Any

    @property
    def layer_names(self) -> frozenset[str]:
        return frozenset(str(layer.name) for layer in layers_of(self.model))

    @property
    def has_functions(self) -> bool:
        return not is_keras_2(self.model)

    def call(self, tensors: Sequence[Any]) -> list[Any]:
        tree = tree_of(self.model)
        packed = tree.pack_sequence_as(structure_of(self.model), list(tensors))
        return list(tree.flatten(self.model(packed, training=False)))

    def traced_call(self, tensors: Sequence[Any]) -> list[Any]:
        if not self.has_functions:  # Keras 2 has neither
            return self.call(tensors)
        with as_resize(layers_of(self.model)), plain_argmax():
            return self.call(tensors)

    def for_tflite(self) -> TensorFlowSource:
        from edgecnn.conversion.rewriting.keras.pooling import with_planar_pooling

        if is_keras_2(self.model):
            return self
        planar = with_planar_pooling(self.model)
        return self if planar is self.model else replace(self, model=planar)

    def proof(self) -> InferredInput | None:
        proof = self.proof_in_file() if is_keras_2(self.model) else prove(self.model)
        if proof is None and is_keras_2(self.model):
            family = family_of(self.layer_names)
            if family is not None:
                because = f"the model is built as {family.name} of keras.applications"
                return InferredInput("family", because, family.preset)
        if proof is None and self.dtype == "uint8":
            return InferredInput("quantization", "its input is uint8 without a scale", "raw")
        return proof


def describe(model: Any, *, name: str, sha256: str, shape: str = "") -> KerasSource:
    """Check that a Keras model can be converted.

    A model that computes in half precision is taken as its float32 twin, one that takes channels
    first behind an input whose channels come last, one with a fixed batch with an open one.
    `shape` gives sizes for open dimensions.

    Raises InputError for a model without fixed inputs, for one that keeps a state between calls,
    for inputs of text, and for dimensions other than the batch that stay open.
    """
    given = model
    model, sizes = with_inputs(model, name, shape)
    known = given if getattr(given, "outputs", None) else model
    model, notes = convertible(model, name)
    inputs = _specs(model, name)
    return KerasSource(
        model=model,
        name=name,
        sha256=sha256,
        inputs=inputs,
        output_names=output_names(known, taken={spec.name for spec in inputs}),
        vocabularies=_vocabularies(model, inputs),
        given=sizes,
        notes=notes,
        loops=tuple(
            str(layer.name) for layer in layers_of(model) if getattr(layer, "unroll", None) is False
        ),
    )


def layers_of(model: Any) -> list[Any]:
    """All layers of a model, those of models inside it too."""
    return list(model._flatten_layers(include_self=False, recursive=True))  # noqa: SLF001


def tree_of(model: Any) -> ModuleType | Any:
    """What flattens and packs the structures that a model takes and returns."""
    if is_keras_2(model):
        import tensorflow as tf

        return tf.nest
    from edgecnn.keras_files import import_keras

    return import_keras().tree


def structure_of(model: Any) -> Any:
    """How a model takes its inputs: a tensor, a list, a dictionary, nested."""
    graph = getattr(model, "_functional", None) or model
    for attribute in ("_inputs_struct", "_nested_inputs"):
        struct = getattr(graph, attribute, None)
        if struct is not None:
            return struct
    return model.input


def with_inputs(model: Any, name: str, shape: str) -> tuple[Any, dict[str, str]]:
    """The model itself, or behind inputs of the sizes in `shape` where it leaves some open, and
    what a manifest says of those (see `tensorflow.given_sizes`).

    Raises InputError where sizes stay open, and for a model that does not say what it takes.
    """
    inputs = _inputs(model, shape)
    if inputs is None:
        return _behind_new_input(model, name, shape), _said(shape)
    declared = [(str(tensor.name), tuple(tensor.shape)) for tensor in inputs]
    for tensor_name, sizes in declared:
        if len(sizes) < 1:
            raise InputError(f"{name}: input {tensor_name!r} is (), expected (batch, …)")
    if not any(size is None for _, sizes in declared for size in sizes[1:]) and not shape:
        return model, {}
    batched = [(key, (None, *sizes[1:])) for key, sizes in declared]
    try:
        fixed = fix_shapes(batched, 1, shape)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", hint=error.hint) from error
    if all(
        size is not None for _, sizes in declared for size in sizes[1:]
    ):  # `shape` repeats what the model says
        return model, {}
    keras = _library(model)
    new = [
        keras.Input(sizes[1:], dtype=tensor.dtype, name=_plain(str(tensor.name)))
        for tensor, sizes in zip(inputs, fixed, strict=True)
    ]
    packed = tree_of(model).pack_sequence_as(structure_of(model), new)
    fixed_model = keras.Model(packed, model(packed, training=False), name=model.name)
    return fixed_model, given_sizes(declared, fixed)


def _behind_new_input(model: Any, name: str, shape: str) -> Any:
    """A model that is a program (a subclass of keras.Model), behind an input of the given size."""
    keras = _library(model)
    given = parse_shapes(shape)
    try:
        inputs = [keras.Input(sizes[1:], name=key or "input") for key, sizes in given.items()]
        packed = inputs[0] if len(inputs) == 1 else inputs
        return keras.Model(packed, model(packed, training=False), name=name)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{name} cannot be called on an input of {shape}: {first_line(error, kind=False)}",
            hint="pass the shape that it was trained on, with the batch: --shape 1x224x224x3",
        ) from error


def _said(shape: str) -> dict[str, str]:
    """What a manifest says of the sizes of a model that says none of its own."""
    sizes = parse_shapes(shape).items()
    parts = [(f"{name}=" if name else "") + "x".join(map(str, each)) for name, each in sizes]
    return {"shape": ",".join(parts)}


def _inputs(model: Any, shape: str) -> list[Any] | None:
    """The model's inputs; None where it does not say, and `shape` does."""
    try:
        inputs = list(model.inputs or ())
        outputs = list(model.outputs or ())
    except (AttributeError, ValueError):
        inputs, outputs = [], []
    if inputs and outputs:
        return inputs
    if shape:
        return None
    raise InputError(
        f"the model {getattr(model, 'name', model)!r} has no fixed input",
        hint="pass its sizes: --shape 1x224x224x3; or build it with keras.Input(shape)",
    )


def _specs(model: Any, name: str) -> tuple[TensorSpec, ...]:
    names = _unique([_plain(str(tensor.name)) for tensor in model.inputs])
    specs = []
    for tensor, tensor_name in zip(model.inputs, names, strict=True):
        dtype = _dtype(tensor)
        if dtype not in DTYPES:
            raise InputError(
                f"{name}: input {tensor_name!r} is {dtype}, expected real values or whole numbers",
                hint="leave layers that look words up (TextVectorization, StringLookup) out of the "
                "model, and convert the part behind them",
            )
        sizes = tuple(int(size) for size in tensor.shape[1:])
        layout = name_axes(len(sizes) + 1, dtype)
        specs.append(TensorSpec(tensor_name, (None, *sizes), dtype, layout))
    return tuple(specs)


def _dtype(tensor: Any) -> str:
    """The name of a dtype of Keras 3 or of TensorFlow."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _plain(name: str) -> str:
    """A tensor's name without the number that Keras 2 puts behind it."""
    return name.partition(":")[0]


def output_names(model: Any, taken: set[str] | None = None) -> tuple[str, ...]:
    """The names of a model's outputs in order: its keys where it returns a dictionary, otherwise
    those of its last layers; the second of one name gets a number.
    """
    tree = tree_of(model)
    graph = getattr(model, "_functional", None) or model
    struct = getattr(graph, "_outputs_struct", getattr(graph, "_nested_outputs", None))
    keys = _keys(struct) if isinstance(struct, dict) else None
    count = len(tree.flatten(model.outputs))
    names = keys or list(getattr(graph, "output_names", None) or ()) or _last_layers(model)
    if len(names) != count:
        names = [f"output_{index}" for index in range(count)] if count > 1 else ["output"]
    return tuple(_unique([str(name) for name in names], taken))


def _keys(struct: dict[Any, Any]) -> list[str] | None:
    """The keys of a flat dictionary, in the order in which it is flattened (sorted)."""
    if any(isinstance(value, dict | list | tuple) for value in struct.values()):
        return None
    return [str(key) for key in sorted(struct)]


def _last_layers(model: Any) -> list[str]:
    histories = [getattr(tensor, "_keras_history", None) for tensor in model.outputs]
    return [str(history[0].name) for history in histories if history is not None]


def _unique(names: Sequence[str], taken: set[str] | None = None) -> list[str]:
    used = Counter(dict.fromkeys(taken or (), 1))
    unique = []
    for name in names:
        candidate = name
        while used[candidate]:
            candidate = f"{name}_{used[name]}"
            used[name] += 1
        used[candidate] += 1
        unique.append(candidate)
    return unique


def _vocabularies(model: Any, inputs: Sequence[TensorSpec]) -> dict[str, int]:
    """Rows of the smallest embedding, for inputs of ids: a larger id would be looked up outside.

    Without an embedding nothing is known but that the smallest vocabulary has two words.
    """
    smallest = min(
        (int(layer.input_dim) for layer in layers_of(model) if type(layer).__name__ == "Embedding"),
        default=2,
    )
    return {spec.name: smallest for spec in inputs if spec.dtype in ("int32", "int64")}


def _library(model: Any) -> ModuleType:
    if is_keras_2(model):
        import tf_keras

        return tf_keras  # type: ignore[no-any-return]
    from edgecnn.keras_files import import_keras

    return import_keras()


def digest(model: Any) -> str:
    """SHA-256 of a model's architecture and weights: what identifies one that is in no file.

    A `.keras` archive would not do, since it records the time of saving.
    """
    import hashlib

    from edgecnn.keras_files import import_keras

    to_numpy = import_keras().ops.convert_to_numpy
    state = hashlib.sha256(model.to_json().encode())
    for variable in model.variables:
        values = np.ascontiguousarray(to_numpy(variable))
        state.update(f"{values.dtype}{values.shape}".encode())
        state.update(values.tobytes())
    return state.hexdigest()

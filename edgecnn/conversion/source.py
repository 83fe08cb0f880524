"""The Keras model that is converted: what it takes and gives, judged before any converter runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.channels_last import takes_channels_first, with_channels_last
from edgecnn.conversion.float32_twin import float32_twin, half_precision_of
from edgecnn.errors import InputError
from edgecnn.runtimes.tensors import name_axes

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

INPUT_NAME = "input"
_AXES = {
    5: ("depth", "height", "width", "channels"),
    4: ("height", "width", "channels"),
    3: ("length", "channels"),
    2: ("length",),
}
DTYPES = ("float32", "int32")
"""What an input may be: real values, or the ids of words."""


@dataclass(frozen=True)
class SourceModel:
    """A Keras model with one input of a fixed size, and its weights' digest.

    `input_shape` leaves out the batch; `output_names` are those of the converted files, in
    the order in which Keras returns the outputs. `dtype` is the input's: int32 for word ids,
    which lie below `vocabulary_size` (None for real values).
    """

    model: keras.Model
    name: str
    sha256: str
    input_shape: tuple[int, ...]
    output_names: tuple[str, ...]
    dtype: str = "float32"
    vocabulary_size: int | None = None
    notes: tuple[str, ...] = ()
    """How `model` differs from the one that was given, and why; it computes the same."""

    @property
    def layout(self) -> str:
        """The axes of the input, batch first; Keras on TensorFlow keeps channels last."""
        return name_axes(len(self.input_shape) + 1, self.dtype)

    @property
    def loops(self) -> tuple[str, ...]:
        """The recurrent layers that are not unrolled, by name."""
        layers = self.model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
        return tuple(str(layer.name) for layer in layers if getattr(layer, "unroll", None) is False)

    def serving_function(self) -> Callable[..., dict[str, Any]]:
        """A function from the tensor called "input" to a mapping of named outputs."""

        # Converters take the argument's name for the name of the graph's input.
        def serve(input: Any) -> dict[str, Any]:  # noqa: A002
            return dict(zip(self.output_names, self._outputs(input), strict=True))

        return serve

    def predict(self, samples: Iterable[Array], *, batch: int = 32) -> list[Array]:
        """Outputs (n, …), one array each, for inputs (1, …), in inference mode.

        Those of the float32 twin where the model computes in half precision; inputs are
        channels last.
        """
        waiting = iter(samples)
        parts: list[list[Array]] = []
        while chunk := list(islice(waiting, batch)):
            outputs = self._outputs(np.concatenate(chunk))
            parts.append([np.asarray(output) for output in outputs])
        if not parts:
            raise InputError("no samples to run the model on")
        return [np.concatenate(chunks) for chunks in zip(*parts, strict=True)]

    def _outputs(self, tensors: Any) -> Sequence[Any]:
        from edgecnn.keras_files import import_keras

        tree = import_keras().tree
        outputs: Sequence[Any] = tree.flatten(self.model(tensors, training=False))
        return outputs


def describe(model: keras.Model, *, name: str, sha256: str) -> SourceModel:
    """Check that `model` can be converted.

    A model that computes in half precision is taken as its float32 twin, one that takes
    channels first behind an input whose channels come last.

    Raises InputError for a model without a fixed input, with several inputs, with an input
    that is neither float32 nor int32, and with open dimensions other than the batch.
    """
    model, notes = _converted(model, name)
    inputs = _inputs(model)
    if len(inputs) != 1:
        shapes = ", ".join(f"{tensor.name} {_show(tensor.shape)}" for tensor in inputs)
        raise InputError(
            f"{name} has {len(inputs)} inputs ({shapes}), expected exactly one",
            hint="merge them into one tensor, or convert the part behind one of them",
        )
    tensor = inputs[0]
    dtype, shape = str(tensor.dtype), tuple(tensor.shape)
    if dtype not in DTYPES:
        raise InputError(
            f"{name}: input {tensor.name!r} is {dtype}, expected float32, or int32 for word ids",
            hint="move lookups and casts out of the model, or build it with such an input",
        )
    if len(shape) < 2:
        raise InputError(f"{name}: input {tensor.name!r} is {_show(shape)}, expected (batch, …)")
    _check_dimensions(name, str(tensor.name), shape)
    count = len(model.outputs)
    names = ("output",) if count == 1 else tuple(f"output_{index}" for index in range(count))
    sizes = tuple(int(size) for size in shape[1:])
    vocabulary_size = _vocabulary_size(model) if dtype == "int32" else None
    return SourceModel(model, name, sha256, sizes, names, dtype, vocabulary_size, notes)


def _converted(model: keras.Model, name: str) -> tuple[keras.Model, tuple[str, ...]]:
    """The model as converters take it, and what is said of the difference."""
    notes = []
    half = half_precision_of(model)
    if half is not None:
        model = float32_twin(model, name)
        notes.append(
            f"{name} computes in {half}: converted as its float32 twin, the same layers and "
            "weights computing in float32"
        )
    if _inputs(model) and takes_channels_first(model):
        shape = tuple(model.inputs[0].shape)
        model = with_channels_last(model)
        notes.append(
            f"{name} takes channels first {_show(shape[1:])}: the files take channels last "
            f"{_show(tuple(model.inputs[0].shape)[1:])}, and transpose inside"
        )
    return model, tuple(notes)


def digest(model: keras.Model) -> str:
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


def _vocabulary_size(model: keras.Model) -> int:
    """Rows of the smallest embedding: a larger id would be looked up outside of it.

    Without an embedding nothing is known but that the smallest vocabulary has two words.
    """
    layers = model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
    return min(
        (int(layer.input_dim) for layer in layers if type(layer).__name__ == "Embedding"),
        default=2,
    )


def _inputs(model: keras.Model) -> list[Any]:
    try:
        inputs = model.inputs
    except AttributeError:
        inputs = None
    if not inputs or not model.outputs:
        raise InputError(
            f"the model {getattr(model, 'name', model)!r} has no fixed input",
            hint="build it with keras.Input(shape), as a functional or sequential model",
        )
    return list(inputs)


def _check_dimensions(name: str, tensor_name: str, shape: Sequence[int | None]) -> None:
    axes = _AXES.get(len(shape), tuple(f"axis {index}" for index in range(1, len(shape))))
    missing = [axis for axis, size in zip(axes, shape[1:], strict=True) if size is None]
    if missing:
        example = tuple(224 if size is None else size for size in shape[1:])
        raise InputError(
            f"{name}: input {tensor_name!r} is {_show(shape)}: {' and '.join(missing)} open",
            hint="edge runtimes need fixed sizes: put the model behind an input that has one, "
            f"as in keras.Model(i := keras.Input({example}), model(i))",
        )


def _show(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"

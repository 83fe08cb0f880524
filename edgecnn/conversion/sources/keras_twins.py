"""Twins of a Keras model that converters take: the same layers and weights, computing the same.

Half precision is for training: variables are float32, computation is float16 or bfloat16, and
converters write those casts into the file. Asked for float32 they would give a file of float16
under the name of float32, and quantizers refuse it. Double precision has no kernels at the edge. A
batch that is fixed is fixed for training,
too: at the edge the batch is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgecnn.conversion.rewriting.keras.channels_last import (
    takes_channels_first,
    with_channels_last,
)
from edgecnn.errors import InputError
from edgecnn.tensor_spec import shape_text

OTHER_FLOATS = ("float16", "bfloat16", "float64")
_POLICIES = (*OTHER_FLOATS, *(f"mixed_{name}" for name in OTHER_FLOATS))


def convertible(model: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """The model as converters take it, and what is said of the difference.

    Raises InputError for a model that keeps a state between calls, and where there is no twin.
    """
    notes = []
    _refuse_state(model, name)
    _refuse_quantized(model, name)
    batch = _fixed_batch(model)
    if batch is not None:
        model = _rebuilt(model, name, _with_open_batch, f"takes batches of exactly {batch}")
        notes.append(f"{name} takes batches of {batch}: converted with an open batch")
    other = other_precision_of(model)
    if other is not None:
        model = float32_twin(model, name)
        notes.append(
            f"{name} computes in {other}: converted as its float32 twin, the same layers and "
            "weights computing in float32"
        )
    if len(model.inputs) > 1 and _all_channels_first(model):
        raise InputError(
            f"{name} has {len(model.inputs)} inputs and takes channels first",
            hint="build it with data_format='channels_last', and load the same weights",
        )
    if takes_channels_first(model):
        shape = tuple(model.inputs[0].shape)
        model = with_channels_last(model)
        notes.append(
            f"{name} takes channels first {shape_text(shape[1:])}: the files take channels last "
            f"{shape_text(tuple(model.inputs[0].shape)[1:])}, and transpose inside"
        )
    return model, tuple(notes)


def other_precision_of(model: Any) -> str | None:
    """The policy or dtype in which a model computes where it is not float32, else None."""
    policies = dict.fromkeys(_other_names(model))
    return " and ".join(policies) if policies else None


def float32_twin(model: Any, name: str) -> Any:
    """The same model in float32.

    Raises InputError where Keras cannot build it again from its configuration.
    """
    other = other_precision_of(model)
    hint = "build the model under keras.config.set_dtype_policy('float32') and load the weights"
    twin = _rebuilt(model, name, _in_float32, f"computes in {other}", hint)
    left = other_precision_of(twin)
    if left is not None:
        raise _no_twin(name, f"computes in {other}", f"a layer insists on {left}", hint)
    return twin


def _all_channels_first(model: Any) -> bool:
    formats = {str(layer.data_format) for layer in _layers(model) if hasattr(layer, "data_format")}
    return formats == {"channels_first"}


def _refuse_state(model: Any, name: str) -> None:
    stateful = [layer for layer in _layers(model) if getattr(layer, "stateful", False) is True]
    if not stateful:
        return
    batch = _fixed_batch(model)
    batches = f" of batches of {batch}" if batch else ""
    raise InputError(
        f"{name}: {_kind(stateful[0])} {stateful[0].name!r} is stateful: it keeps its state from "
        f"one call to the next{batches}, which no converted file does",
        hint="build it with stateful=False and an open batch (keras.Input(shape)), then "
        "new.set_weights(old.get_weights()), and convert that",
    )


def _refuse_quantized(model: Any, name: str) -> None:
    """Keras's own quantization is for its own runtime: converters see arithmetic on integers that
    no file format has as one operator.
    """
    modes = {layer.name: getattr(layer, "quantization_mode", None) for layer in _layers(model)}
    layer, mode = next(((key, mode) for key, mode in modes.items() if mode), ("", ""))
    if mode:
        raise InputError(
            f"{name} is quantized by Keras already ({mode}, first layer {layer!r}), which no "
            "converter takes",
            hint="convert the float model that it was made from; --to tflite:static_int8, "
            "tflite:dynamic_int8 or onnx:static_int8 quantize it",
        )


def _kind(layer: Any) -> str:
    return f"the {type(layer).__name__}"


def _fixed_batch(model: Any) -> int | None:
    sizes = {tensor.shape[0] for tensor in model.inputs if len(tensor.shape)}
    fixed = sizes - {None}
    return int(max(fixed)) if fixed else None


def _rebuilt(
    model: Any, name: str, changed: Callable[[Any], Any], what: str, hint: str = ""
) -> Any:
    """The model built again from its changed configuration, with its weights."""
    keras = _library(model)
    saving = keras.saving
    try:
        config = changed(saving.serialize_keras_object(model))
        # Its code, where it has any, runs in this process already: nothing new is let in.
        twin = saving.deserialize_keras_object(config, safe_mode=False)
        twin.set_weights(model.get_weights())
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        why = f"Keras cannot build it again ({type(error).__name__})"
        hint = hint or "build it with keras.Input(shape), which leaves the batch open"
        raise _no_twin(name, what, why, hint) from error
    return twin


def _library(model: Any) -> Any:
    if any(base.__module__.startswith("tf_keras") for base in type(model).__mro__):
        import tf_keras

        return tf_keras
    from edgecnn.keras_files import import_keras

    return import_keras()


def _no_twin(name: str, what: str, why: str, hint: str) -> InputError:
    return InputError(f"{name} {what}, and cannot be converted otherwise: {why}", hint=hint)


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False, recursive=True))  # noqa: SLF001


def _other_names(model: Any) -> Iterator[str]:
    for layer in _layers(model):
        if type(layer).__name__ == "InputLayer":
            continue
        if str(layer.compute_dtype) in OTHER_FLOATS:
            policy = layer.dtype_policy if hasattr(layer, "dtype_policy") else None
            yield str(getattr(policy, "name", layer.compute_dtype))
    for tensor in model.inputs:
        if str(getattr(tensor.dtype, "name", tensor.dtype)) in OTHER_FLOATS:
            yield str(getattr(tensor.dtype, "name", tensor.dtype))
    for operation in getattr(model, "operations", ()):
        if type(operation).__name__ in ("Cast", "AsType") and str(operation.dtype) in OTHER_FLOATS:
            yield str(operation.dtype)


def _in_float32(value: Any) -> Any:
    """A configuration with every policy and every dtype of another precision replaced."""
    if isinstance(value, dict):
        if value.get("class_name") in ("DTypePolicy", "Policy"):
            settings = value.get("config") or {}
            if settings.get("name") in _POLICIES:
                return {**value, "config": {**settings, "name": "float32"}}
        return {
            key: "float32" if key.endswith("dtype") and item in _POLICIES else _in_float32(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_in_float32(item) for item in value)
    return value


def _with_open_batch(value: Any) -> Any:
    """A configuration whose inputs leave the batch open."""
    if isinstance(value, dict):
        return {
            key: [None, *list(item)[1:]]
            if key in ("batch_shape", "batch_input_shape") and item
            else _with_open_batch(item)
            for key, item in value.items()
            if key != "build_config"
        }
    if isinstance(value, list | tuple):
        return type(value)(_with_open_batch(item) for item in value)
    return value

"""A float32 twin of a model that computes in half precision.

Mixed precision is for training: variables are float32, computation is float16 or bfloat16, and
converters write those casts into the file. Asked for float32 they would give a file of float16
under the name of float32, and quantizers refuse it. The twin has the same layers and the same
weights, and computes in float32 throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError

if TYPE_CHECKING:
    import keras

HALF = ("float16", "bfloat16")
_POLICIES = (*HALF, *(f"mixed_{name}" for name in HALF))


def half_precision_of(model: keras.Model) -> str | None:
    """The policy or dtype in which a model computes where it is half precision, else None."""
    found = dict.fromkeys(_half_names(model))
    return " and ".join(found) if found else None


def float32_twin(model: keras.Model, name: str) -> keras.Model:
    """The same model in float32.

    Raises InputError where Keras cannot build it again from its configuration.
    """
    from edgecnn.keras_files import import_keras

    keras_module = import_keras()
    try:
        config = _in_float32(keras_module.saving.serialize_keras_object(model))
        # Its code, where it has any, runs in this process already: nothing new is let in.
        twin: keras.Model = keras_module.saving.deserialize_keras_object(config, safe_mode=False)
        twin.set_weights(model.get_weights())
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise _cannot(name, model, f"Keras cannot build it again ({type(error).__name__})") from (
            error
        )
    left = half_precision_of(twin)
    if left is not None:
        raise _cannot(name, model, f"a layer insists on {left}")
    return twin


def _cannot(name: str, model: keras.Model, why: str) -> InputError:
    return InputError(
        f"{name} computes in {half_precision_of(model)}, and there is no float32 twin: {why}",
        hint="build the model under keras.config.set_dtype_policy('float32') and load the weights",
    )


def _half_names(model: keras.Model) -> Iterator[str]:
    for layer in model._flatten_layers(include_self=False, recursive=True):  # noqa: SLF001
        if type(layer).__name__ == "InputLayer":
            continue
        if str(layer.compute_dtype) in HALF:
            policy = layer.dtype_policy
            yield str(getattr(policy, "name", layer.compute_dtype))
    for operation in getattr(model, "operations", ()):
        if type(operation).__name__ in ("Cast", "AsType") and str(operation.dtype) in HALF:
            yield str(operation.dtype)


def _in_float32(value: Any) -> Any:
    """A configuration with every policy and every dtype of half precision replaced."""
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
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

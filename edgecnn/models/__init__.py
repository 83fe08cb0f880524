"""Architectures: one file each, `keras` API only, so that any Keras backend trains them.

An architecture is a function `build(input_shape=(height, width, channels), num_classes=n)` with
defaults of its own that returns a keras.Model: input named "input" of shape
(batch, height, width, channels), output softmax probabilities (batch, num_classes).
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.keras_files import import_keras
from edgecnn.registry import DETECTORS, MODELS, Registry

if TYPE_CHECKING:
    import keras

__all__ = ["build", "default_input_shape"]


def build(name: str, *, seed: int | None = None, **overrides: Any) -> keras.Model:
    """Build an architecture by name with fresh weights.

    `build("lenet5", input_shape=(32, 32, 1), num_classes=10)`; without arguments the
    architecture's own defaults hold. `seed` makes the initial weights reproducible by seeding
    Python's, numpy's and the backend's global generators (keras.utils.set_random_seed).

    Raises InputError for a name nobody registered, an argument the architecture does not
    take, or a shape it cannot work with; MissingDependencyError without Keras.
    """
    builder = _table_of(name).load(name)
    parameters = inspect.signature(builder).parameters
    unknown = [argument for argument in overrides if argument not in parameters]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise InputError(
            f"model {name!r} takes no {unknown[0]!r}", hint=f"it takes: {', '.join(parameters)}"
        )
    keras_module = import_keras()
    if seed is not None:
        keras_module.utils.set_random_seed(seed)
    model: keras.Model = builder(**overrides)
    return model


def default_input_shape(name: str) -> tuple[int, int, int]:
    """The (height, width, channels) that `build(name)` gives its input.

    Raises InputError for an unknown name, or an architecture without such a default.
    """
    parameter = inspect.signature(_table_of(name).load(name)).parameters.get("input_shape")
    if parameter is None or not isinstance(parameter.default, tuple) or len(parameter.default) != 3:
        raise InputError(
            f"model {name!r} does not say its input shape",
            hint="its build function needs input_shape=(height, width, channels) as a default",
        )
    height, width, channels = parameter.default
    return height, width, channels


def _table_of(name: str) -> Registry:
    return DETECTORS if name in DETECTORS.names() else MODELS

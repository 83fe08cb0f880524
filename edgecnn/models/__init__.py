"""Architectures: one file each, `keras` API only, so that any Keras backend trains them.

An architecture is a function `build(input_shape=(height, width, channels), num_classes=n)` with
defaults of its own that returns a keras.Model: input named "input" of shape
(batch, height, width, channels), output softmax probabilities (batch, num_classes). Those for
text take (length,) word ids, those for signals (length, channels), those for volumes
(depth, height, width, channels).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.keras_files import import_keras
from edgecnn.modalities import AXES, MODALITY_OF_RANK, Modality
from edgecnn.models.without_values import without_values
from edgecnn.registry import DETECTORS, MODELS, SEQUENCE_MODELS, Registry

if TYPE_CHECKING:
    import keras

__all__ = ["Modality", "build", "default_input_shape", "input_shape_for", "modality", "outline"]


def build(name: str, *, seed: int | None = None, **overrides: Any) -> keras.Model:
    """Build an architecture by name with fresh weights, or a network of keras.applications.

    `build("lenet5", input_shape=(32, 32, 1), num_classes=10)`; without arguments the
    architecture's own defaults hold. `seed` makes the initial weights reproducible by seeding
    Python's, numpy's and the backend's global generators (keras.utils.set_random_seed).

    Raises InputError for a name nobody registered, an argument the architecture does not
    take, or a shape it cannot work with; MissingDependencyError without Keras.
    """
    builder = _checked_builder(name, overrides)
    keras_module = import_keras()
    if seed is not None:
        keras_module.utils.set_random_seed(seed)
    model: keras.Model = builder(**overrides)
    return model


def outline(name: str, **overrides: Any) -> keras.Model:
    """The network of `build` without weights: its layers, shapes and counts. Much faster.

    It is not for calling, training or saving. Raises what `build` raises.
    """
    builder = _checked_builder(name, overrides)
    model: keras.Model
    try:
        with without_values(import_keras()):
            model = builder(**overrides)
    except ValueError:  # a layer of a plug-in whose variable is given by a value
        model = builder(**overrides)
    return model


def _checked_builder(name: str, arguments: Mapping[str, Any]) -> Any:
    """The architecture's function. Raises InputError for an argument that it does not take."""
    builder = _builder(name)
    parameters = inspect.signature(builder).parameters
    unknown = [argument for argument in arguments if argument not in parameters]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise InputError(
            f"model {name!r} takes no {unknown[0]!r}", hint=f"it takes: {', '.join(parameters)}"
        )
    return builder


def _builder(name: str) -> Any:
    from edgecnn.models import applications

    if applications.is_name(name) and name not in MODELS.names():
        return functools.partial(applications.build, name)
    return _table_of(name).load(name)


def default_input_shape(name: str) -> tuple[int, ...]:
    """The shape of one sample that `build(name)` gives its input, without the batch.

    (height, width, channels) for images, (length,) for text, (length, channels) for signals,
    (depth, height, width, channels) for volumes.
    Raises InputError for an unknown name, or an architecture without such a default.
    """
    parameter = inspect.signature(_table_of(name).load(name)).parameters.get("input_shape")
    shape = None if parameter is None else parameter.default
    if not isinstance(shape, tuple) or len(shape) not in MODALITY_OF_RANK:
        raise InputError(
            f"model {name!r} does not say its input shape",
            hint="its build function needs input_shape=(height, width, channels) as a default, "
            "or that of a text, a signal or a volume",
        )
    return shape


def modality(name: str) -> Modality:
    """What the architecture takes: "image", "text", "signal" or "volume".

    Raises InputError as `default_input_shape` does.
    """
    return MODALITY_OF_RANK[len(default_input_shape(name))]


def _shape_words(wanted: Modality) -> str:
    """As a tuple is written: "height, width, channels", "length,"."""
    axes = AXES[wanted]
    return ", ".join(axes) + ("," if len(axes) == 1 else "")


def input_shape_for(name: str, sample_shape: Sequence[int]) -> tuple[int, ...]:
    """The input shape to train the architecture with, for samples of `sample_shape`.

    Texts, signals and volumes go in at their own size, with a channel axis. Images (height,
    width[, channels]) go in at the architecture's default size, or at their own where they are
    smaller; never below the architecture's smallest. Channels are those of the samples.

    Raises InputError for an unknown name, or samples of another modality than the architecture's.
    """
    default = default_input_shape(name)
    wanted = modality(name)
    shape = tuple(int(size) for size in sample_shape)
    if wanted != "text" and len(shape) == len(default) - 1:
        shape = (*shape, 1)
    if len(shape) != len(default):
        raise InputError(
            f"model {name!r} takes {wanted} samples ({_shape_words(wanted)}), "
            f"received samples of shape {tuple(sample_shape)}",
            hint="choose a model made for such data: `edgecnn models` lists them",
        )
    if wanted != "image":
        return shape
    *size, channels = shape
    if any(own > usual for own, usual in zip(size, default, strict=False)):
        size = list(default[:-1])
    return (*(max(own, _smallest(name)) for own in size), channels)


def _smallest(name: str) -> int:
    """Least height and width, of an architecture whose module says so (SMALLEST)."""
    builder = _table_of(name).load(name)
    return int(getattr(inspect.getmodule(builder), "SMALLEST", 1))


def _table_of(name: str) -> Registry:
    return next((table for table in (DETECTORS, SEQUENCE_MODELS) if name in table.names()), MODELS)

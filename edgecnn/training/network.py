"""The network while it is trained, and the same network as it is exported."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgecnn import models
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.keras_files import import_keras
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import Preprocessing, TextPreprocessing
from edgecnn.registry import MODELS
from edgecnn.training.config import TrainingConfig

if TYPE_CHECKING:
    import keras

_STEPS = ((0.5, 0.1), (0.75, 0.01))
"""The schedule `step`: from which share of the training on, which share of the rate."""


def input_shape(
    model_name: str, dataset: Dataset, input_size: int | None = None
) -> tuple[int, ...]:
    """The input to train with; `input_size` is the side of images, instead of the default.

    Raises InputError for an input size where the data hold no images.
    """
    chosen: tuple[int, ...] = models.input_shape_for(model_name, dataset.sample_shape)
    if input_size is None:
        return chosen
    if dataset.modality != "image":
        raise InputError(
            f"an input size is for images, {dataset.name!r} holds data of the kind "
            f"{dataset.modality}"
        )
    return (input_size, input_size, chosen[-1])


def arguments_for(
    model_name: str, shape: tuple[int, ...], dataset: Dataset, preprocessing: Preprocessing
) -> dict[str, Any]:
    """What the network's build function is called with."""
    arguments: dict[str, Any] = {"input_shape": shape, "num_classes": len(dataset.labels)}
    if isinstance(preprocessing, TextPreprocessing) and _has_argument(
        model_name, "vocabulary_size"
    ):
        arguments["vocabulary_size"] = preprocessing.vocabulary_size
    return arguments


def build(
    model_name: str, arguments: Mapping[str, Any], *, seed: int, precision: str
) -> keras.Model:
    """The network with fresh weights, with its auxiliary heads where it has such.

    With a `precision` other than "off" layers compute in it; variables, and the output layers'
    softmax, stay float32. Raises InputError for a network with another number of output classes
    than asked for.
    """
    extra = {"auxiliary_heads": True} if has_auxiliary_heads(model_name) else {}
    model = models.build(model_name, seed=seed, **arguments, **extra)
    classes = model.outputs[0].shape[-1]
    if classes != arguments["num_classes"]:
        raise InputError(
            f"{model_name} has {classes} output classes, "
            f"the data set has {arguments['num_classes']}"
        )
    return model if precision == "off" else in_precision(model, precision)


def resolved_precision(wanted: str) -> str:
    """For "auto" bfloat16 where there is an accelerator, and "off" on a CPU."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if import_keras().distribution.list_devices("gpu") else "off"


def in_precision(model: keras.Model, precision: str) -> keras.Model:
    """A copy whose layers, all but those that end in an output, compute in `precision`
    ("bfloat16" or "float16"); its weights stay float32.
    """
    import keras

    policy = f"mixed_{precision}"
    last = {output._keras_history.operation.name for output in model.outputs}  # noqa: SLF001

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name not in last and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = policy
        return layer.__class__.from_config(config)

    copy: keras.Model = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def compile_for_training(
    model: keras.Model, config: TrainingConfig, *, epochs: int, steps_per_epoch: int
) -> None:
    """Give it optimizer, losses and accuracy. The optimizer has its variables afterwards."""
    heads = len(model.outputs)
    optimizer = optimizer_for(model, config, epochs=epochs, steps_per_epoch=steps_per_epoch)
    loss = _smoothed(config.label_smoothing) if config.label_smoothing else _CROSS_ENTROPY
    if heads == 1:
        model.compile(optimizer, loss=loss, metrics=["accuracy"])
    else:
        model.compile(
            optimizer,
            loss=[loss] * heads,
            loss_weights=[1.0] + [config.auxiliary_weight] * (heads - 1),
            metrics=[["accuracy"]] + [[]] * (heads - 1),
        )


def make_means(model: keras.Model, batch: tuple[Any, ...]) -> None:
    """Make the variables of a compiled network's losses and metrics, by one sample of `batch`.

    With TensorFlow on one device Keras leaves that to the first step, and TensorFlow traces a
    function that makes variables twice.
    """
    import keras

    inputs, labels = keras.tree.map_structure(lambda array: array[:1], batch[:2])
    outputs = model(inputs, training=False)
    model.compute_loss(inputs, labels, outputs)
    model.compute_metrics(inputs, labels, outputs)
    model.reset_metrics()


def optimizer_for(
    model: keras.Model, config: TrainingConfig, *, epochs: int, steps_per_epoch: int
) -> Any:
    """The optimizer with its schedule, and with variables for the model's weights.

    In float16 it scales the loss, so that small gradients do not become 0. Keras does so by itself
    only where the whole model has that precision, and makes the variables too late for a resume.
    """
    keras = import_keras()
    rate = _schedule(config, epochs, steps_per_epoch)
    more: dict[str, Any] = {}
    if config.gradient_clip is not None:
        more["global_clipnorm"] = config.gradient_clip
    if config.average:
        more |= {"use_ema": True, "ema_momentum": config.average}
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0
        kind = keras.optimizers.SGD
        more |= {"momentum": config.momentum, "nesterov": nesterov}
    else:
        kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[config.optimizer]
    none = 0.0 if config.optimizer == "adamw" else None  # Keras's AdamW refuses None
    optimizer = kind(rate, weight_decay=config.weight_decay or none, **more)
    if config.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if config.mixed_precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


_CROSS_ENTROPY = "sparse_categorical_crossentropy"


def _smoothed(share: float) -> Any:
    """Cross-entropy with `share` of the label spread over all classes (Szegedy 2015)."""
    keras = import_keras()

    def smoothed_cross_entropy(labels: Any, outputs: Any) -> Any:
        flat = keras.ops.reshape(labels, (-1,))
        wanted = keras.ops.one_hot(keras.ops.cast(flat, "int32"), outputs.shape[-1])
        return keras.losses.categorical_crossentropy(wanted, outputs, label_smoothing=share)

    return smoothed_cross_entropy


def _schedule(config: TrainingConfig, epochs: int, steps_per_epoch: int) -> Any:
    """The learning rate as a function of the optimizer's steps."""
    import keras

    total = epochs * steps_per_epoch
    warmup = min(round(config.warmup_epochs * steps_per_epoch), total)
    if config.schedule == "cosine" and warmup == 0:
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, total)
    ops = keras.ops

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc] # keras ships no types: its base is Any
        def __call__(self, step: Any) -> Any:
            step = ops.cast(step, "float32")
            progress = ops.clip((step - warmup) / max(1, total - warmup), 0.0, 1.0)
            if config.schedule == "cosine":
                share = 0.5 * (1.0 + ops.cos(math.pi * progress))
            else:
                share = ops.ones_like(progress)
                for start, factor in _STEPS if config.schedule == "step" else ():
                    share = ops.where(step >= start * total, factor, share)
            rising = (step + 1.0) / max(1, warmup)
            return config.learning_rate * ops.where(step < warmup, rising, share)

        def get_config(self) -> dict[str, Any]:
            return {}

    return Schedule()


def exported(model_name: str, arguments: Mapping[str, Any], trained: keras.Model) -> keras.Model:
    """The network with the trained weights, without optimizer, auxiliary heads and precision.

    A model that never saw the optimizer: Adam's moments would triple the file.
    """
    bare = models.build(model_name, **arguments)
    if len(trained.outputs) == 1:
        bare.set_weights(trained.get_weights())
        return bare
    for layer in bare.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    return bare


def spec(name: str, tensor: Any, layout: str) -> TensorSpec:
    """A Keras tensor as a manifest describes it."""
    return TensorSpec(name, tuple(tensor.shape), str(tensor.dtype), layout)


def has_auxiliary_heads(model_name: str) -> bool:
    """Whether the network has heads that are there for training only."""
    return _has_argument(model_name, "auxiliary_heads")


def _has_argument(model_name: str, argument: str) -> bool:
    return argument in inspect.signature(MODELS.load(model_name)).parameters

"""Training configuration: one frozen record, with defaults for each registered network.

A configuration decides the weights together with the network, the data and the seed, and is written
into the manifest. `config_for` gives a network's own; `dataclasses.replace` changes fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.training.augmentation import LEVELS

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "constant", "step")
CLASS_WEIGHTS = ("none", "balanced")
MIXED_PRECISION = ("auto", "off", "bfloat16", "float16")
MONITORS = ("loss", "accuracy", "last")
NOT_FOR_DETECTORS = ("augment", "mirror", "class_weights", "label_smoothing", "auxiliary_weight")
"""Fields that detector training ignores: views have their own augmentation."""
NOT_FOR_SEQUENCES = ("mirror", "class_weights", "auxiliary_weight")
_TARGET_STEPS = 8_000
_FEWEST_EPOCHS = 10


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the outcome besides network, data and seed.

    `epochs` is the most there will be; None chooses from the size of the data: enough for about
    8,000 steps, at least 10 and at most `most_epochs`.
    `learning_rate` is the largest one: after `warmup_epochs` of linear rise, `cosine` falls to
    0 at the end, `step` to a tenth after half and to a hundredth after three quarters of the
    epochs. `momentum` (Nesterov's) is SGD's alone. `weight_decay` is decoupled (Loshchilov
    2019), so SGD wants about ten times the value that papers add to the loss; biases and
    batch normalization are left out. `gradient_clip` bounds the norm of all gradients
    together. `class_weights="balanced"` weighs a class by samples / (classes × its samples).
    `augment` is a level of edgecnn.training.augmentation; `mirror` None mirrors images of
    data sets where left and right are known not to matter.
    Training stops when the validation's `monitor` has not improved for `patience` epochs
    (None: never), and the best epoch's weights are kept; with "last" those of the last epoch, for
    a schedule that is to be gone through to its end.
    `mixed_precision="auto"` is bfloat16 on an accelerator and off on a CPU: on one with
    AVX512_BF16 it saves 10 to 20% of a step (32 images of 32×32: ResNet-8 42 ms instead of 47,
    ResNet-18 210 instead of 258), too little to round for.
    `auxiliary_weight` weighs the loss of each head that is there for training only
    (Szegedy 2014: 0.3).
    `average` is the momentum of an exponential moving average of the weights (Polyak 1992), which
    is what is validated and kept; 0 keeps the weights of the last step.

    Raises InputError for a value that makes no sense.
    """

    epochs: int | None = None
    most_epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 2e-3
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    gradient_clip: float | None = None
    augment: str = "light"
    mirror: bool | None = None
    patience: int | None = 10
    monitor: str = "loss"
    mixed_precision: str = "off"
    auxiliary_weight: float = 0.3
    average: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "most_epochs", "batch_size", "patience", "views"):
            number = getattr(self, name, None)
            if number is not None and number < 1:
                raise InputError(f"{name.replace('_', ' ')} must be at least 1, received: {number}")
        _check_range("learning rate", self.learning_rate, 0, inf, open_low=True)
        _check_range("momentum", self.momentum, 0, 1)
        _check_range("weight decay", self.weight_decay, 0, inf)
        _check_range("warm-up epochs", self.warmup_epochs, 0, inf)
        _check_range("label smoothing", self.label_smoothing, 0, 1)
        _check_range("auxiliary weight", self.auxiliary_weight, 0, inf)
        _check_range("momentum of the average", self.average, 0, 1)
        if self.gradient_clip is not None:
            _check_range("gradient clip", self.gradient_clip, 0, inf, open_low=True)
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("class_weights", CLASS_WEIGHTS),
            ("mixed_precision", MIXED_PRECISION),
            ("monitor", MONITORS),
            ("augment", LEVELS),
        ):
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name.replace('_', ' ')} is one of {', '.join(choices)}, "
                    f"received: {getattr(self, name)!r}"
                )


@dataclass(frozen=True)
class DetectorTrainingConfig(TrainingConfig):
    """Additional settings for detectors, which train on random crops ("views") of images.

    `views` is the number of views in an epoch of whole frames; None takes one of each image, and
    1,600 at least. For the first `windows` of the epochs views are windows of half the side, twice
    as many, which cost half as much in all. `negatives` is the largest share of views of images
    without a box, and `hard` the share of these taken from the tenth in which the weights that
    training starts from are the most sure of an object. `drawn` is the share of views of drawn
    scenes with stop signs, for the stop-sign detectors. In `pasted` of the other views objects cut
    out of other images are pasted in, 8 to 40 pixels large. `small` (0 … 1) favors small objects
    among the scales of views. `close` is the share of views, in the epochs of whole frames, that go
    near an object instead: as large as a frame, in which the object may fill all of it.

    Raises InputError for a value that makes no sense.
    """

    views: int | None = None
    windows: float = 0.6
    negatives: float = 0.35
    hard: float = 0.0
    drawn: float = 0.0
    pasted: float = 0.0
    small: float = 0.0
    close: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("windows", "negatives", "hard", "drawn", "pasted", "small", "close"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name} is a share from 0 to 1, received: {value}")
        if self.negatives + self.drawn > 1:
            raise InputError(
                f"negatives and drawn are shares of the same views, together at most 1, received: "
                f"{self.negatives:g} and {self.drawn:g}"
            )


def _check_range(
    name: str, value: float, low: float, high: float, *, open_low: bool = False
) -> None:
    """low ≤ value < high (or low < value); NaN is in no range."""
    if not (low < value < high if open_low else low <= value < high):
        least = "more than" if open_low else "at least"
        bound = "" if high == inf else f" and less than {high:g}"
        raise InputError(f"the {name} must be a number, {least} {low:g}{bound}, received: {value}")


_LARGE = TrainingConfig(
    batch_size=32,
    learning_rate=1e-3,
    optimizer="adamw",
    weight_decay=0.05,
    warmup_epochs=1.0,
    label_smoothing=0.1,
    gradient_clip=5.0,
    augment="standard",
    monitor="accuracy",
    patience=None,
    mixed_precision="auto",
)
"""For many weights and a few thousand samples."""

_RESIDUAL = replace(
    _LARGE, batch_size=64, learning_rate=0.05, optimizer="sgd", weight_decay=5e-3, most_epochs=100
)
"""He 2015 on CIFAR-10: SGD with momentum 0.9 and decay 0.0001 in the loss; a cosine, not steps."""

_BOXES = DetectorTrainingConfig(
    most_epochs=60,
    batch_size=16,
    learning_rate=2e-3,
    optimizer="adamw",
    weight_decay=0.02,
    warmup_epochs=1.0,
    gradient_clip=10.0,
    augment="standard",
    monitor="accuracy",
    patience=None,
)
"""Accuracy is AP50."""

_STOP_SIGNS = replace(
    _BOXES,
    epochs=16,
    views=4800,
    negatives=0.3,
    drawn=0.25,
    pasted=0.3,
    small=0.5,
    average=0.998,
    monitor="last",
)
"""With drawn scenes, and with far signs: cut out of other photos, shrunk and pasted."""

CONFIGS: Mapping[str, TrainingConfig] = {
    "lenet5": TrainingConfig(),
    "simple": TrainingConfig(),
    "resnet8": _RESIDUAL,
    "resnet18": replace(_LARGE, most_epochs=16),
    "resnet34": replace(_LARGE, most_epochs=16),
    "resnet50": replace(_LARGE, most_epochs=16),
    "alexnet": replace(_LARGE, label_smoothing=0.05),
    "googlenet": replace(_LARGE, most_epochs=20),
    # Kim 2014: batches of 50, gradients bounded to norm 3, early stopping; Adam for Adadelta.
    "textcnn": TrainingConfig(
        epochs=20,
        batch_size=50,
        learning_rate=1e-3,
        gradient_clip=3.0,
        augment="light",
        monitor="accuracy",
        patience=5,
    ),
    "cnn1d": replace(
        _LARGE, batch_size=64, learning_rate=2e-3, weight_decay=0.02, label_smoothing=0.0
    ),
    "voxnet": replace(_LARGE, epochs=20, weight_decay=0.02),
    "detector_small": _BOXES,
    "detector_nano": _BOXES,
    "stop_sign_small": _STOP_SIGNS,
    "stop_sign_nano": _STOP_SIGNS,
    # Gehring 2017 bounds gradients to norm 0.1 for Nesterov's momentum; Adam for it.
    "convs2s": TrainingConfig(
        epochs=10,
        batch_size=64,
        learning_rate=1.5e-3,
        weight_decay=0.0,
        warmup_epochs=0.5,
        label_smoothing=0.1,
        gradient_clip=1.0,
        augment="none",
        monitor="accuracy",
        patience=None,
    ),
}


def config_for(model: str, **changes: Any) -> TrainingConfig:
    """The network's own configuration (lenet5's for a plug-in's network) with `changes`.

    Raises InputError for a field that a configuration does not have.
    """
    own = CONFIGS.get(model, TrainingConfig())
    names = [field.name for field in fields(own)]
    for name in changes:
        if name not in names:
            whose = f"the training of {model}" if model in CONFIGS else "a training"
            raise InputError(f"{whose} has no setting {name!r}", hint=f"it has: {', '.join(names)}")
    return replace(own, **changes)


def default_epochs(samples: int, batch_size: int = 64, most: int = 30) -> int:
    """Enough epochs for about 8,000 steps, from 10 (MNIST) to 30 (digits, 600 steps)."""
    steps = -(-samples // batch_size)
    return min(max(-(-_TARGET_STEPS // steps), _FEWEST_EPOCHS), most)


def balanced_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """A weight for each class (classes,), so that all together weigh the same: mean 1.

    A class without a sample weighs nothing.
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights.astype(np.float32)

"""Training parameters that `edgecnn search` may change, for every network.

Two of the numbers are multiples, since what is usual depends on the optimizer: `rate` multiplies
the learning rate, `decay` the weight decay that the network's own configuration has. Where a search
changes the optimizer, they are translated: SGD takes 25 times Adam's rate and a tenth of AdamW's
decay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgecnn.registry import DETECTORS
from edgecnn.training.config import NOT_FOR_DETECTORS, config_for

SGD_RATE = 25.0
SGD_DECAY = 0.1
MULTIPLES = ("rate", "decay")


def config_fields(model: str) -> tuple[str, ...]:
    """The fields of the network's configuration that its training makes use of: a detector's has
    more than a classifier's, and lacks some.
    """
    unused = NOT_FOR_DETECTORS if model in DETECTORS.names() else ()
    return tuple(field.name for field in fields(config_for(model)) if field.name not in unused)


def config_space(model: str) -> dict[str, dict[str, Any]]:
    """Parameters with their ranges; `first` is what the network's own configuration has."""
    own = config_for(model)
    space: dict[str, dict[str, Any]] = {
        "rate": {"low": 0.2, "high": 5.0, "log": True, "first": 1.0},
        "optimizer": {"choices": _with(["adamw", "sgd"], own.optimizer), "first": own.optimizer},
        "schedule": {"choices": ["cosine", "step", "constant"], "first": own.schedule},
        "augment": {"choices": ["none", "light", "standard", "strong"], "first": own.augment},
        "batch_size": {
            "choices": sorted({16, 32, 64, 128, own.batch_size}),
            "first": own.batch_size,
        },
        "label_smoothing": {
            "low": 0.0,
            "high": 0.2,
            "step": 0.05,
            "first": own.label_smoothing,
        },
    }
    if own.weight_decay:
        space["decay"] = {"low": 0.1, "high": 10.0, "log": True, "first": 1.0}
    used = (*config_fields(model), *MULTIPLES)
    return {name: values for name, values in space.items() if name in used}


def config_changes(model: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a TrainingConfig for parameters of a trial."""
    own = config_for(model)
    changes = {name: value for name, value in values.items() if name in config_fields(model)}
    optimizer = changes.get("optimizer", own.optimizer)
    towards_sgd = int(optimizer == "sgd") - int(own.optimizer == "sgd")
    if "learning_rate" not in changes:
        rate = own.learning_rate * SGD_RATE**towards_sgd * float(values.get("rate", 1.0))
        changes["learning_rate"] = rate
    if "weight_decay" not in changes and own.weight_decay:
        decay = own.weight_decay * SGD_DECAY**towards_sgd * float(values.get("decay", 1.0))
        changes["weight_decay"] = decay
    return changes


def _with(choices: list[str], own: str) -> list[str]:
    return choices if own in choices else [own, *choices]

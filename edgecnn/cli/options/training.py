"""How to train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgecnn.cli.options.collecting import collected
from edgecnn.cli.options.defaults import without_none
from edgecnn.cli.options.kinds import Command


def epochs() -> Callable[[Command], Command]:
    """--epochs N."""
    text = "Epochs at most; by default chosen from the data's size."
    return click.option("--epochs", type=int, help=text)


def seed(what: str) -> Callable[[Command], Command]:
    """--seed N, for `what` it is drawn."""
    return click.option("--seed", type=int, default=0, show_default=True, help=f"Seed {what}.")


def training_config() -> Callable[[Command], Command]:
    """How to train, given to the command as one `config`: the fields that were named."""
    choices: dict[str, tuple[str, ...]] = {
        "augment": ("none", "light", "standard", "strong"),
        "optimizer": ("adam", "adamw", "sgd"),
        "schedule": ("cosine", "constant", "step"),
        "class_weights": ("none", "balanced"),
        "mixed_precision": ("auto", "off", "bfloat16", "float16"),
    }
    fields: dict[str, tuple[Any, str]] = {
        "batch_size": (int, "Samples per step."),
        "learning_rate": (float, "Largest learning rate."),
        "augment": (None, "How much training samples are changed at random."),
        "mirror": (bool, "Swap left and right (default: only where the data allow it)."),
        "optimizer": (None, "What takes the steps."),
        "schedule": (None, "How the learning rate falls."),
        "warmup_epochs": (float, "Epochs in which the learning rate rises first."),
        "weight_decay": (float, "Decoupled weight decay."),
        "label_smoothing": (float, "Share of a label spread over all classes."),
        "class_weights": (None, "balanced: rare classes count as much as frequent ones."),
        "gradient_clip": (float, "Largest norm of all gradients together."),
        "patience": (int, "Epochs without improvement until training stops."),
        "mixed_precision": (None, "auto: bfloat16 on an accelerator, off on a CPU."),
        "average": (float, "Momentum of a moving average of the weights, which is kept; 0: none."),
        "views": (int, "Views of images in an epoch."),
        "windows": (float, "Share of the epochs that look at windows before whole images."),
        "negatives": (float, "Largest share of views without an object."),
        "hard": (float, "Share of these from images that the --weights find hardest."),
        "pasted": (float, "Share of views with objects of other images pasted in, 8 to 40 pixels."),
        "small": (float, "0 to 1: how much small objects are favored."),
        "close": (float, "Share of views of whole images that go near an object instead."),
        "drawn": (float, "Share of drawn scenes, for the stop-sign detectors."),
    }

    options: dict[str, Callable[[Any], Any]] = {}
    for name, (kind, text) in fields.items():
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            options[name] = click.option(f"{flag}/--no-{name}", default=None, help=text)
        else:
            choice = kind or click.Choice(choices[name])
            options[name] = click.option(flag, name, type=choice, help=text)
    return collected("config", without_none, options)

"""Which model, and what it does not say about itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options.collecting import in_order
from edgecnn.cli.options.kinds import FILE, Command, Name, Names
from edgecnn.cli.options.names import head_names, model_names, preprocessing_names, target_names

if TYPE_CHECKING:
    from edgecnn.feeding.detectors import ModelOptions


def model(**attributes: Any) -> Callable[[Command], Command]:
    """--model NAME."""
    text = "Network to train; `edgecnn models` lists them."
    return click.option("--model", type=Name(model_names), help=text, **attributes)


def preprocessing() -> Callable[[Command], Command]:
    """--preprocessing PRESET|FILE."""
    return click.option(
        "--preprocessing",
        type=Name(preprocessing_names),
        metavar="PRESET|FILE",
        help="Preprocessing of the model, if neither its manifest nor the model declares it: raw "
        "(pixels 0…255), 0..1, -1..1, tf, imagenet-torch, caffe (each of the last two with -crop "
        "for the center of the shorter side), or a JSON file.",
    )


def about_model(*, labels: str = "the model's classes") -> Callable[[Command], Command]:
    """--head NAME and --labels coco|FILE, for models of other makers."""
    return in_order(
        click.option(
            "--head",
            type=Name(head_names),
            default="",
            help="Detector head (yolov8, yolox, ssd …), if the file does not declare it.",
        ),
        click.option(
            "--labels",
            default="",
            metavar="coco|FILE",
            help=f"Names of {labels}, if the file does not contain them: COCO's 80 "
            "names, or a text file with one name a line.",
        ),
    )


def model_options(head: str, labels: str, preprocessing: str | None) -> ModelOptions:
    """What --head and --labels say about a model. Raises InputError for --labels without names,
    and for a --preprocessing that is neither a preset nor a file of one.
    """
    from edgecnn.feeding.choice import check_option
    from edgecnn.feeding.detectors import ModelOptions

    check_option(preprocessing)
    return ModelOptions(head, label_names(labels))


def label_names(value: str) -> tuple[str, ...]:
    """The names that --labels stands for. Raises InputError for a file that has none."""
    from edgecnn.class_names import coco_names, read_names

    if not value:
        return ()
    return coco_names() if value == "coco" else read_names(Path(value))


def targets(flag: str = "--to", **attributes: Any) -> Callable[[Command], Command]:
    """--to TARGET[,TARGET…]."""
    text = "Targets, as in tflite:static_int8,onnx:float16; or all."
    return click.option(flag, "targets", type=Names(target_names), help=text, **attributes)


def shape() -> Callable[[Command], Command]:
    """--shape [NAME=]SIZES, given to the command as one text (see `runtimes.shapes`)."""

    def check(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> str:
        from edgecnn.runtimes.shapes import parse_shapes

        text = ",".join(values)
        parse_shapes(text)
        return text

    return click.option(
        "--shape",
        multiple=True,
        callback=check,
        metavar="[INPUT=]SIZES",
        help="Sizes of the model's dynamic dimensions, as in 1x224x224x3; once for each input.",
    )


def weights() -> Callable[[Command], Command]:
    """--weights FILE."""
    return click.option(
        "--weights",
        metavar="FILE",
        help="Weights for an architecture (JSON) or a network of keras.applications; the word "
        '"none" gives random weights.',
    )


def custom() -> Callable[[Command], Command]:
    """--custom FILE, as often as needed."""
    return click.option(
        "--custom",
        multiple=True,
        type=FILE,
        metavar="MODULE.py",
        help="A Python file that defines or registers layers of the model. It is run.",
    )


def allow_unsafe() -> Callable[[Command], Command]:
    """--allow-unsafe."""
    return click.option(
        "--allow-unsafe",
        is_flag=True,
        help="Run code that a model file carries (Lambda layers). Only for files you trust.",
    )

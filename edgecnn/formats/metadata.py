"""Metadata that other tools write into model files: class names, strides, sizes.

All of it is text by strangers: read up to a limit, parsed as literals at most, and what does not
fit is left out. Each format finds the texts itself (`Format.metadata`).
"""

from __future__ import annotations

import ast
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix
from edgecnn.text import only_printable

MAX_TEXT = 1 << 20
MAX_ENTRIES = 256
MAX_NAMES = 50_000
LONGEST_NAME = 200
DEEPEST = 8
"""Brackets inside brackets: a dictionary of lists has two."""


@dataclass(frozen=True)
class ModelMetadata:
    """What a file says about itself; empty where it does not say it.

    `names` are those of the classes, `task` is Ultralytics' word ("detect"), `strides` are
    filled up to the largest that the file names, `image_size` is (height, width) of the input.
    `end_to_end` says that the boxes come out finished. `parts` are the places of boxes, classes,
    scores and count among the outputs of a graph that ends in TFLite's detection post-processing,
    `scored_classes` how many classes, background included, that one chooses from. `maker` is who
    wrote it. `unturned`: maps (columns, height, width) were reshaped to rows (cells, columns) as
    they lie in memory, without a transposition, so that a row is a piece of a map. `plain`: the
    output holds convolutions as they are, no score passed a sigmoid.
    """

    names: tuple[str, ...] = ()
    task: str = ""
    strides: tuple[int, ...] = ()
    image_size: tuple[int, int] | None = None
    end_to_end: bool = False
    parts: tuple[int, ...] = ()
    scored_classes: int | None = None
    maker: str = ""
    unturned: bool = False
    plain: bool = False


NOTHING = ModelMetadata()


def read_metadata(path: Path) -> ModelMetadata:
    """The metadata of a model file; empty for a format whose metadata are not read, and for a
    file that cannot be read: whether it is whole is judged elsewhere.
    """
    known = by_suffix(Path(path))
    if known is None:
        return NOTHING
    try:
        return known.metadata(Path(path))
    except (*UNREADABLE, OSError, struct.error):
        return NOTHING


def of_ultralytics(values: Mapping[str, Any]) -> ModelMetadata:
    """Values are literals, or texts that hold one."""
    known = {name: _value(values.get(name)) for name in ("names", "stride", "imgsz", "end2end")}
    stride = known["stride"]
    strides: tuple[int, ...] = ()
    if isinstance(stride, (list, tuple)):
        strides = tuple(int(one) for one in stride if _whole(one))
    elif _whole(stride):
        strides = tuple(size for size in (8, 16, 32, 64) if size <= max(int(stride), 32))
    task = values.get("task")
    names = class_names(known["names"])
    return ModelMetadata(
        names=names,
        task=task if isinstance(task, str) and len(task) <= LONGEST_NAME else "",
        strides=strides if names or task else (),
        image_size=_size(known["imgsz"]),
        end_to_end=known["end2end"] is True or known["end2end"] == "True",
        maker="Ultralytics" if names and strides else "",
    )


def class_names(values: Any) -> tuple[str, ...]:
    """The names of a list, or of a dictionary from 0 on; empty where they are no such thing."""
    if isinstance(values, Mapping):
        numbers = {str(key): name for key, name in values.items()}
        if len(values) > MAX_NAMES:
            return ()
        values = [numbers.get(str(index)) for index in range(len(values))]
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        return ()
    if not all(isinstance(name, str) for name in values):
        return ()
    names = tuple(_clean(name) for name in values)
    while names and not names[-1]:
        names = names[:-1]
    return names if 0 < len(names) <= MAX_NAMES and all(names) else ()


def literal(text: str) -> Any:
    """What a Python literal stands for; None for anything else, and for one nested so deeply
    that reading it is a risk.
    """
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth > DEEPEST:
            return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _value(value: Any) -> Any:
    return literal(value) if isinstance(value, str) and len(value) <= MAX_TEXT else value


def _whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= 4096


def _size(value: Any) -> tuple[int, int] | None:
    if _whole(value):
        return int(value), int(value)
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_whole, value)):
        return int(value[0]), int(value[1])
    return None


def _clean(name: str) -> str:
    """A name without control characters, and not longer than a name is."""
    return only_printable(name.strip()[:LONGEST_NAME])

"""Metadata of a YOLO data set: class names and splits in a YAML file, or in lists of names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.data.files.tree import child, is_system
from edgecnn.data.left_out import encodable
from edgecnn.errors import InputError
from edgecnn.files import read_file
from edgecnn.registry import require
from edgecnn.text import first_line

MAX_BYTES = 4 << 20
_YAML_BYTES = 256 << 10
"""Of a description; that of a thousand classes takes 30 KB."""
_DEEPEST = 32
"""Brackets within brackets: the parser's time grows with the square of their depth."""
_DIGITS = 6
"""Of a class's number at most."""
_NAME_FILES = ("classes.txt", "obj.names", "classes.names", "predefined_classes.txt", "labels.txt")


@dataclass
class Description:
    """`numbers` are the classes' names by number; `splits` what the YAML says of each split, as
    it stands there; `key_points` is how many numbers follow a box.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    root: str = ""
    path: Path | None = None
    key_points: int = 0
    notes: list[str] = field(default_factory=list)


def describe(place: Path) -> Description:
    """From the YAML file `place`, or what lies in that folder or the one above it."""
    if place.is_file():
        return _of_yaml(place, Description())
    description = Description()
    for folder in (place, *filter(None, (child(place, "labels"),)), place.parent):
        for path in _yaml_files(folder):
            description = _of_yaml(path, description)
            if description.numbers:
                return description
        files = {path.name.casefold(): path for path in sorted(folder.iterdir())}
        for name in _NAME_FILES:
            path = files.get(name, folder / name)
            if path.is_file():
                names = [line.strip() for line in _text(path).splitlines()]
                while names and not names[-1]:
                    names.pop()
                description.numbers = {
                    str(number): name or str(number) for number, name in enumerate(names)
                }
                return description
    return description


def _yaml_files(folder: Path) -> list[Path]:
    """`data.yaml` and its like first."""
    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.casefold() in (".yaml", ".yml") and not is_system(path.name)
    ]
    return sorted(paths, key=lambda path: path.stem.casefold() not in ("data", "dataset"))


def _of_yaml(path: Path, description: Description) -> Description:
    """Add what a YAML file says. Every scalar is text: `names: [no, yes]` are names."""
    yaml: Any = require("yaml", "train")
    try:
        values = yaml.load(_yaml_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, InputError) as error:
        description.notes.append(
            f"{path.name} is not readable as YAML ({first_line(error, kind=False)})"
        )
        return description
    if not isinstance(values, dict):
        return description
    description.numbers = _numbered(values.get("names"))
    shape = values.get("kpt_shape")
    if isinstance(shape, list) and all(
        isinstance(size, str) and size.isdecimal() for size in shape
    ):
        sizes = [int(size) for size in shape]
        description.key_points = sizes[0] * sizes[-1] if len(sizes) == 2 else 0
    description.root = values["path"] if isinstance(values.get("path"), str) else ""
    description.path = path
    for split, keys in (
        ("train", ("train",)),
        ("validation", ("val", "valid", "validation")),
        ("test", ("test",)),
    ):
        entry = next((values[key] for key in keys if values.get(key)), None)
        listed = entry if isinstance(entry, list) else [entry]
        if entry is not None:
            description.splits[split] = [item for item in listed if isinstance(item, str) and item]
    return description


def _yaml_text(path: Path) -> str:
    """Raises InputError for a file that would take the parser long."""
    text = _text(path, _YAML_BYTES)
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise InputError("its lists are nested too deeply")
    return text


def _numbered(names: Any) -> dict[str, str]:
    """A list counts from 0; of a mapping the keys are the numbers, in whatever order."""
    if isinstance(names, list):
        return {str(number): _name(name, str(number)) for number, name in enumerate(names)}
    if isinstance(names, dict):
        numbers = {
            str(int(key)): _name(name, key)
            for key, name in names.items()
            if isinstance(key, str) and key.isdecimal() and len(key) <= _DIGITS
        }
        return dict(sorted(numbers.items(), key=lambda item: int(item[0])))
    if isinstance(names, str) and names.strip():  # names: a, b
        parts = (encodable(part).strip() for part in names.split(","))
        return {str(number): part for number, part in enumerate(parts)}
    return {}


def _name(value: Any, number: str) -> str:
    """Only text is a name: lists that hold one another (YAML's aliases) have no end."""
    return encodable(value) if isinstance(value, str) else number


def _text(path: Path, limit: int = MAX_BYTES) -> str:
    content = read_file(path, limit=limit)
    marks = (b"\xff\xfe", b"\xfe\xff")
    return content.decode("utf-16" if content.startswith(marks) else "utf-8-sig", "replace")

"""Class names: matching names that are written differently, and the two lists that most
models of others were trained on (COCO's 80 classes, ImageNet's 1,000).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import read_text_file
from edgecnn.text import only_printable

_HERE = Path(__file__).parent
_LARGEST_FILE = 4 << 20
_LONGEST_NAME = 200

_SYNONYMS = (
    ("stop sign", "stop"),
    ("motorcycle", "motorbike"),
    ("airplane", "aeroplane"),
    ("couch", "sofa"),
    ("tv", "tv monitor", "television"),
    ("cell phone", "mobile phone"),
    ("hair drier", "hair dryer"),
    ("donut", "doughnut"),
    ("bicycle", "bike"),
)
"""One class under the names that COCO, Pascal VOC and others have for it."""


def same_name(name: str) -> str:
    """What is left of a name without case, spaces, hyphens and underscores: "stop_sign",
    "Stop-Sign" and "STOP SIGN" are one class.
    """
    return re.sub(r"[\s_\-]+", "", name.casefold())


_SYNONYMS_OF: Mapping[str, tuple[str, ...]] = {
    same_name(name): tuple(same_name(other) for other in group)
    for group in _SYNONYMS
    for name in group
}


def place_of(wanted: str, names: Sequence[str]) -> int | None:
    """Where `names` have a class, however it is written; None where they do not have it.

    A name that is the same goes before a synonym ("stop" for "stop sign").
    """
    keys = [same_name(name) for name in names]
    key = same_name(wanted)
    for candidate in (key, *_SYNONYMS_OF.get(key, ())):
        if candidate in keys:
            return keys.index(candidate)
    return None


def places_of(wanted: Sequence[str], names: Sequence[str], *, whose: str) -> tuple[int, ...]:
    """Where `names`, those of `whose`, have each wanted class; a number is taken as a place.

    Raises InputError for a class that is not there.
    """
    places = []
    for name in wanted:
        place = place_of(name, names)
        if place is None and name.isdecimal() and int(name) < len(names):
            place = int(name)
        if place is None:
            raise InputError(f"{whose}: no class {name!r}", hint=f"it has: {listed(names)}")
        places.append(place)
    return tuple(dict.fromkeys(places))


def listed(names: Sequence[str], most: int = 20) -> str:
    """The names with commas between them, of many the first."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more


def coco_names() -> tuple[str, ...]:
    """COCO's 80 classes, in the order in which most detectors number them."""
    return tuple(_coco())


def coco_names_by_id() -> tuple[str, ...]:
    """COCO's classes by their number in its files less one: 90 places, ten of them unused, as
    TensorFlow's detectors number them.
    """
    names = {number: name for name, number in _coco().items()}
    return tuple(names.get(number, f"unused {number}") for number in range(1, 91))


@dataclass(frozen=True)
class ImageNetClass:
    """One of ImageNet's 1,000 classes: its WordNet id ("n01440764") and its names."""

    wordnet_id: str
    names: tuple[str, ...]


@lru_cache(maxsize=1)
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """The 1,000 classes of ILSVRC 2012 in the order of their WordNet ids, which is that of the
    outputs of nearly every network.
    """
    lines = (_HERE / "imagenet.txt").read_text(encoding="utf-8").splitlines()
    made = []
    for line in lines:
        wordnet_id, _, names = line.partition(" ")
        made.append(ImageNetClass(wordnet_id, tuple(names.split(", "))))
    return tuple(made)


def imagenet_places(labels: Sequence[str]) -> tuple[int, ...] | None:
    """The class among ImageNet's 1,000 of each label, a WordNet id or a name; None unless every
    label is one. A name that two classes share ("crane") is not one.
    """
    by_key = _imagenet_keys()
    places = [by_key.get(same_name(label), -1) for label in labels]
    return None if not places or min(places) < 0 else tuple(places)


def read_names(path: Path) -> tuple[str, ...]:
    """Names of classes from a text file, one a line. Raises InputError for a file without any."""
    lines = [line.strip() for line in read_text_file(path, limit=_LARGEST_FILE).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines) or any(len(line) > _LONGEST_NAME for line in lines):
        raise InputError(
            f"{path}: expected names of classes, one a line in the model's order",
            hint="an empty line in between has no name; lines are at most "
            f"{_LONGEST_NAME} characters long",
        )
    return tuple(only_printable(line) for line in lines)


@lru_cache(maxsize=1)
def _coco() -> Mapping[str, int]:
    lines = (_HERE / "coco.txt").read_text(encoding="utf-8").splitlines()
    return {name: int(number) for number, _, name in (line.partition(" ") for line in lines)}


@lru_cache(maxsize=1)
def _imagenet_keys() -> Mapping[str, int]:
    places: dict[str, set[int]] = {}
    for place, one in enumerate(imagenet_classes()):
        for name in (one.wordnet_id, *one.names):
            places.setdefault(same_name(name), set()).add(place)
    return {key: min(indices) for key, indices in places.items() if len(indices) == 1}

"""Map the labels of a data set to a model's classes.

A model of ImageNet's 1,000 classes is scored on a folder of ten of them, and a model whose
classes stand in another order than the data's in its own order.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.class_names import imagenet_places, place_of, same_name

IMAGENET = 1_000


def label_map(labels: Sequence[str], names: Sequence[str], classes: int) -> tuple[int, ...] | None:
    """The class of the model that each label is; None where that is not known.

    `names` are what the model calls its classes, empty where it does not say it; `classes` is how
    many it answers. The model's own names decide where they have all labels. A model of as many
    classes as there are labels has them in the same order, unless its names have one of them
    elsewhere. One of 1,000 classes, or 1,001 with a
    background first, has ImageNet's, where every label is a WordNet id or a name of one.
    """
    if len(names) == classes:
        places_or_none = [_place(label, names) for label in labels]
        places = tuple(place for place in places_or_none if place is not None)
        if len(places) == len(labels) == len(set(places)):
            return places
    if classes == len(labels):
        if len(names) == classes and _in_another_order(labels, names):
            return None
        return tuple(range(classes))
    if classes in (IMAGENET, IMAGENET + 1):
        imagenet = imagenet_places(labels)
        if imagenet is not None and len(set(imagenet)) == len(imagenet):
            return tuple(place + classes - IMAGENET for place in imagenet)
    return None


def _in_another_order(labels: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the names have a label, and not where the labels have it."""
    return any(
        _place(label, names) is not None and _place(label, (name,)) is None
        for label, name in zip(labels, names, strict=True)
    )


def _place(label: str, names: Sequence[str]) -> int | None:
    """Where the model's names have a label; a name may list synonyms ("tench, Tinca tinca")."""
    place = place_of(label, names)
    if place is not None:
        return place
    key = same_name(label)
    indices = [
        index
        for index, name in enumerate(names)
        if "," in name and key in map(same_name, name.split(","))
    ]
    return indices[0] if len(indices) == 1 else None

"""Statistics of annotated boxes, and likely annotation errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn.data.inspection.sample_facts import Facts, spread
from edgecnn.geometry import iou

if TYPE_CHECKING:
    from edgecnn.data.boxes.base import BoxedFile, Boxes

SMALL, MEDIUM = 32**2, 96**2
"""Areas in pixels that COCO divides small, medium and large objects by."""
TWICE = 0.9
"""Overlap (intersection over union) of two boxes of an image that are one sign, drawn twice."""
TINY = 4.0
"""Pixels of a side below which nobody can have seen what is in the box."""


def box_facts(files: Sequence[BoxedFile]) -> Facts:
    """Boxes in all and per image, their sizes in pixels and relative to the image."""
    boxes = _stacked(file.boxes for file in files)
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides.prod(axis=1)
    of_images = np.repeat(
        [file.height * file.width for file in files], [len(file.boxes) for file in files]
    )
    return {
        "boxes": len(boxes),
        "ignored boxes": sum(len(file.ignored) for file in files),
        "incomplete images": sum(file.incomplete for file in files),
        "images without a box": sum(not len(file.boxes) for file in files),
        "boxes per image": spread([len(file.boxes) for file in files]),
        "box width": spread(sides[:, 0]),
        "box height": spread(sides[:, 1]),
        "box area, share of the image": spread(areas / of_images) if len(areas) else {},
        "box sizes": {
            "small (below 32²)": int((areas < SMALL).sum()),
            "medium": int(((areas >= SMALL) & (areas < MEDIUM)).sum()),
            "large (96² and more)": int((areas >= MEDIUM).sum()),
        },
    }


def sides_by_class(files: Sequence[BoxedFile], names: Sequence[str]) -> Facts:
    """The longer side of boxes in pixels, class by class; nothing for a set of one class."""
    if len(names) < 2:
        return {}
    sides = {
        name: _stacked(file.boxes[file.class_ids == number] for file in files)
        for number, name in enumerate(names)
    }
    return {
        "longer side by class": {
            name: spread((boxes[:, 2:] - boxes[:, :2]).max(axis=1))
            for name, boxes in sides.items()
            if len(boxes)
        }
    }


def doubtful_boxes(files: Iterable[BoxedFile]) -> tuple[str, ...]:
    """A line for each image with a sign boxed twice, or a box too small to hold one."""
    lines = []
    for file in files:
        twice = int(np.count_nonzero(np.triu(iou(file.boxes, file.boxes), k=1) >= TWICE))
        tiny = int(
            ((file.boxes[:, 2:] - file.boxes[:, :2]).min(axis=1, initial=np.inf) < TINY).sum()
        )
        if twice:
            lines.append(f"{file.path.name}: {twice} boxes drawn twice")
        if tiny:
            lines.append(f"{file.path.name}: {tiny} boxes narrower than {TINY:g} pixels")
    return tuple(lines)


def _stacked(boxes: Iterable[Boxes]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.zeros((0, 4), np.float32), *boxes]).astype(np.float64)

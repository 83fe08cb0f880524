"""A contact sheet: a few images of each class on one page, a row a class.

Annotated images have, in each split, a row for each class that has a box there, one for images
without an object, and one for those without a box of which an annotation was left out. All boxes
are drawn, those of the row's class in a color of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Split
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset
from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.registry import require

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = 10
CELL = 72
GAP = 4
LABEL_WIDTH = 180
LONGEST_LABEL = 24
MOST_CLASSES = 200
BOX = (255, 0, 160)
OTHER_BOX = (90, 170, 255)
"""Of another class than the row's."""
IGNORED_BOX = (150, 150, 150)
BOXED_CELL = 144
"""Pixels of an annotated image: its objects are smaller than it."""


@dataclass(frozen=True)
class _SheetRow:
    """Of a sheet: what it says, and which images (with boxes, where there are any) it shows."""

    label: str
    members: npt.NDArray[np.int64]
    split: Split
    class_id: int | None = None
    """Of annotated images: the class that the row shows."""


def write(dataset: Dataset, path: Path) -> None:
    """Write the sheet as PNG: spread evenly over each class, the first `MOST_CLASSES` classes.

    Raises InputError for data that are not images.
    """
    if dataset.modality != "image":
        raise InputError(f"{dataset.name} holds no images, so it has no contact sheet")
    require("PIL.Image", "train")
    from PIL import Image, ImageDraw

    has_boxes = dataset.task == "detection"
    rows = _rows_of_boxes(dataset) if has_boxes else _rows_of_classes(dataset)
    cell = BOXED_CELL if has_boxes else CELL
    step = cell + GAP
    sheet = Image.new("RGB", (LABEL_WIDTH + IMAGES * step, len(rows) * step + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = GAP + number * step
        text = f"{_shortened(row.label)}\n{len(row.members)}"
        draw.text((2 * GAP, top + cell // 2), text, fill="black", anchor="lm")
        for column, index in enumerate(_spread(row.members)):
            image = _image(row, int(index), cell)
            left = LABEL_WIDTH + column * step + (cell - image.width) // 2
            sheet.paste(image, (left, top + (cell - image.height) // 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        sheet.save(unfinished, format="PNG")


def _rows_of_classes(dataset: Dataset) -> list[_SheetRow]:
    train = dataset["train"]
    return [
        _SheetRow(label, np.flatnonzero(train.labels == number), train)
        for number, label in enumerate(dataset.labels[:MOST_CLASSES])
    ]


def _rows_of_boxes(dataset: Dataset) -> list[_SheetRow]:
    assert isinstance(dataset, DetectionDataset)
    ids = {dataset.class_names.index(label): label for label in dataset.labels}
    rows = []
    for name, split in dataset.splits.items():
        assert isinstance(split, BoxSplit)
        for class_id, label in list(ids.items())[:MOST_CLASSES]:
            having = [bool((file.class_ids == class_id).any()) for file in split.every_class]
            rows.append(_SheetRow(f"{name}, {label}", np.flatnonzero(having), split, class_id))
        without = [file.without_objects for file in split.files]
        rows.append(_SheetRow(f"{name}, without", np.flatnonzero(without), split))
        incomplete = [file.incomplete and not len(file.boxes) for file in split.files]
        rows.append(_SheetRow(f"{name}, incomplete", np.flatnonzero(incomplete), split))
    return [row for row in rows if len(row.members)]


def _spread(members: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return members[np.linspace(0, len(members) - 1, min(IMAGES, len(members)), dtype=int)]


def _shortened(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _image(row: _SheetRow, index: int, cell: int) -> Image:
    """As drawn on the sheet; empty for one that cannot be read, which the inspection reports."""
    from PIL import Image, ImageDraw

    split = row.split
    try:
        sample = split.samples[index]
    except InputError:
        return Image.new("RGB", (cell, cell), "lightgray")
    image = _fitted(sample, cell)
    if isinstance(split, BoxSplit):
        file = split.every_class[index]
        scale = np.asarray((image.width / file.width, image.height / file.height) * 2)
        draw = ImageDraw.Draw(image)
        boxes = [(box, IGNORED_BOX) for box in file.ignored]
        of_row = file.class_ids == row.class_id
        boxes += [(box, OTHER_BOX) for box in file.boxes[~of_row]]
        boxes += [(box, BOX) for box in file.boxes[of_row]]
        for box, color in boxes:
            draw.rectangle([float(edge) for edge in box * scale], outline=color)
    return image


def _fitted(sample: Any, cell: int) -> Image:
    """An image (height, width[, 1 or 3]) uint8 that fits a cell exactly, its proportions kept."""
    from PIL import Image

    pixels = np.asarray(sample, np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    image = Image.fromarray(pixels).convert("RGB")
    scale = cell / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)

"""A contact sheet: a few training pictures of each class on one page, a row a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.registry import require

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = 10
CELL = 72
GAP = 4
LABEL_WIDTH = 180
LONGEST_LABEL = 24
MOST_CLASSES = 200


def write(dataset: Dataset, path: Path) -> None:
    """Write the sheet as PNG: spread evenly over each class, the first `MOST_CLASSES` classes.

    Raises InputError for data that are not pictures.
    """
    if dataset.modality != "image":
        raise InputError(f"{dataset.name} holds no pictures, so it has no contact sheet")
    require("PIL.Image", "train")
    from PIL import Image, ImageDraw

    labels = dataset.labels[:MOST_CLASSES]
    step = CELL + GAP
    sheet = Image.new("RGB", (LABEL_WIDTH + PICTURES * step, len(labels) * step + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    split = dataset["train"]
    for row, label in enumerate(labels):
        top = GAP + row * step
        members = np.flatnonzero(split.labels == row)
        text = label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
        draw.text((2 * GAP, top + CELL // 2), f"{text}\n{len(members)}", fill="black", anchor="lm")
        chosen = members[np.linspace(0, len(members) - 1, min(PICTURES, len(members)), dtype=int)]
        for column, index in enumerate(chosen):
            picture = _fitted(split.samples[int(index)])
            left = LABEL_WIDTH + column * step + (CELL - picture.width) // 2
            sheet.paste(picture, (left, top + (CELL - picture.height) // 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        sheet.save(unfinished, format="PNG")


def _fitted(sample: Any) -> Image:
    """A picture (height, width[, 1 or 3]) uint8 that just fits a cell, its proportions kept."""
    from PIL import Image

    pixels = np.asarray(sample, np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    picture = Image.fromarray(pixels).convert("RGB")
    scale = CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)

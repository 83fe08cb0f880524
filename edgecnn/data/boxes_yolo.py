"""YOLO's annotation format: a text file for each picture, a line for each box.

A line is `class x y width height`, the middle and the size in shares of the picture. Pictures
lie in `images/` and texts of the same name in `labels/`, or all in one folder.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgecnn.data.boxes import BoxDataset, BoxedFile, no_boxes, picture_size, to_boxes
from edgecnn.data.picture_kinds import ENDINGS
from edgecnn.errors import InputError

MAX_BYTES = 4 << 20
_MARGIN = 1e-3
"""Exporters round; a side may stick out of the picture by this share."""


def load_yolo(folder: Path, *, label: str | int = "stop sign") -> BoxDataset:
    """Read a folder and keep one class, by number or by the name that `data.yaml` or
    `classes.txt` (in the folder or above it) gives it.

    A picture without a text, or with an empty one, has no boxes. Raises InputError for lines
    that are not boxes, an unknown class, and a folder without pictures.
    """
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    texts = folder / "labels" if (folder / "labels").is_dir() else pictures
    paths = sorted(path for path in pictures.rglob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        raise InputError(f"no pictures in {pictures}", hint="YOLO keeps them in images/")
    number = label if isinstance(label, int) else _number_of(label, folder)
    files = []
    for path in paths:
        text = (texts / path.relative_to(pictures)).with_suffix(".txt")
        height, width = picture_size(path)
        rows = _rows(text, number) if text.exists() else []
        scaled = [(x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in rows]
        boxes = to_boxes(scaled, height, width, text.name) if rows else no_boxes()
        files.append(BoxedFile(path, height, width, boxes))
    return BoxDataset(folder.name, tuple(files), str(label), source=folder.name)


def _rows(path: Path, number: int) -> list[tuple[float, float, float, float]]:
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path.name}, line {line_number}"
        values = line.split()
        if len(values) != 5:
            raise InputError(
                f"{where}: expected 5 values (class x y width height), received: {len(values)}",
                hint="outlines and key points are not read, only boxes",
            )
        try:
            kind, (x, y, w, h) = int(values[0]), (float(value) for value in values[1:])
        except ValueError as error:
            raise InputError(f"{where}: not a YOLO box ({error})") from error
        if kind < 0 or not all(-_MARGIN <= value <= 1 + _MARGIN for value in (x, y, w, h)):
            raise InputError(
                f"{where}: values are shares between 0 and 1, received: {line.strip()!r}",
                hint="boxes in pixels belong to COCO or VOC",
            )
        if kind == number:
            rows.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return rows


def _number_of(label: str, folder: Path) -> int:
    for place in (folder, folder.parent):
        for name, read in (("data.yaml", _yaml_names), ("classes.txt", str.splitlines)):
            path = place / name
            if path.exists():
                names = [entry.strip() for entry in read(path.read_text(encoding="utf-8"))]
                folded = [entry.casefold() for entry in names]
                if label.casefold() not in folded:
                    raise InputError(
                        f"{path}: no class {label!r}", hint=f"it has: {', '.join(names)}"
                    )
                return folded.index(label.casefold())
    raise InputError(
        f"{folder} has no data.yaml or classes.txt that names its classes",
        hint="give the class by its number",
    )


def _yaml_names(text: str) -> list[str]:
    """The `names:` entry of a data.yaml: [a, b], a dashed list, or numbers with names.

    These three forms are all that YOLO tools write; a YAML library for them would be a
    dependency for one line.
    """
    found = re.search(r"^names:[ \t]*(.*)$((?:\n[ \t]*(?:-|\d+[ \t]*:).*)*)", text, re.MULTILINE)
    if found is None:
        raise InputError("data.yaml has no names", hint="it needs a line such as names: ['stop']")
    if found[1].strip():
        return [part.strip().strip("'\"") for part in found[1].strip().strip("[]").split(",")]
    lines = [line.strip() for line in found[2].strip().splitlines()]
    return [re.sub(r"^(-|\d+\s*:)\s*", "", line).strip("'\"") for line in lines]

"""COCO's annotation format: one JSON file for all pictures (cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.data.boxes import BoxDataset, BoxedFile, inside, to_boxes
from edgecnn.errors import InputError

MAX_BYTES = 1 << 30


def load_coco(
    annotations: Path, pictures: Path | None = None, *, label: str = "stop sign"
) -> BoxDataset:
    """Read `annotations` (a JSON file, or a folder with annotations.json) and keep one class.

    `pictures` is the folder that file names are relative to; without it, `images` beside the
    file, or else its own folder. Boxes with `iscrowd` or `ignore` are ignored ones.
    Raises InputError for anything that is not COCO, a class the file does not have, a box
    that does not fit its picture, or a file name that leaves the folder.
    """
    path = annotations / "annotations.json" if annotations.is_dir() else annotations
    document = _read(path)
    beside = path.parent / "images"
    folder = pictures or (beside if beside.is_dir() else path.parent)
    try:
        return _parse(document, path, folder, label)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: not a COCO annotation file ({type(error).__name__}: {error})",
            hint="it needs images[], annotations[] and categories[]",
        ) from error


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error


def _parse(document: Any, path: Path, folder: Path, label: str) -> BoxDataset:
    categories = {entry["id"]: str(entry["name"]) for entry in document["categories"]}
    wanted = {key for key, name in categories.items() if name.casefold() == label.casefold()}
    if not wanted:
        raise InputError(
            f"{path}: no class {label!r}", hint=f"it has: {', '.join(categories.values())}"
        )
    of_picture: dict[Any, list[Mapping[str, Any]]] = {}
    for entry in document["annotations"]:
        if entry["category_id"] in wanted:
            of_picture.setdefault(entry["image_id"], []).append(entry)
    files = []
    for image in document["images"]:
        height, width = int(image["height"]), int(image["width"])
        if height < 1 or width < 1:
            raise InputError(f"{path}: {image['file_name']} is said to be {width}×{height}")
        entries = of_picture.pop(image["id"], [])
        counted = [_corners(e) for e in entries if not _ignored(e)]
        ignored = [_corners(e) for e in entries if _ignored(e)]
        where = f"{path.name}, {image['file_name']}"
        files.append(
            BoxedFile(
                inside(folder, str(image["file_name"])),
                height,
                width,
                to_boxes(counted, height, width, where),
                to_boxes(ignored, height, width, where),
            )
        )
    if of_picture:
        raise InputError(
            f"{path}: {len(of_picture)} pictures have boxes but are not listed, "
            f"the first is image_id {next(iter(of_picture))!r}"
        )
    return BoxDataset(path.parent.name, tuple(files), label, source=path.name)


def _corners(entry: Mapping[str, Any]) -> tuple[float, float, float, float]:
    left, top, width, height = (float(value) for value in entry["bbox"])
    return left, top, left + width, top + height


def _ignored(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("ignore")) or bool(entry.get("iscrowd"))

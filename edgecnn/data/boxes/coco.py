"""COCO's annotation format: one JSON file for all images (cocodataset.org/#format-data)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.data.boxes.base import BoxDataset
from edgecnn.data.boxes.images import ImageFinder
from edgecnn.data.boxes.reading import Annotation, RawBox, ReadAnnotations, of_class
from edgecnn.data.files.tree import is_system, split_of, sub_folders, unwrapped
from edgecnn.data.left_out import LeftOut, encodable
from edgecnn.deprecation import old_arguments
from edgecnn.errors import InputError
from edgecnn.files import read_file

MAX_BYTES = 1 << 30
_OWN_FOLDER = ("annotations", "annotation", "labels", "json", "coco")
"""Folders in which a tool puts the JSON, so that images lie next to the folder."""
_IMAGES = ("images", "data", "JPEGImages", "imgs", "img")
_HINT = "it needs images[], annotations[] and categories[]"


@old_arguments(pictures="images")
def load_coco(
    annotations: Path, images: Path | None = None, *, label: str = "stop sign"
) -> BoxDataset:
    """Read `annotations` (a JSON file, or a folder with one) and keep the boxes of one class.

    `images` is the folder that file names are relative to; without it, it is looked for near
    the file. Images are not decoded yet. Boxes with `iscrowd` or `ignore` are ignored ones.
    Raises InputError for what is not COCO, and a class that the file does not have.
    """
    path = next(iter(coco_files(annotations).values()))
    reading = read_coco(path, images)
    return of_class(reading, label, place=path, name=path.parent.name, source=path.name)


def coco_files(place: Path) -> dict[str, Path]:
    """The JSON file of each split, "" for one that belongs to none.

    A file by itself; in a folder or its `annotations/` the usual names (COCO 2017, CVAT, Label
    Studio, Roboflow, FiftyOne) or the only JSON; or such a folder for each split.
    Raises InputError when there is none, or several and nothing says which.
    """
    if not place.is_dir():
        return {"": place}
    place = unwrapped(place, _is_json, keep=_is_known_folder)
    splits = {
        split: next(iter(files.values()))
        for folder in sub_folders(place)
        if (split := split_of(folder.name)) and len(files := _in_folder(folder)) == 1
    }
    if splits:
        return splits
    json_files = _in_folder(place)
    if not json_files:
        raise InputError(
            f"cannot read {place}: there is no COCO annotation file in it",
            hint="pass the JSON file itself",
        )
    return json_files


def _in_folder(folder: Path) -> dict[str, Path]:
    inner = [child for child in sub_folders(folder) if child.name.casefold() in _OWN_FOLDER]
    paths = sorted(
        path
        for place in (folder, *inner)
        for path in place.iterdir()
        if _is_json(path) and path.is_file()
    )
    for pattern in (
        r"instances_\w+", r"_?annotations(\.coco)?", r"result", r"labels", r".*coco.*",
        r"person_keypoints_\w+", r".*annotation.*", r".*",
    ):  # fmt: skip
        usual = [path for path in paths if re.fullmatch(pattern, path.stem, re.IGNORECASE)]
        if usual:
            return _by_split(usual, folder)
    return {}


def _by_split(paths: list[Path], folder: Path) -> dict[str, Path]:
    if len(paths) == 1:
        return {split_of(paths[0].stem) or "": paths[0]}
    splits: dict[str, Path] = {}
    for path in paths:
        split = split_of(path.stem)
        if split is None or split in splits:
            names = ", ".join(path.name for path in paths[:5])
            raise InputError(f"{folder} holds {names}", hint="name the JSON file itself")
        splits[split] = path
    return splits


def _is_json(path: Path) -> bool:
    return path.suffix.casefold() == ".json" and not is_system(path.name)


def _is_known_folder(name: str) -> bool:
    folder_names = {*_OWN_FOLDER, *(name.casefold() for name in _IMAGES)}
    return name.casefold() in folder_names or split_of(name) is not None


def read_coco(path: Path, images: Path | None = None) -> ReadAnnotations:
    """What the file says. Raises InputError for what is not COCO."""
    document = _document(path)
    finder = ImageFinder([images] if images else _image_folders(path), split_of(path.stem))
    reading = ReadAnnotations()
    reading.numbers = {
        _key(entry["id"]): encodable(str(entry.get("name", _key(entry["id"]))))
        for entry in _entries(document, "categories")
        if "id" in entry
    }
    of_id = _read_images(document, finder, reading)
    if not reading.annotations and not reading.left_out:
        raise InputError(f"{path}: it lists no images", hint=_HINT)
    entries = _entries(document, "annotations")
    if not entries:
        reading.notes.append(f"{path.name} holds no annotations")
    for entry in entries:
        _read_annotation(entry, of_id, reading)
    return reading


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_file(path, limit=MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})", hint=_HINT) from error
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise InputError(f"{path}: not a COCO annotation file", hint=_HINT)
    return document


def _entries(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    return (
        [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )


def _image_folders(path: Path) -> list[Path]:
    """Where the images may lie, the likeliest first."""
    own = path.parent
    bases = [own]
    if own.name.casefold() in _OWN_FOLDER:
        bases.append(own.parent)
    split = split_of(path.stem)
    likely, others = [], []
    for base in bases:
        for inner in (*(base / name for name in _IMAGES), base):
            of_split = [child for child in sub_folders(inner) if split_of(child.name) == split]
            likely += [child for child in of_split if split]
            others.append(inner)
    return [*likely, *others]


def _read_images(
    document: Mapping[str, Any], finder: ImageFinder, reading: ReadAnnotations
) -> dict[str, Annotation | None]:
    """Annotations by the image's id; None for an id whose image is left out."""
    of_id: dict[str, Annotation | None] = {}
    of_path: dict[Path, Annotation] = {}
    for entry in _entries(document, "images"):
        key = _key(entry.get("id"))
        name = entry.get("file_name") or entry.get("path") or entry.get("coco_url")
        if "id" not in entry or not isinstance(name, str):
            reading.left_out.append(LeftOut(str(name or key), "it has no id or no file name"))
            continue
        path = finder.find(name)
        if path is None:
            reading.left_out.append(LeftOut(name, "the image is missing"))
            of_id.setdefault(key, None)
            continue
        if path in of_path:  # listed twice: its boxes come together
            of_id[key] = of_path[path]
            continue
        if key in of_id:
            reading.left_out.append(LeftOut(name, f"image id {key} is that of another image too"))
            before = of_id[key]
            if before is not None:
                reading.annotations.remove(before)
                reading.left_out.append(LeftOut(before.where, f"image id {key} comes twice"))
                of_id[key] = None
            continue
        size = (_whole(entry.get("height")), _whole(entry.get("width")))
        annotation = Annotation(path, name, stated=size if min(size) > 0 else None)
        of_id[key] = of_path[path] = annotation
        reading.annotations.append(annotation)
    return of_id


def _read_annotation(
    entry: Mapping[str, Any], of_id: Mapping[str, Annotation | None], reading: ReadAnnotations
) -> None:
    image_id, category = _key(entry.get("image_id")), _key(entry.get("category_id"))
    where = f"annotation {entry.get('id', '?')}"
    if image_id not in of_id:
        reason = f"its image {image_id} is not listed"
        reading.left_out.append(LeftOut(where, reason, "box"))
        return
    image = of_id[image_id]
    if image is None:
        return
    where = f"{image.where}, {where}"
    if category not in reading.numbers:
        if reading.numbers:
            reason = f"its category {category} is not listed"
            reading.left_out.append(LeftOut(where, reason, "box"))
            image.incomplete = True
            return
        reading.numbers[category] = category
    corners = _corners(entry.get("bbox")) or _around(entry.get("segmentation"))
    if corners is None:
        reason = f"bbox is not four numbers: {str(entry.get('bbox'))[:60]}"
        reading.left_out.append(LeftOut(where, reason, "box"))
        image.incomplete = True
        return
    ignored = bool(entry.get("ignore")) or bool(entry.get("iscrowd"))
    image.boxes.append(RawBox(corners, reading.numbers[category], where, ignored))


def _key(value: Any) -> str:
    """An id as text; 1.0 is 1, as tables write it."""
    whole = isinstance(value, float) and value.is_integer()
    return encodable(str(int(value) if whole else value))


def _corners(bbox: Any) -> tuple[float, float, float, float] | None:
    try:
        left, top, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError):
        return None
    return left, top, left + width, top + height


def _around(outlines: Any) -> tuple[float, float, float, float] | None:
    """The box around the polygons of an annotation that has none of its own."""
    try:
        values = [float(value) for outline in outlines for value in outline]
        across, down = values[::2], values[1::2]
        return min(across), min(down), max(across), max(down)
    except (TypeError, ValueError):
        return None


def _whole(value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0

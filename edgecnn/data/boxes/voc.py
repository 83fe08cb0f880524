"""Pascal VOC's annotation format: one XML file for each image
(M. Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", 4.1).
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.data.boxes.base import BoxDataset
from edgecnn.data.boxes.images import ImageFinder
from edgecnn.data.boxes.reading import Annotation, RawBox, ReadAnnotations, of_class
from edgecnn.data.files.tree import child, files_below, is_system, split_of, sub_folders, unwrapped
from edgecnn.data.left_out import LeftOut
from edgecnn.deprecation import old_arguments
from edgecnn.errors import InputError
from edgecnn.files import read_file

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 4 << 20
_IMAGES = ("JPEGImages", "images", "imgs", "img")
_LISTS = {"train": ("train", "trainval"), "validation": ("val", "valid"), "test": ("test",)}
_HINT = "pass the Annotations folder, or the one that it lies in"


@old_arguments(pictures="images")
def load_voc(annotations: Path, images: Path | None = None, *, label: str = "stop") -> BoxDataset:
    """Read every .xml in a folder and keep the boxes of one class; images are not decoded yet.

    `images` is the folder of the images; without it, `JPEGImages` or `images` next to the
    folder, or the folder itself. Coordinates are VOC's: pixels counted from 1, both ends
    inclusive. `difficult` objects are ignored ones. Raises InputError for a folder without such
    files, and for a class that no file has.
    """
    paths = sorted(_xml_files(annotations))
    if not paths:
        raise InputError(f"no .xml files in {annotations}", hint=_HINT)
    reading = read_voc(paths, [images] if images else image_folders(annotations))
    name = annotations.parent.name
    return of_class(reading, label, place=annotations, name=name, source=annotations.name)


def voc_files(place: Path) -> tuple[dict[str, list[Path]], list[Path], list[LeftOut]]:
    """The XML files of each split ("" for those of none), the folders of images, and what the
    lists of splits name and is not there.

    Splits are folders of their own, or the lists in `ImageSets/Main`. Raises InputError when
    there are no XML files.
    """
    place = unwrapped(place, lambda path: path.suffix.casefold() == ".xml", keep=_is_known_folder)
    splits: dict[str, list[Path]] = {}
    folders = []
    for folder in sub_folders(place):
        split = split_of(folder.name)
        paths = _xml_files(child(folder, "Annotations") or folder) if split else []
        if split and paths:
            splits.setdefault(split, []).extend(sorted(paths))
            folders += [*image_folders(child(folder, "Annotations") or folder), folder]
    if splits:
        return splits, folders, []
    annotations = child(place, "Annotations", "Annotation", "xmls", "labels") or place
    paths = sorted(_xml_files(annotations))
    if not paths:
        raise InputError(f"no .xml files in {place}", hint=_HINT)
    listed, left_out = _listed(place if annotations != place else place.parent, paths)
    return listed or {"": paths}, [*image_folders(annotations), place], left_out


def image_folders(annotations: Path) -> list[Path]:
    """Where the images of a folder of XML files may lie."""
    siblings = (child(annotations.parent, name) for name in _IMAGES)
    inside = (child(annotations, name) for name in _IMAGES)
    return [path for path in (*siblings, *inside) if path] + [annotations]


def _is_known_folder(name: str) -> bool:
    return name.casefold() in ("annotations", "jpegimages", "images") or split_of(name) is not None


def _xml_files(folder: Path) -> list[Path]:
    return [
        path
        for path in files_below(folder)
        if path.suffix.casefold() == ".xml" and not is_system(path.name)
    ]


def _listed(place: Path, paths: list[Path]) -> tuple[dict[str, list[Path]], list[LeftOut]]:
    """Splits as `ImageSets/Main/{train,val,test}.txt` list them; a line is a name, and in the
    lists of a class a flag behind it.
    """
    sets = child(place, "ImageSets")
    folder = (child(sets, "Main") or sets) if sets else None
    of_stem = {path.stem: path for path in paths}
    splits: dict[str, list[Path]] = {}
    left_out: list[LeftOut] = []
    if folder is None:
        return splits, left_out
    files = {path.name.casefold(): path for path in sorted(folder.iterdir()) if path.is_file()}
    for split, names in _LISTS.items():
        lists = (files.get(f"{name}.txt") for name in names)
        file = next(filter(None, lists), None)
        if file is None:
            continue
        for line in read_file(file, limit=MAX_BYTES).decode("utf-8-sig", "replace").split("\n"):
            stem = line.strip()
            if stem in of_stem:
                splits.setdefault(split, []).append(of_stem[stem])
            elif stem:
                left_out.append(LeftOut(stem[:80], f"{file.name} lists it, there is no such .xml"))
    return splits, left_out


def read_voc(paths: list[Path], images: list[Path]) -> ReadAnnotations:
    """What the files say; one that cannot be read is left out."""
    finder = ImageFinder(images)
    reading = ReadAnnotations()
    for path in paths:
        try:
            root = _parsed(path)
        except InputError as error:
            reading.left_out.append(LeftOut(path.name, error.message))
            continue
        named = _text(root, "filename")
        image = next(
            (candidate for name in _names(root, path) if (candidate := finder.find(name))), None
        )
        if image is None:
            reason = f"its image {(named or path.stem)[:80]!r} is missing"
            reading.left_out.append(LeftOut(path.name, reason))
            continue
        height, width = _number(root, "size/height"), _number(root, "size/width")
        stated = (int(height), int(width)) if height >= 1 and width >= 1 else None
        annotation = Annotation(image, path.name, stated=stated)
        for number, thing in enumerate(root.iter("object"), start=1):
            _read_object(thing, f"{path.name}, object {number}", annotation, reading)
        reading.annotations.append(annotation)
    return reading


def _names(root: Element, path: Path) -> list[str]:
    """What the image may be called. A file renamed together with its image keeps the old
    name inside.
    """
    named, full = _text(root, "filename"), _text(root, "path")
    of_file = Path(named.replace("\\", "/")).stem
    names = [named, full, path.stem] if of_file == path.stem else [path.stem, named, full]
    return [name for name in names if name]


def _read_object(
    thing: Element, where: str, annotation: Annotation, reading: ReadAnnotations
) -> None:
    name = _text(thing, "name")
    sides = [_number(thing, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    if not name or any(side != side for side in sides):  # noqa: PLR0124 (not a number)
        reason = "it has no name" if not name else "its bndbox is not four numbers"
        reading.left_out.append(LeftOut(where, reason, "box"))
        annotation.incomplete = True
        return
    left, top, right, bottom = sides
    difficult = _text(thing, "difficult").casefold() in ("1", "true")
    # Some tools count from 0: there is no pixel before the first.
    left, top = (side if 0 <= side < 1 else side - 1 for side in (left, top))
    annotation.boxes.append(RawBox((left, top, right, bottom), name, where, difficult))


def _parsed(path: Path) -> Element:
    """Parse a file from a stranger: no document type, hence no entities that could explode."""
    from xml.etree import ElementTree as ET

    content = read_file(path, limit=MAX_BYTES)
    plain = content
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        plain = content.decode("utf-16", "replace").encode()
    if b"<!" in plain.replace(b"<!--", b"").replace(b"<![CDATA[", b"") or b"\0" in plain:
        raise InputError("document types are not read", hint="VOC files have none")
    try:
        return ET.fromstring(content)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError(f"not XML ({error})") from error


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _number(element: Element, name: str) -> float:
    """NaN for what is not a finite number."""
    try:
        value = float(_text(element, name))
    except ValueError:
        return float("nan")
    return value if abs(value) < 1e9 else float("nan")

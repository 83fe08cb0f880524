"""Pascal VOC's annotation format: one XML file for each picture
(M. Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", 4.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.data.boxes import BoxDataset, BoxedFile, inside, picture_size, to_boxes
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 4 << 20


def load_voc(annotations: Path, pictures: Path | None = None, *, label: str = "stop") -> BoxDataset:
    """Read every .xml in a folder and keep one class.

    `pictures` is the folder of the pictures; without it, `JPEGImages` or `images` beside the
    folder, or the folder itself. Coordinates are VOC's: pixels counted from 1, both ends
    inclusive. `difficult` objects are ignored ones. Raises InputError for what is not VOC, for
    a class that no file has, a box that does not fit and a name that leaves the folder.
    """
    paths = sorted(annotations.glob("*.xml"))
    if not paths:
        raise InputError(f"no .xml files in {annotations}", hint="give the Annotations folder")
    beside = [annotations.parent / name for name in ("JPEGImages", "images")]
    folder = pictures or next((path for path in beside if path.is_dir()), annotations)
    seen: set[str] = set()
    files = tuple(_file(path, folder, label.casefold(), seen) for path in paths)
    if label.casefold() not in seen:
        raise InputError(
            f"{annotations}: no class {label!r}", hint=f"it has: {', '.join(sorted(seen))}"
        )
    return BoxDataset(annotations.parent.name, files, label, source=annotations.name)


def _file(path: Path, folder: Path, label: str, seen: set[str]) -> BoxedFile:
    root = _read(path)
    picture = inside(folder, _text(root, "filename", path))
    height, width = picture_size(picture)
    kept: dict[bool, list[tuple[float, ...]]] = {False: [], True: []}
    for thing in root.iter("object"):
        name = _text(thing, "name", path).casefold()
        seen.add(name)
        if name != label:
            continue
        try:
            left, top, right, bottom = (
                float(_text(thing, f"bndbox/{side}", path))
                for side in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError as error:
            raise InputError(f"{path}: a box is not four numbers ({error})") from error
        difficult = (thing.findtext("difficult") or "0").strip() == "1"
        kept[difficult].append((left - 1, top - 1, right, bottom))
    return BoxedFile(
        picture,
        height,
        width,
        to_boxes(kept[False], height, width, path.name),
        to_boxes(kept[True], height, width, path.name),
    )


def _read(path: Path) -> Element:
    """Parse a file from a stranger: no document type, hence no entities that could explode."""
    from xml.etree import ElementTree as ET

    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    if b"<!" in content.replace(b"<!--", b"") or b"\0" in content:
        raise InputError(f"{path}: document types are not read", hint="VOC files have none")
    try:
        return ET.fromstring(content)  # noqa: S314
    except ET.ParseError as error:
        raise InputError(f"{path}: not XML ({error})") from error


def _text(element: Element, name: str, path: Path) -> str:
    text = element.findtext(name)
    if text is None:
        raise InputError(f"{path}: not a VOC annotation, <{name}> is missing")
    return text.strip()

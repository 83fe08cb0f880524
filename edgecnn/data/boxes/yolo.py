"""YOLO's annotation format: a text file for each image, a line for each box.

A line is `class x y width height`, the middle and the size in shares of the image; a confidence
may follow (predictions saved as labels), or key points. `class x1 y1 x2 y2 x3 y3 …` is an
outline, of which the box around it is taken. Images lie in `images/` and texts of the same name
in `labels/`, or all in one folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from edgecnn.data.boxes.base import BoxDataset
from edgecnn.data.boxes.classes import same_name
from edgecnn.data.boxes.images import ImageFinder, images_below
from edgecnn.data.boxes.reading import Annotation, RawBox, ReadAnnotations, of_class
from edgecnn.data.boxes.yolo_labels import LabelFiles, orphans, texts_in
from edgecnn.data.boxes.yolo_names import Description, describe
from edgecnn.data.files.tree import child, split_of, sub_folders, unwrapped
from edgecnn.data.left_out import LeftOut, counted
from edgecnn.errors import InputError
from edgecnn.files import read_file

MAX_BYTES = 4 << 20
_LIST_BYTES = 256 << 20
_PIXELS = 2.0
"""A value beyond is not a share: the line holds pixels."""
_SEEN = frozenset((0.0, 1.0, 2.0))
"""What is said of a key point: not labeled, hidden or visible."""
_KNOWN = ("images", "labels", "obj_train_data", "jpegimages")


def load_yolo(folder: Path, *, label: str | int = "stop sign") -> BoxDataset:
    """Read a folder as one set and keep the boxes of one class, by number or by name. Images
    are not decoded yet.

    Raises InputError for an unknown class, and a folder without images.
    """
    images = _images_of(folder)
    description = _with_key_points(describe(folder), images)
    reading = read_yolo(folder, images, description)
    return of_class(reading, str(label), place=folder, name=folder.name, source=folder.name)


def yolo_files(place: Path) -> tuple[dict[str, list[Path]], Description, list[LeftOut]]:
    """The images of each split ("" for a set without), the description, and what lists name
    and is not there. Whether lines hold key points is found for all splits together.

    Splits are what the YAML file says, or folders in `images/` or next to one another, or lists
    such as `train.txt`. Raises InputError when there are no images.
    """
    if not place.is_dir():
        description = describe(place)
        splits, left_out = _described(description, place.parent, anywhere=True)
        if not splits:
            raise InputError(f"{place} names no images", hint="pass the folder they lie in")
        return splits, _with_key_points(description, _all(splits)), left_out
    place = unwrapped(place, lambda path: path.suffix.casefold() in (".txt", ".yaml"), keep=_known)
    description = describe(place)
    splits, left_out = _described(description, place, anywhere=False)
    splits = splits or _in_folders(place)
    if not splits:
        splits, left_out = _lists(place)
    if not splits:
        images = _images_of(place)
        if not images:
            raise InputError(f"no images in {place}", hint="YOLO keeps them in images/")
        splits = {"": images}
    return splits, _with_key_points(description, _all(splits)), left_out


def _all(splits: Mapping[str, Iterable[Path]]) -> Iterator[Path]:
    return chain.from_iterable(splits.values())


def _with_key_points(description: Description, images: Iterable[Path]) -> Description:
    """With how many numbers follow a box, where the YAML file does not say it: key points are as
    many in every line, each third number of theirs says whether it is seen (0, 1 or 2). An
    outline that touches the edge may look like them, a whole set of outlines does not.
    """
    if description.key_points:
        return description
    counts = set()
    for further in _further(images):
        counts.add(len(further))
        if len(counts) > 1 or len(further) % 3 or not _SEEN.issuperset(further[2::3]):
            return description
    return replace(description, key_points=counts.pop() if counts else 0)


def _further(images: Iterable[Path]) -> Iterator[list[float]]:
    """What follows the box in each line that has more than a box and a confidence."""
    label_files = LabelFiles()
    for image in images:
        text = label_files.of(image)
        try:
            lines = [] if text is None else _lines(text)
        except InputError:
            continue  # `read_yolo` says so
        for line in lines:
            try:
                further = [float(value) for value in line.replace(",", " ").split()[5:]]
            except ValueError:
                continue
            if len(further) > 1:
                yield further


def _known(name: str) -> bool:
    return name.casefold() in _KNOWN or split_of(name) is not None


def _images_of(folder: Path) -> list[Path]:
    return images_below(child(folder, "images") or folder)


def _in_folders(place: Path) -> dict[str, list[Path]]:
    """images/train, images/val … or train/images, valid/images … or train/, val/ …"""
    splits: dict[str, list[Path]] = {}
    for folder in sub_folders(child(place, "images") or place):
        split = None if folder.name.casefold() in _KNOWN else split_of(folder.name)
        images = _images_of(folder) if split else []
        if split and images:
            splits.setdefault(split, []).extend(images)
    return splits


def _lists(place: Path) -> tuple[dict[str, list[Path]], list[LeftOut]]:
    """`train.txt` and its like, one image per line."""
    splits: dict[str, list[Path]] = {}
    left_out: list[LeftOut] = []
    for path in texts_in(place):
        split = split_of(path.stem)
        images = _listed(path, ImageFinder([place], split), left_out) if split else []
        if split and images:
            splits.setdefault(split, []).extend(images)
    return splits, left_out


def _listed(path: Path, finder: ImageFinder, left_out: list[LeftOut]) -> list[Path]:
    text = read_file(path, limit=_LIST_BYTES).decode("utf-8-sig", "replace")
    images = []
    for line in filter(None, map(str.strip, text.splitlines())):
        image = finder.find(line)
        if image is None:
            left_out.append(LeftOut(line[:200], f"{path.name} lists it, the image is missing"))
        else:
            images.append(image)
    return list(dict.fromkeys(images))


def _described(
    description: Description, place: Path, *, anywhere: bool
) -> tuple[dict[str, list[Path]], list[LeftOut]]:
    """The images that a YAML file says, as far as its folders and lists are there: below
    `place`, or `anywhere` when the user named the file itself.
    """
    splits: dict[str, list[Path]] = {}
    left_out: list[LeftOut] = []
    if description.path is None:
        return splits, left_out
    base = description.path.parent
    for split, entries in description.splits.items():
        images: list[Path] = []
        for entry in entries:
            target = _target(entry, description.root, base, place, anywhere=anywhere)
            if target is None:
                continue
            if target.is_file():
                images += _listed(target, ImageFinder([target.parent, base], split), left_out)
            else:
                images += images_below(target)
        if images:
            splits[split] = list(dict.fromkeys(images))
    return splits, left_out


def _target(entry: str, root: str, base: Path, place: Path, *, anywhere: bool) -> Path | None:
    """Where an entry of a YAML file leads: from its `path`, from its folder, or, as exports have
    it that were made for another folder, without what leads upward.
    """
    entry, root = entry.replace("\\", "/"), root.replace("\\", "/")
    below = Path(*[part for part in entry.split("/") if part not in ("", ".", "..")])
    candidates = [base / root / entry, base / entry, base / below, place / below]
    limits = [base.resolve(), place.resolve()]
    for path in candidates:
        try:
            exists = path.exists()
            inside = any(path.resolve().is_relative_to(limit) for limit in limits)
        except (OSError, ValueError, RuntimeError):
            continue
        if exists and (anywhere or inside):
            return path
    return None


def read_yolo(place: Path, images: Sequence[Path], description: Description) -> ReadAnnotations:
    """The lines of every image's text; those that are not boxes are left out."""
    reading = ReadAnnotations(numbers=dict(description.numbers), notes=list(description.notes))
    kinds: Counter[str] = Counter()
    folders: dict[Path, set[Path]] = {}
    label_files = LabelFiles()
    for image in images:
        annotation = Annotation(image, _below(image, place), in_shares=True)
        text = label_files.of(image)
        if text is None:
            kinds["without"] += 1
        else:
            folders.setdefault(text.parent, set()).add(image.parent)
            _read_lines(
                text,
                place,
                annotation,
                reading=reading,
                kinds=kinds,
                key_points=description.key_points,
            )
        reading.annotations.append(annotation)
    reading.numbers = dict(sorted(reading.numbers.items(), key=lambda item: int(item[0])))
    _note(kinds, len(images), description, reading)
    for text in orphans(folders):
        reading.left_out.append(LeftOut(_below(text, place), "no image has this name"))
    return reading


def _read_lines(
    path: Path,
    place: Path,
    annotation: Annotation,
    *,
    reading: ReadAnnotations,
    kinds: Counter[str],
    key_points: int,
) -> None:
    try:
        lines = _lines(path)
    except InputError as error:
        reading.left_out.append(LeftOut(_below(path, place), error.message, "box"))
        annotation.incomplete = True
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{_below(path, place)}, line {number}"
        try:
            name, kind, corners = _box(line, reading.numbers, key_points)
        except ValueError as error:
            reading.left_out.append(LeftOut(where, str(error), "box"))
            annotation.incomplete = True
            continue
        kinds[kind] += 1
        annotation.boxes.append(RawBox(corners, name, where))


def _lines(path: Path) -> list[str]:
    """Raises InputError for a text that cannot be read."""
    content = read_file(path, limit=MAX_BYTES)
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return content.decode(encoding, "replace").splitlines()


def _box(
    line: str, numbers: dict[str, str], key_points: int
) -> tuple[str, str, tuple[float, float, float, float]]:
    """Class name, what the line holds besides ("", "confidence", …), and corners in shares.

    Raises ValueError with the reason for a line that is not a box.
    """
    values = line.replace(",", " ").split()
    name = _class_of(values[0], numbers)
    try:
        rest = [float(value) for value in values[1:]]
    except ValueError:
        raise ValueError(f"not numbers: {line.strip()[:60]!r}") from None
    if len(rest) < 4:
        raise ValueError(f"expected class x y width height, received {len(values)} values")
    kind = _kind(rest, key_points)
    if kind == "outline":
        across, down = rest[: len(rest) // 2 * 2 : 2], rest[1::2]
        corners = (min(across), min(down), max(across), max(down))
        used = [*across, *down]
    else:
        x, y, w, h = used = rest[:4]
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    if not all(-_PIXELS <= value <= _PIXELS for value in used):
        raise ValueError(f"expected shares between 0 and 1, received: {line.strip()[:60]!r}")
    return name, kind, corners


def _kind(rest: Sequence[float], key_points: int) -> str:
    """What follows the class: "" (a box), "confidence", "key points" or "outline"."""
    further = rest[4:]
    if not further:
        return ""
    if len(further) == 1:
        return "confidence"
    return "key points" if len(further) == key_points else "outline"


def _class_of(text: str, numbers: dict[str, str]) -> str:
    """The name of a class written as a number (also 0.0), or by its name. A number that nobody
    names is its own name.
    """
    try:
        value = float(text)
    except ValueError:
        name = next((n for n in numbers.values() if same_name(n) == same_name(text)), None)
        if name is None:
            raise ValueError(f"{text[:40]!r} is not a class") from None
        return name
    if not 0 <= value < 1e6 or value != int(value):
        raise ValueError(f"{text[:40]!r} is not a class: expected 0, 1, 2 …")
    number = str(int(value))
    return numbers.setdefault(number, number)


def _note(
    kinds: Counter[str], images: int, description: Description, reading: ReadAnnotations
) -> None:
    if kinds["confidence"]:
        boxes = counted(kinds["confidence"], "box", "boxes")
        reading.notes.append(f"{boxes} with a sixth column (a confidence), which is not used")
    if kinds["outline"]:
        outlines = counted(kinds["outline"], "outline")
        reading.notes.append(f"{outlines} read as the box around it")
    if kinds["key points"]:
        boxes = counted(kinds["key points"], "box", "boxes")
        reading.notes.append(f"{boxes} with key points, which are not used")
    if kinds["without"] == images:
        reading.notes.append("no image has a label file (labels/*.txt), so all are taken as empty")
    elif kinds["without"]:
        images_without = counted(kinds["without"], "picture")
        reading.notes.append(f"{images_without} without a label file, taken as empty")
    if not description.numbers and reading.numbers:
        reading.notes.append("no data.yaml or classes.txt names the classes: they are numbers")


def _below(path: Path, place: Path) -> str:
    return str(path.relative_to(place)) if path.is_relative_to(place) else path.name

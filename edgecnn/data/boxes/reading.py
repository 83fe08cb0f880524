"""Validate annotated boxes against their images; invalid ones are skipped.

Readers of the formats give `Annotation`s; here their images are found and looked at, EXIF's
turns are settled for the set as a whole, and every box is checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxDataset, BoxedFile, Boxes
from edgecnn.data.boxes.classes import chosen_classes, listed, merged
from edgecnn.data.boxes.exif import UNCLEAR, check_reading, reading_of, reading_of_set, turned
from edgecnn.data.boxes.images import StoredImage, look_at
from edgecnn.data.left_out import LeftOut, counted, described
from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.progress import Progress

ROUNDING = 1e-3
"""Share of the image's side that a box may stick out, as exporters round, unsaid."""


@dataclass(frozen=True)
class RawBox:
    """A box as its file has it: left, top, right, bottom; `where` is the file and the line."""

    corners: tuple[float, float, float, float]
    name: str
    where: str
    ignored: bool = False


@dataclass
class Annotation:
    """What a file says of one image; `stated` is the (height, width) that it names, and boxes
    are in pixels, or shares of the sides with `in_shares`. It is `incomplete` where it says
    something that is left out.
    """

    path: Path
    where: str
    boxes: list[RawBox] = field(default_factory=list)
    stated: tuple[int, int] | None = None
    in_shares: bool = False
    incomplete: bool = False


@dataclass
class ReadAnnotations:
    """What a reader found. `numbers` are the classes' numbers as the files write them."""

    annotations: list[Annotation] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FittedFile:
    """An image as decoded, (height, width), with boxes (n, 4), the name of each box's class, and
    which are ignored (n,); `incomplete` where a box of it was left out.
    """

    path: Path
    height: int
    width: int
    boxes: Boxes
    names: tuple[str, ...]
    ignored: npt.NDArray[np.bool_]
    incomplete: bool = False


@dataclass(frozen=True)
class Fitted:
    """All images of a set, or of one of its splits."""

    files: tuple[FittedFile, ...]
    numbers: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All classes: those that are declared in their order, then others that have boxes."""
        used = sorted({name for file in self.files for name in file.names})
        return tuple(dict.fromkeys((*self.numbers.values(), *used)))


def fit(
    reading: ReadAnnotations,
    *,
    place: Path,
    exif: str = "",
    decode: bool = True,
    progress: Progress | None = None,
) -> Fitted:
    """Look at every image and check every box.

    `exif` is the reading of turned photos where their annotations leave it open. With `decode`,
    images are read to their end. Raises InputError when no image is left, and when there
    were boxes of which none is.
    """
    check_reading(exif)
    left_out = list(reading.left_out)
    kept: list[tuple[Annotation, StoredImage]] = []
    looked = look_at(
        [entry.path for entry in reading.annotations], decode=decode, progress=progress
    )
    for entry, image in zip(reading.annotations, looked, strict=True):
        if isinstance(image, str):
            left_out.append(LeftOut(entry.where, image))
        elif entry.stated not in (None, image.upright, (image.height, image.width)):
            left_out.append(LeftOut(entry.where, _other_size(image, entry.stated)))
        else:
            kept.append((entry, image))
    votes = [reading_of(image, entry.stated) for entry, image in kept]
    of_set = reading_of_set(votes) or exif or None
    files = []
    turned_as: dict[str, int] = {}
    for (entry, image), vote in zip(kept, votes, strict=True):
        read_as = vote or of_set
        if image.orientation > 1 and entry.boxes:
            if read_as is None:
                reason = UNCLEAR.format(orientation=image.orientation)
                left_out.append(LeftOut(entry.where, reason))
                continue
            turned_as[read_as] = turned_as.get(read_as, 0) + 1
        files.append(_fitted(entry, image, read_as == "stored", left_out))
    notes = [*reading.notes]
    notes += [
        f"boxes of {counted(count, 'photo')} that EXIF turns read as {read_as}"
        for read_as, count in turned_as.items()
    ]
    _check_something_left(reading, files, left_out, place)
    return Fitted(tuple(files), dict(reading.numbers), tuple(left_out), tuple(notes))


def _check_something_left(
    reading: ReadAnnotations, files: Sequence[FittedFile], left_out: Sequence[LeftOut], place: Path
) -> None:
    lost = described(left_out, shown=1)
    if not files:
        raise InputError(
            f"{place}: no annotated images that can be used" + (f"; {lost}" if lost else ""),
            hint=_hint(left_out),
        )
    had = [entry for entry in left_out if entry.kind == "box"]
    had_boxes = bool(had) or any(entry.boxes for entry in reading.annotations)
    if had_boxes and not any(len(file.boxes) for file in files):
        raise InputError(f"{place}: no box can be used; {lost}", hint="fix what is named")


def _hint(left_out: Sequence[LeftOut]) -> str:
    if any("--exif" in entry.reason for entry in left_out):
        return "add --exif stored or --exif upright; data inspect --out shows the images"
    return "fix what is named, and where its images lie" if left_out else "pass their folder"


def _other_size(image: StoredImage, stated: tuple[int, int] | None) -> str:
    height, width = image.upright
    of = f"{stated[1]}×{stated[0]}" if stated else "nothing"
    return f"the image is {width}×{height}, its annotation says {of}"


def _fitted(
    entry: Annotation, image: StoredImage, stored: bool, left_out: list[LeftOut]
) -> FittedFile:
    """The boxes of one image in pixels of the upright image, cut at its edge."""
    height, width = image.upright
    on_side = stored and image.lies_on_its_side
    high, wide = (width, height) if on_side else (height, width)  # of the boxes' coordinates
    boxes, names, ignored = [], [], []
    incomplete = entry.incomplete
    for box in entry.boxes:
        corners = np.asarray(box.corners, np.float64)
        if entry.in_shares:
            corners = corners * (wide, high, wide, high)
        reason = _wrong(corners, high, wide)
        if reason:
            left_out.append(LeftOut(box.where, reason, "box"))
            incomplete = True
            continue
        cut = np.clip(corners, 0, (wide, high, wide, high))
        if (np.abs(cut - corners) > ROUNDING * np.asarray((wide, high, wide, high))).any():
            left_out.append(LeftOut(box.where, f"{_corners_text(corners)} in {wide}×{high}", "cut"))
        boxes.append(cut)
        names.append(box.name)
        ignored.append(box.ignored)
    fitted = np.asarray(boxes, np.float64).reshape(-1, 4)
    if stored and image.orientation > 1:
        fitted = turned(fitted, image)
    return FittedFile(
        entry.path,
        height,
        width,
        fitted.astype(np.float32),
        tuple(names),
        np.asarray(ignored, np.bool_),
        incomplete,
    )


def _wrong(corners: npt.NDArray[np.float64], height: int, width: int) -> str:
    """Why a box is not valid; empty when it is."""
    if not np.isfinite(corners).all():
        return "a value is not a finite number"
    if (corners[2:] <= corners[:2]).any():
        return f"box {_corners_text(corners)} has no area"
    cut = np.clip(corners, 0, (width, height, width, height))
    if (cut.astype(np.float32)[2:] <= cut.astype(np.float32)[:2]).any():
        return f"box {_corners_text(corners)} lies outside the image of {width}×{height}"
    return ""


def _corners_text(corners: npt.NDArray[np.float64]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in corners) + "]"


@dataclass(frozen=True)
class ChosenClasses:
    """Classes of a set: all their `names`, and those `chosen`, None where nobody chose and
    nothing says which; `listed` names them with their numbers.
    """

    names: tuple[str, ...]
    chosen: tuple[str, ...] | None
    listed: str

    @property
    def labels(self) -> tuple[str, ...]:
        """What is looked for; all classes when none is chosen."""
        return self.names if self.chosen is None else self.chosen


def choose(parts: Sequence[Fitted], wanted: Sequence[str], *, where: str) -> ChosenClasses:
    """Choose among the classes of all splits together (see `chosen_classes`).

    Raises InputError for a class that is not there.
    """
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    index = {name: position for position, name in enumerate(names)}
    numbers = {key: index[name] for part in parts for key, name in part.numbers.items()}
    chosen = chosen_classes(names, numbers, wanted, where=where)
    return ChosenClasses(
        names,
        None if chosen is None else tuple(names[position] for position in sorted(chosen)),
        listed(names, numbers),
    )


def choose_together(
    sets: Sequence[Sequence[Fitted]], wanted: Sequence[str], *, where: str
) -> tuple[ChosenClasses, ...]:
    """For each of several sets, each with its splits, the classes that are chosen of all together.

    A set need not have every class, its images are then ones without. A number stands for a class
    where all sets that have it mean the same one. Raises InputError for a class that none has.
    """
    if len(sets) == 1:
        return (choose(sets[0], wanted, where=where),)
    own = [tuple(dict.fromkeys(name for part in one for name in part.names)) for one in sets]
    names, places = merged(own)
    meant: dict[str, set[int]] = {}
    for one, own_names, of_set in zip(sets, own, places, strict=True):
        for key, name in (item for part in one for item in part.numbers.items()):
            meant.setdefault(key, set()).add(of_set[own_names.index(name)])
    numbers = {key: next(iter(of_key)) for key, of_key in meant.items() if len(of_key) == 1}
    chosen = chosen_classes(names, numbers, wanted, where=where)
    return tuple(
        ChosenClasses(
            own_names,
            None
            if chosen is None
            else tuple(name for number, name in enumerate(own_names) if of_set[number] in chosen),
            listed(names, numbers),
        )
        for own_names, of_set in zip(own, places, strict=True)
    )


def every_class(fitted: Fitted, names: Sequence[str]) -> tuple[BoxedFile, ...]:
    """The images of one split with all their boxes; a class's id is its place in `names`."""
    place = {name: index for index, name in enumerate(names)}
    files = []
    for file in fitted.files:
        ids = np.asarray([place[name] for name in file.names], np.int64)
        ignored = file.ignored
        files.append(
            BoxedFile(
                file.path,
                file.height,
                file.width,
                file.boxes[~ignored],
                file.boxes[ignored],
                ids[~ignored],
                ids[ignored],
                file.incomplete,
            )
        )
    return tuple(files)


def with_choice(
    fitted: Fitted, choice: ChosenClasses, *, name: str, source: str = ""
) -> BoxDataset:
    """The images of one split with the boxes of the chosen classes, taken as one class."""
    files = []
    counts: Counter[str] = Counter()
    for file in fitted.files:
        keep = np.asarray([class_name in choice.labels for class_name in file.names], np.bool_)
        ignored = file.ignored
        counts.update(
            class_name
            for class_name, skip in zip(file.names, ignored.tolist(), strict=True)
            if not skip
        )
        files.append(
            BoxedFile(
                file.path,
                file.height,
                file.width,
                file.boxes[keep & ~ignored],
                file.boxes[keep & ignored],
                incomplete=file.incomplete,
            )
        )
    return BoxDataset(
        name,
        tuple(files),
        " or ".join(choice.labels) or "box",
        source,
        counts={class_name: counts[class_name] for class_name in choice.names},
        left_out=fitted.left_out,
    )


def of_class(
    reading: ReadAnnotations, wanted: str, *, place: Path, name: str, source: str
) -> BoxDataset:
    """A set as a whole, of one class, its images not yet decoded.

    Raises as `fit` and `choose`.
    """
    fitted = fit(reading, place=place, decode=False)
    return with_choice(
        fitted, choose([fitted], [wanted], where=str(place)), name=name, source=source
    )


__getattr__ = old_names(__name__, {"Choice": "ChosenClasses", "Reading": "ReadAnnotations"})

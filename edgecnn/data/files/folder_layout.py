"""Find the classes and splits in a folder of images.

`<class>/…`, `<split>/<class>/…` with any of the usual names of splits, both of them in one
folder more, and each split once more in a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.base import SPLITS
from edgecnn.data.files.image_kinds import may_be_image
from edgecnn.data.files.tree import (
    files_below,
    is_plain_split,
    is_system,
    split_of,
    sub_folders,
    unwrapped,
)
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError

LAYOUT_HINT = "expected one sub-folder of images for each class, at least two classes"
_NAMED = 4
"""Files of other kinds that a line names."""


@dataclass(frozen=True)
class _Layout:
    """`roots` are the folders whose sub-folders are classes, by split; the set as a whole is
    "train" when it has no splits. `unused` are folders of images that are part of none.
    """

    roots: Mapping[str, tuple[Path, ...]]
    unused: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassFolders:
    """`images` are (path, number of its class in `names`), in order, by split."""

    names: tuple[str, ...]
    images: Mapping[str, list[tuple[Path, int]]]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def class_folders(folder: Path) -> ClassFolders:
    """Look at the names of the folders, and at which of them there are images in.

    Classes are those of training, ignoring case. Raises InputError when the folder
    cannot be read.
    """
    try:
        return _class_folders(folder, _layout(folder))
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}", hint=LAYOUT_HINT) from error


def _layout(folder: Path) -> _Layout:
    place = unwrapped(folder, may_be_image, keep=is_plain_split)
    holding = [child for child in sub_folders(place) if _has_images(child)]
    roots: dict[str, tuple[Path, ...]] = {}
    used = set()
    for child in holding:
        split = split_of(child.name)
        root = unwrapped(child, may_be_image, keep=lambda _: False)
        if split and any(_has_images(inner) for inner in sub_folders(root)):
            roots[split] = (*roots.get(split, ()), root)
            used.add(child)
    unused = tuple(child for child in holding if child not in used)
    if not roots or (unused and "train" not in roots):
        return _Layout({"train": (place,)})
    ordered = {split: roots[split] for split in SPLITS if split in roots}
    if list(ordered) == ["validation"]:
        (folders,) = ordered.values()
        return _Layout(
            {"test": folders}, unused, (f"{folders[0].name} is the only split, used as test",)
        )
    return _Layout(ordered, unused)


def _class_folders(folder: Path, layout: _Layout) -> ClassFolders:
    left_out: list[LeftOut] = []
    others: list[str] = []
    names: dict[str, str] = {}
    entries_of: dict[str, list[tuple[Path, str]]] = {split: [] for split in layout.roots}
    for split, roots in layout.roots.items():
        for root in roots:
            loose = [path for path in root.iterdir() if path.is_file()]
            _unlabeled(loose, folder, "it lies in no class folder", left_out, others)
            for class_folder in sub_folders(root):
                key = class_folder.name.casefold()
                images = _sorted_images(class_folder, others)
                if not images:
                    left_out.append(LeftOut(_below(class_folder, folder), "it holds no images"))
                elif "train" not in layout.roots or split == "train" or key in names:
                    names.setdefault(key, class_folder.name)
                    entries_of[split] += [(path, key) for path in images]
                else:
                    reason = f"{class_folder.name!r} is a class that training does not have"
                    _unlabeled(images, folder, reason, left_out, others)
    for unused in layout.unused:
        reason = f"its folder {unused.name!r} is neither a split nor a class"
        _unlabeled(files_below(unused), folder, reason, left_out, others)
    keys = sorted(names, key=lambda key: names[key])
    number = {key: index for index, key in enumerate(keys)}
    return ClassFolders(
        tuple(names[key] for key in keys),
        {
            split: [(path, number[key]) for path, key in entries]
            for split, entries in entries_of.items()
        },
        tuple(left_out),
        (*layout.notes, *_not_looked_at(others)),
    )


def _has_images(folder: Path) -> bool:
    return any(may_be_image(path) for path in files_below(folder))


def _sorted_images(folder: Path, others: list[str]) -> list[Path]:
    """Image files below a class folder, in the order of their names."""
    images = []
    for path in files_below(folder):
        if may_be_image(path) and not is_system(path.name):
            images.append(path)
        else:
            others.append(path.name)
    return sorted(images)


def _unlabeled(
    paths: Iterable[Path], folder: Path, reason: str, left_out: list[LeftOut], others: list[str]
) -> None:
    for path in sorted(paths):
        if may_be_image(path):
            left_out.append(LeftOut(_below(path, folder), reason))
        else:
            others.append(path.name)


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder))


def _not_looked_at(others: list[str]) -> tuple[str, ...]:
    """One line on files that are not images."""
    if not others:
        return ()
    named = list(dict.fromkeys(others))
    more = ", …" if len(named) > _NAMED else ""
    count = f"{len(others)} file{'s' if len(others) > 1 else ''}"
    return (f"{count} that are not images were ignored ({', '.join(named[:_NAMED])}{more})",)

"""Folders as people have them: which belong to a split, which wrap others, which are not data.

Tools and systems leave files of their own (`__MACOSX`, `.ipynb_checkpoints`, `Thumbs.db`); a
copy of an image in one of them would leak from the training split into the test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

SPLIT_WORDS = {
    "train": ("train", "training", "trainset", "trn", "trainval"),
    "validation": ("validation", "valid", "val", "validate", "valset", "dev", "devel"),
    "test": ("test", "testing", "testset", "tst"),
}
_SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}

_SYSTEM_FOLDERS = frozenset(
    (
        "__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin", "lost+found",
        "system volume information",
    )
)  # fmt: skip
_SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
DEEPEST_WRAPPING = 5


def split_of(name: str) -> str | None:
    """The split that a file's or folder's name stands for ("Train", "valid", "seg_test",
    "instances_val2017"), None for other names and for names of two splits.
    """
    words = re.findall(r"[a-z]+", name.casefold())
    splits = {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}
    return splits.pop() if len(splits) == 1 else None


def is_plain_split(name: str) -> bool:
    """Whether the name is nothing but a split's ("Train", "test2017")."""
    return re.sub(r"[\d_\-. ]+", "", name.casefold()) in _SPLIT_OF


def is_system(name: str) -> bool:
    """Whether a file or folder is a system's or a tool's own, and no data."""
    folded = name.casefold()
    return folded.startswith(".") or folded in _SYSTEM_FOLDERS or folded in _SYSTEM_FILES


def sub_folders(folder: Path) -> list[Path]:
    """Folders in `folder` that may hold data, by name."""
    if not folder.is_dir():
        return []
    return sorted(
        child for child in folder.iterdir() if not is_system(child.name) and child.is_dir()
    )


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below `folder` but those in a system's folders; not in order."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_system(name))
        for name in sorted(names):
            yield Path(root, name)


def child(folder: Path, *names: str) -> Path | None:
    """The first folder of `names` in `folder`, ignoring case."""
    folders = {path.name.casefold(): path for path in sub_folders(folder)}
    return next((folders[name.casefold()] for name in names if name.casefold() in folders), None)


def unwrapped(
    folder: Path, holds_data: Callable[[Path], bool], *, keep: Callable[[str], bool]
) -> Path:
    """`folder`, or the one folder in it that holds everything (as archives are often made).

    A folder with files that hold data is not left, one whose name is to `keep` not entered.
    """
    for _ in range(DEEPEST_WRAPPING):
        inner = sub_folders(folder)
        if len(inner) != 1 or keep(inner[0].name) or not sub_folders(inner[0]):
            return folder
        if any(path.is_file() and holds_data(path) for path in folder.iterdir()):
            return folder
        folder = inner[0]
    return folder

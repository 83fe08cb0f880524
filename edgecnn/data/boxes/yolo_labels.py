"""Match YOLO label files to images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgecnn.data.files.tree import child, is_system, split_of

_OTHERS = ("classes", "readme", "labels", "notes", "predefined_classes")
"""Texts next to labels that hold no labels."""


def is_text(path: Path) -> bool:
    return path.suffix.casefold() == ".txt"


def texts_in(folder: Path) -> list[Path]:
    """The text files of a folder, however their ending is written, by name."""
    return sorted(path for path in folder.iterdir() if is_text(path) and path.is_file())


class LabelFiles:
    """Finds the text of an image: in `labels` for the last `images` in its path, or next to it.
    Each folder is looked at once.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[Mapping[str, Path], ...]] = {}
        self._texts: dict[Path, Mapping[str, Path]] = {}

    def of(self, image: Path) -> Path | None:
        folder = image.parent
        if folder not in self._folders:
            places = (_labels_for(folder), folder)
            self._folders[folder] = tuple(self._in(place) for place in places if place)
        for texts in self._folders[folder]:
            if image.stem in texts:
                return texts[image.stem]
        return None

    def _in(self, folder: Path) -> Mapping[str, Path]:
        """By their names without the ending; of "a.TXT" and "a.txt" the latter."""
        if folder not in self._texts:
            try:
                self._texts[folder] = {path.stem: path for path in texts_in(folder)}
            except OSError:  # there is no such folder
                self._texts[folder] = {}
        return self._texts[folder]


def _labels_for(folder: Path) -> Path | None:
    parts = folder.parts
    for position in range(len(parts) - 1, -1, -1):
        if parts[position].casefold() in ("images", "jpegimages"):
            labels = child(Path(*parts[:position]), "labels")
            return labels.joinpath(*parts[position + 1 :]) if labels else None
    return None


def orphans(folders: Mapping[Path, set[Path]]) -> list[Path]:
    """Texts that belong to no image; `folders` holds the images' folders by that of texts."""
    stems = {
        folder: {
            path.stem for images in of_images for path in images.iterdir() if not is_text(path)
        }
        for folder, of_images in folders.items()
    }
    return sorted(
        path
        for folder, image_stems in stems.items()
        for path in folder.iterdir()
        if is_text(path)
        and path.stem not in image_stems
        and path.stem.casefold() not in _OTHERS
        and split_of(path.stem) is None
        and not is_system(path.name)
    )

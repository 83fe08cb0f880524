"""Check that a .keras file is complete: a readable archive that contains a network."""

from __future__ import annotations

from pathlib import Path

from edgecnn.formats.archives import zip_names


def holds(path: Path) -> bool:
    """Whether a zip archive is one of Keras. One that is called so is taken without weights, and
    with a list of members that cannot be read: `examine` says what is wrong with it.
    """
    names = zip_names(path)
    called_keras = path.suffix.lower() == ".keras"
    if names is None:
        return called_keras
    weights = any(name.startswith("model.weights") for name in names)
    return "config.json" in names and (weights or called_keras)


def examine(path: Path) -> None:
    """Raise ValueError for an archive that breaks off or holds no network.

    What its members hold is looked at before Keras sees them (see `keras_files`).
    """
    names = zip_names(path)
    if names is None:
        raise ValueError("the list of its members, at its end, is missing or damaged")
    if "config.json" not in names:
        raise ValueError("no config.json inside")

"""A folder of wheels made of what is installed here: a package index without a network."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgecnn.boards import wheels


def fill(folder: Path) -> Path:
    """Wheels of all that edgecnn needs with LiteRT."""
    folder.mkdir()
    waiting = [each.name for each in wheels.needed(["litert"], {})]
    seen: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        found = metadata.distribution(name)
        write(found, folder)
        for line in found.requires or ():
            each = Requirement(line)
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                waiting.append(each.name)
    return folder


def write(found: metadata.Distribution, folder: Path) -> None:
    """An installed package as the wheel that it came from: its files, without scripts."""
    tags = [
        line.partition(":")[2].strip()
        for line in (found.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag:")
    ]
    parts = [sorted({tag.split("-")[place] for tag in tags}) for place in range(3)]
    tag = "-".join(".".join(each) for each in parts)
    name = found.metadata["Name"].replace("-", "_").lower()
    path = folder / f"{name}-{found.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in found.files or ():
            place = Path(str(file.locate()))
            if ".." in file.parts or file.suffix == ".pyc" or not place.is_file():
                continue
            archive.write(place, str(file))

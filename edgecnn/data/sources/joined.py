"""Several annotated sets as one: `coco:PLACE,PLACE,…`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

from edgecnn.data.base import SPLITS
from edgecnn.data.boxes.base import BoxedFile
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset, split_of_files


def joined(parts: Sequence[DetectionDataset]) -> DetectionDataset:
    """The splits of all parts together, split by split, with the classes of all of them.

    `parts` are kept: what is held out of a set in one piece is held out of each for itself.
    """
    if len(parts) == 1:
        return parts[0]
    names = tuple(dict.fromkeys(name for part in parts for name in part.class_names))
    digest = hashlib.sha256("\0".join(part.sha256 for part in parts).encode())
    shapes = Counter(part.sample_shape for part in parts)
    return DetectionDataset(
        name="+".join(part.name for part in parts),
        task="detection",
        labels=tuple(dict.fromkeys(label for part in parts for label in part.labels)),
        splits={
            split: _together([part for part in parts if split in part.splits], split, names)
            for split in SPLITS
            if any(split in part.splits for part in parts)
        },
        sha256=digest.hexdigest(),
        sample_shape=shapes.most_common(1)[0][0],
        source="; ".join(part.source for part in parts),
        seed=parts[0].seed,
        left_out=tuple(entry for part in parts for entry in part.left_out),
        notes=tuple(f"{part.name}: {note}" for part in parts for note in part.notes),
        counts={part.name: _all_splits(part) for part in parts},
        class_names=names,
        asked=any(part.asked for part in parts),
        parts=tuple(parts),
    )


def _together(parts: Sequence[DetectionDataset], split: str, names: Sequence[str]) -> BoxSplit:
    chosen = [part.splits[split] for part in parts]
    undecided = [one.undecided for one in chosen if isinstance(one, BoxSplit) and one.undecided]
    return split_of_files(
        tuple(file for one in chosen if isinstance(one, BoxSplit) for file in one.files),
        tuple(file for part in parts for file in _renumbered(part, split, names)),
        undecided[0] if undecided else "",
    )


def _renumbered(part: DetectionDataset, split: str, names: Sequence[str]) -> Iterator[BoxedFile]:
    """The files of a part under the classes' numbers in the whole."""
    numbers = {number: names.index(name) for number, name in enumerate(part.class_names)}
    chosen = part.splits[split]
    assert isinstance(chosen, BoxSplit)
    for file in chosen.every_class:
        yield file.renumbered(numbers)


def _all_splits(part: DetectionDataset) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in part.counts.values():
        total.update(counts)
    return dict(total)

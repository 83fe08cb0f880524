"""Several annotated sets as one: `coco:PLACE,PLACE,…`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from edgecnn.data.base import SPLITS
from edgecnn.data.boxes.base import BoxedFile
from edgecnn.data.boxes.classes import merged
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset, split_of_files

_Numbered = tuple[DetectionDataset, Mapping[int, int]]
"""A part, and where each of its classes is among those of the whole."""


def joined(parts: Sequence[DetectionDataset]) -> DetectionDataset:
    """The splits of all parts together, split by split, with the classes of all of them: one that
    two parts write differently has the name that the first gives it.

    `parts` are kept: what is held out of a set in one piece is held out of each for itself.
    """
    if len(parts) == 1:
        return parts[0]
    names, numbers = merged([part.class_names for part in parts])
    numbered = list(zip(parts, numbers, strict=True))
    digest = hashlib.sha256("\0".join(part.sha256 for part in parts).encode())
    shapes = Counter(part.sample_shape for part in parts)
    return DetectionDataset(
        name="+".join(part.name for part in parts),
        task="detection",
        labels=tuple(
            dict.fromkeys(
                names[own[part.class_names.index(label)]]
                for part, own in numbered
                for label in part.labels
            )
        ),
        splits={
            split: _together([one for one in numbered if split in one[0].splits], split)
            for split in SPLITS
            if any(split in part.splits for part in parts)
        },
        sha256=digest.hexdigest(),
        sample_shape=shapes.most_common(1)[0][0],
        source="; ".join(part.source for part in parts),
        seed=parts[0].seed,
        left_out=tuple(entry for part in parts for entry in part.left_out),
        notes=tuple(f"{part.name}: {note}" for part in parts for note in part.notes),
        counts=_counts(numbered, names),
        class_names=names,
        asked=any(part.asked for part in parts),
        parts=tuple(parts),
    )


def _together(numbered: Sequence[_Numbered], split: str) -> BoxSplit:
    chosen = [part.splits[split] for part, _ in numbered]
    undecided = [one.undecided for one in chosen if isinstance(one, BoxSplit) and one.undecided]
    return split_of_files(
        tuple(file for one in chosen if isinstance(one, BoxSplit) for file in one.files),
        tuple(file for part, own in numbered for file in _renumbered(part, split, own)),
        undecided[0] if undecided else "",
    )


def _renumbered(
    part: DetectionDataset, split: str, numbers: Mapping[int, int]
) -> Iterator[BoxedFile]:
    """The files of a part under the classes' numbers in the whole."""
    chosen = part.splits[split]
    assert isinstance(chosen, BoxSplit)
    for file in chosen.every_class:
        yield file.renumbered(numbers)


def _counts(numbered: Sequence[_Numbered], names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Boxes by split and class of all parts together."""
    total: dict[str, Counter[str]] = {}
    for part, own in numbered:
        for split, of_split in part.counts.items():
            together = total.setdefault(split, Counter(dict.fromkeys(names, 0)))
            for label, count in of_split.items():
                together[names[own[part.class_names.index(label)]]] += count
    return {split: dict(total[split]) for split in (*SPLITS, *total) if split in total}

"""Splits fixed by seed: disjoint, together everything, every class in each in its share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Labels
from edgecnn.errors import InputError

Indices = npt.NDArray[np.int64]


def stratified_split(
    labels: Labels, fractions: Mapping[str, float], class_names: Sequence[str], *, seed: int
) -> dict[str, Indices]:
    """Deal out the samples of each class by `fractions`, which sum to 1.

    Every split gets at least one sample of each class, the first takes what rounding leaves.
    Indices come back in ascending order. Raises InputError for a class with fewer samples
    than there are splits.
    """
    rng = np.random.default_rng(seed)
    parts: dict[str, list[Indices]] = {name: [] for name in fractions}
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < len(fractions):
            raise InputError(
                f"class {class_names[label]!r} has {len(members)} sample(s), "
                f"expected at least {len(fractions)}: one for each of {', '.join(fractions)}"
            )
        cuts = np.cumsum(_shares(len(members), list(fractions.values())))[:-1]
        for name, part in zip(fractions, np.split(members, cuts), strict=True):
            parts[name].append(part)
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def _shares(count: int, fractions: Sequence[float]) -> list[int]:
    """Whole numbers that sum to `count` (at least one a fraction), the first takes the rest."""
    others: list[int] = []
    for position, fraction in enumerate(fractions[1:], start=1):
        still_needed = len(fractions) - position  # one for each split after this, and the first
        available = count - sum(others) - still_needed
        others.append(min(max(1, round(fraction * count)), available))
    return [count - sum(others), *others]

"""Splits fixed by seed: disjoint, together everything, every class in each in its share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Labels
from edgecnn.errors import InputError

Indices = npt.NDArray[np.int64]
FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Shares of a data set that comes in one piece."""


def missing_splits(
    labels: Labels,
    present: Collection[str],
    class_names: Sequence[str],
    *,
    seed: int,
    fractions: Mapping[str, float] = FRACTIONS,
    groups: Sequence[Any] | None = None,
) -> dict[str, Indices]:
    """Carve the splits that are not `present` from the training samples with these `labels`.

    What is named in `groups`, one name a sample, stays together: see `grouped_split`.
    """
    carved = {name: share for name, share in fractions.items() if name not in present}
    # The share of splits that are there stays with training.
    shares = {"train": 1 - sum(share for name, share in carved.items() if name != "train")}
    shares |= {name: share for name, share in carved.items() if name != "train"}
    if groups is not None:
        return grouped_split(labels, groups, shares, class_names, seed=seed)
    return stratified_split(labels, shares, class_names, seed=seed)


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


def grouped_split(
    labels: Labels,
    groups: Sequence[Any],
    fractions: Mapping[str, float],
    class_names: Sequence[str],
    *,
    seed: int,
) -> dict[str, Indices]:
    """Deal out whole groups of each class (frames of one scene, say), so that no sample has a
    twin in another split. Shares are met as nearly as the groups' sizes allow.

    Raises InputError for a class with fewer groups than there are splits.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(groups)
    parts: dict[str, list[Indices]] = {name: [] for name in fractions}
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        of_member = names[members]
        order = rng.permutation(np.unique(of_member)).tolist()
        if len(order) < len(fractions):
            raise InputError(
                f"class {class_names[label]!r} has {len(order)} group(s) of samples that belong "
                f"together, expected at least {len(fractions)}: one for each of "
                f"{', '.join(fractions)}"
            )
        sizes = {group: int((of_member == group).sum()) for group in order}
        first, *others = fractions
        for position, name in enumerate(others, start=1):
            spare = len(order) - (len(fractions) - position)  # what later splits and the first need
            chosen = _fill(order, sizes, round(fractions[name] * len(members)), spare)
            parts[name].append(members[np.isin(of_member, chosen)])
            order = [group for group in order if group not in chosen]
        parts[first].append(members[np.isin(of_member, order)])
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def whole_groups_split(
    groups: Sequence[str], fractions: Mapping[str, float], *, seed: int
) -> dict[str, Indices]:
    """Deal out groups that span the classes (speakers): each is in one split with all it has.

    Raises InputError for fewer groups than splits.
    """
    names = np.asarray(groups)
    order = np.random.default_rng(seed).permutation(np.unique(names))
    if len(order) < len(fractions):
        raise InputError(
            f"{len(order)} speaker(s) for {len(fractions)} splits: {', '.join(order.tolist())}",
            hint="with fewer speakers than splits only a random split is possible",
        )
    cuts = np.cumsum(_shares(len(order), list(fractions.values())))[:-1]
    return {
        name: np.flatnonzero(np.isin(names, part))
        for name, part in zip(fractions, np.split(order, cuts), strict=True)
    }


def _fill(order: list[Any], sizes: Mapping[Any, int], wanted: int, spare: int) -> list[Any]:
    """Groups in their order as long as they fit into `wanted`; at least one, at most `spare`."""
    chosen: list[Any] = []
    have = 0
    for group in order:
        if len(chosen) < spare and have + sizes[group] <= wanted:
            chosen.append(group)
            have += sizes[group]
    return chosen or [min(order, key=lambda group: sizes[group])]


def _shares(count: int, fractions: Sequence[float]) -> list[int]:
    """Whole numbers that sum to `count` (at least one a fraction), the first takes the rest."""
    others: list[int] = []
    for position, fraction in enumerate(fractions[1:], start=1):
        still_needed = len(fractions) - position  # one for each split after this, and the first
        available = count - sum(others) - still_needed
        others.append(min(max(1, round(fraction * count)), available))
    return [count - sum(others), *others]

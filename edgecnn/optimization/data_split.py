"""Three parts of a data set that have no sample in common: one calibrates, one guides the search,
and the claim is made on the last, which nothing before it has seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.calibration import DEFAULT_SAMPLES, calibrating_samples
from edgecnn.data.base import Dataset, Split
from edgecnn.data.splitting.calibration_holdout import hold_out_calibration, subset
from edgecnn.data.splitting.training_overlap import (
    Digests,
    digests_of,
    overlap_mask,
    training_overlap,
)
from edgecnn.errors import InputError
from edgecnn.manifest import Manifest

MOST_SEARCHED = 1_000
"""Samples that guide the search at most; each configuration asked runs all of them."""
SEARCH_SHARE = 0.25
"""Of the test split, where there is no validation split to search on."""
FEWEST = 16
"""Samples below which a part says nothing."""

Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DataParts:
    """`search` holds the calibration samples as "train" and those of the search as "test";
    `claim` has a test split alone.
    """

    search: Dataset
    claim: Dataset
    from_test: bool
    """Whether the search took its samples from the test split, as where there is no validation
    split, or where it is the test split.
    """
    twins: int = 0
    """Samples left out of the claim, since an equal one calibrates or guides the search."""
    trained_on: int = 0
    """Samples left out of both, since the model was trained on them."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of the samples of "search" and of "claim"."""

    def record(self) -> dict[str, Any]:
        return {
            "calibration": len(self.search["train"]),
            "search": len(self.search["test"]),
            "claim": len(self.claim["test"]),
            "search_from": "test" if self.from_test else "validation",
            "twins_left_out": self.twins,
            "trained_on_left_out": self.trained_on,
        }


def divide(
    dataset: Dataset, trained: Manifest, *, seed: int = 0, samples: int = DEFAULT_SAMPLES
) -> DataParts:
    """Divide a data set. What the model, whose manifest is `trained`, is known to have been
    trained on is neither searched nor claimed on. `samples` calibrate, drawn with `seed`.

    Raises InputError where a part would be left with hardly any samples, and where training saw all
    samples of a split or some that are not known one by one.
    """
    whole = hold_out_calibration(dataset)
    test = whole["test"]
    fresh, left = _unseen(trained, whole, "test")
    validation = whole.splits.get("validation")
    searched: Split
    if (
        validation is not None
        and len(validation) >= FEWEST
        and "test" in whole.splits
        and not _same(validation, test)
    ):
        free, more = _unseen(trained, whole, "validation")
        searched = subset(validation, _drawn(np.flatnonzero(free), MOST_SEARCHED, seed))
        claimed = np.flatnonzero(fresh)
        from_test, left = False, left + more
    else:
        usable = np.random.default_rng(seed).permutation(np.flatnonzero(fresh))
        count = min(MOST_SEARCHED, int(SEARCH_SHARE * len(usable)))
        searched = subset(test, np.sort(usable[:count]))
        claimed = np.sort(usable[count:])
        from_test = True
    calibrating = whole.splits.get("train") or searched
    search = replace(whole, splits={"train": calibrating, "test": searched}, is_part=True)
    of_search = digests_of(searched)
    taken = np.concatenate([of_search, digests_of(_some(calibrating))])
    if calibrating:
        drawn = calibrating_samples(search, count=samples, seed=seed, trained=trained)
        taken = np.concatenate([taken, digests_of(drawn)])
    claim = subset(test, claimed)
    of_claim = digests_of(claim)
    twin = np.isin(of_claim, taken)
    if twin.any():
        claim = subset(claim, np.flatnonzero(~twin))
    for name, part in (("search", searched), ("claim", claim)):
        if len(part) < FEWEST:
            raise InputError(
                f"{dataset.name}: {len(part)} samples are left for the {name}, expected at least "
                f"{FEWEST}",
                hint="give more labeled samples that the model was not trained on",
            )
    return DataParts(
        search,
        replace(whole, splits={"test": claim}, is_part=True),
        from_test,
        int(twin.sum()),
        left,
        {"search": _together(of_search), "claim": _together(of_claim[~twin])},
    )


def _same(one: Split, other: Split) -> bool:
    """Whether two splits are one, as validation and test are where a set came without a test."""
    if one is other:
        return True
    return len(one) == len(other) and np.array_equal(digests_of(one), digests_of(other))


def _unseen(trained: Manifest, dataset: Dataset, split: str) -> tuple[Chosen, int]:
    """(which samples of a split training did not see, how many it did).

    Raises InputError where training saw all of them, or some that cannot be identified:
    of many training samples only some digests are kept.
    """
    count = training_overlap(trained, dataset, split)
    if count is not None and count.count and (not count.exact or count.count == count.of):
        raise InputError(f"{dataset.name}: {count.sentence}")
    seen = overlap_mask(trained, dataset, split)
    if seen is None or seen.all():
        return np.ones(len(dataset[split]), np.bool_), 0
    return ~seen, int(seen.sum())


def _drawn(places: npt.NDArray[np.int64], most: int, seed: int) -> npt.NDArray[np.int64]:
    if len(places) <= most:
        return places
    return np.sort(np.random.default_rng(seed).choice(places, most, replace=False))


def _together(digests: Digests) -> str:
    return hashlib.sha256(digests.tobytes()).hexdigest()


def _some(split: Split) -> Split:
    """At most 4,096 samples, besides those that calibrate: looking for twins must not take longer
    than the search.
    """
    return subset(split, _drawn(np.arange(len(split)), 4_096, 0))

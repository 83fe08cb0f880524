"""Detect overlap between a network's training samples and the samples it is measured on.

A split belongs to the network that was trained on it. The manifest holds the split's seed and
the digest of the data; short digests of the training samples show how many of the test samples
training has seen, in other data, and in the same data where one sample is in two splits.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Split
from edgecnn.data.content import sample_digest
from edgecnn.manifest import Manifest

KEY = "trained_on"
"""Of a manifest's `data`: what `training_record` makes."""
DIGEST_BYTES = 5
"""Two of a million samples have equal digests by chance; a test sample one of 16,384 with a
probability of 1.5e-8.
"""
FEW_COPIES = 0.1
"""Of a split's samples: so many real data sets have again in their training split."""
MOST_KEPT = 16_384
"""Digests in a manifest, 110 kB of text. Of more samples those with certain digests are kept."""

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class TrainingOverlap:
    """So many of the samples were trained on; estimated where not all digests are kept."""

    count: int
    of: int
    exact: bool = True

    @property
    def sentence(self) -> str:
        """For a verdict."""
        about = "" if self.exact else "about "
        return (
            f"{about}{self.count} of {self.of} samples were in the training data; "
            "use a test set without overlap"
        )


def split_seed(manifests: Iterable[Manifest]) -> int:
    """The seed of the split that the first of these models with a split was trained on, else 0."""
    for manifest in manifests:
        seed = manifest.data.get("seed")
        if isinstance(seed, int) and manifest.data.get("sha256"):
            return seed
    return 0


def digests_of(split: Split) -> Digests:
    """Short digests (n,) of the samples, in their order."""
    parts = [
        sample_digest(_comparable(split.samples[index]))[:DIGEST_BYTES]
        for index in range(len(split))
    ]
    return np.asarray([int.from_bytes(part, "big") for part in parts], np.uint64)


def training_record(
    dataset: Dataset,
    more: Dataset | None = None,
    *,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a manifest keeps under `KEY` of the training samples, of all samples of `more` that
    training saw besides, and of those that the weights it started from had seen: `before` is the
    data of their manifest. Reads each sample of `dataset` and `more` once.

    Empty where nobody knows what the starting weights had seen: then it cannot be known of the
    trained ones either.
    """
    earlier = None if before is None else _known(before)
    if before is not None and earlier is None:
        return {}
    splits = [dataset["train"], *(more.splits.values() if more is not None else ())]
    seen = [digests_of(split) for split in splits]
    samples, one_in = sum(map(len, seen)), 1
    if before is not None and earlier is not None:
        digests, one_in = earlier
        seen.append(digests)
        samples += _as_count(before[KEY].get("samples"))
    everything = np.unique(np.concatenate(seen))
    while len(kept := everything[everything % np.uint64(one_in) == 0]) > MOST_KEPT:
        one_in *= 2
    content = b"".join(int(digest).to_bytes(DIGEST_BYTES, "big") for digest in kept)
    return {
        "samples": samples,
        "one_in": one_in,
        "digests": base64.b64encode(content).decode(),
    }


def training_overlap(
    manifest: Manifest, dataset: Dataset, split: str = "test"
) -> TrainingOverlap | None:
    """How many samples of a split the model was trained on.

    None where that cannot be known: a model that edgecnn did not train, or an old manifest. The
    data that the model was trained on are looked at as any other, since their own splits may
    overlap; a few copies there (`FEW_COPIES`) are those of the data set, which everybody measures
    with, and do not count: `edgecnn data inspect` names them.
    """
    training = _known(manifest.data)
    if training is None or not manifest.data.get("sha256"):
        return None
    tested = dataset[split]
    trained, one_in = training
    digests = digests_of(tested)
    comparable = digests % np.uint64(one_in) == 0
    count = int(np.isin(digests[comparable], trained).sum())
    share = count / max(1, int(comparable.sum()))
    if share <= FEW_COPIES and split != "train" and _split_as_then(manifest, dataset):
        return TrainingOverlap(0, len(tested))
    if one_in == 1:
        return TrainingOverlap(count, len(tested))
    return TrainingOverlap(round(share * len(tested)), len(tested), exact=False)


def overlap_mask(manifest: Manifest, dataset: Dataset, split: str) -> npt.NDArray[np.bool_] | None:
    """(n,): which samples of a split are known to have been trained on. None as above, and for
    the very split that was trained on: of large ones only some digests are kept.
    """
    training = _known(manifest.data)
    if training is None or not manifest.data.get("sha256"):
        return None
    if split == "train" and _split_as_then(manifest, dataset):
        return None
    seen: npt.NDArray[np.bool_] = np.isin(digests_of(dataset[split]), training[0])
    return seen


def _split_as_then(manifest: Manifest, dataset: Dataset) -> bool:
    """Whether these are the data of the training, and their splits those of then."""
    if manifest.data.get("sha256") != dataset.sha256:
        return False
    samples = manifest.data.get("samples")
    if not isinstance(samples, Mapping) or "train" not in samples:
        return True
    return all(samples.get(name) == len(split) for name, split in dataset.splits.items())


def without_sample_digests(manifest: Manifest) -> Manifest:
    """A manifest for inside of a model file, where each byte counts: they stay next to it."""
    kept_out = (KEY, "summary", "left_out", "notes")
    data = {name: value for name, value in manifest.data.items() if name not in kept_out}
    return replace(manifest, data=data)


def _known(data: Mapping[str, Any]) -> tuple[Digests, int] | None:
    """(sorted digests, of how many one is kept); None where there are none, or damaged ones."""
    record = data.get(KEY)
    if not isinstance(record, Mapping):
        return None
    try:
        content = base64.b64decode(str(record["digests"]), validate=True)
        one_in = int(record["one_in"])
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    if one_in < 1 or len(content) % DIGEST_BYTES:
        return None
    parts = np.frombuffer(content, np.uint8).reshape(-1, DIGEST_BYTES).astype(np.uint64)
    weights = np.uint64(256) ** np.arange(DIGEST_BYTES - 1, -1, -1, dtype=np.uint64)
    return (parts * weights).sum(axis=1, dtype=np.uint64), one_in


def _as_count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _comparable(sample: Any) -> Any:
    """A sample as an array, a text or arrays by name: what a source gives must not change its
    digest.
    """
    return sample if isinstance(sample, str | Mapping) else np.asarray(sample)

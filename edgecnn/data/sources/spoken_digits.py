"""Free Spoken Digit Dataset: recordings of "zero" to "nine", 8 kHz, six speakers (Jackson 2018).

Either one .npz of all recordings end to end (`samples` int16 with `offsets`, `labels`,
`speaker`, `is_test`; 8000 Hz unless `sample_rate` says otherwise), or the project's own
recordings, `digit_speaker_take.wav` (or .flac, .ogg, with `edgecnn[audio]`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.assemble import as_labels, assemble, take
from edgecnn.data.base import Dataset, Labels, Split
from edgecnn.data.files.npz import need, read_npz, texts
from edgecnn.data.files.places import only_file, required_place
from edgecnn.data.files.recordings import is_recording
from edgecnn.data.files.wav import check_rate
from edgecnn.data.sources import wav
from edgecnn.data.splits import FRACTIONS, Indices, whole_groups_split
from edgecnn.errors import InputError

LABELS = tuple("0123456789")
SPLITS_BY = ("speakers", "takes")
RATE = 8000
SOURCE = "Free Spoken Digit Dataset (Zohar Jackson and others, CC BY-SA 4.0)"
_EXPECTED = "fsdd.npz, or a folder of digit_speaker_take.wav"


def load(*, data_dir: Path | None = None, seed: int = 0, split: str = "speakers") -> Dataset:
    """Recordings as they were made, int16 (samples,) from the .npz and float32 from files.

    `split="speakers"` holds out one speaker for the test and another for validation (of six;
    `seed` chooses whom): what is measured is how it hears people it never heard. "takes" is the
    project's own split: takes 0 to 4 are the test, so that every voice is known from training.

    Raises InputError when the files are missing, damaged or do not fit together.
    """
    if split not in SPLITS_BY:
        raise InputError(
            f"split is {' or '.join(SPLITS_BY)}, received: {split!r}",
            hint="as in spoken-digits:fsdd.npz?split=takes",
        )
    place = required_place(data_dir, "spoken-digits", _EXPECTED)
    if place.is_dir() and any(map(is_recording, place.iterdir())):
        return wav.load(data_dir=place, seed=seed, split=split)
    path = only_file(place, ".npz", _EXPECTED)
    recordings = read(path)
    is_test = recordings.is_test
    parts: dict[str, Indices] = {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    if split == "speakers":
        parts = whole_groups_split(recordings.speakers.tolist(), FRACTIONS, seed=seed)
    return recordings.split(parts, seed=seed)


@dataclass(frozen=True)
class Recordings:
    """All that the .npz holds: recordings as views, and one value each for every recording."""

    samples: Sequence[Any]
    labels: Labels
    speakers: npt.NDArray[np.str_]
    is_test: npt.NDArray[np.bool_]
    rate: int

    def split(self, parts: Mapping[str, Indices], *, seed: int = 0) -> Dataset:
        """The data set whose splits are these recordings; a split not given is carved."""
        return assemble(
            "spoken-digits",
            {
                name: Split(take(self.samples, chosen), self.labels[chosen])
                for name, chosen in parts.items()
            },
            LABELS,
            modality="signal",
            sample_shape=wav.usual_shape([len(sample) for sample in self.samples], self.rate),
            source=SOURCE,
            seed=seed,
            hints={"kind": "spectrogram", "rate": self.rate},
        )


def read(path: Path) -> Recordings:
    """Raises InputError when the arrays are missing, damaged or do not fit together."""
    arrays = read_npz(path)
    names = ("samples", "offsets", "labels", "speaker", "is_test")
    values, offsets, labels, speakers, is_test = need(arrays, *names, path=path)
    rate = np.asarray(arrays.get("sample_rate", RATE))
    if offsets.dtype.kind not in "iu" or rate.dtype.kind not in "iu" or rate.size != 1:
        raise InputError(f"{path}: expected offsets and sample_rate of whole numbers")
    if any(array.ndim != 1 for array in (offsets, labels, speakers, is_test)):
        raise InputError(f"{path}: expected offsets, labels, speakers and is_test of rank 1")
    if speakers.dtype.kind in "SU":
        speakers = np.asarray(texts(speakers, f"{path}, speaker"))
    offsets = offsets.astype(np.int64)
    count = len(labels)
    if (
        values.dtype != np.int16
        or values.ndim != 1
        or offsets.shape != (count + 1,)
        or (np.diff(offsets) <= 0).any()
        or offsets[0] != 0
        or offsets[-1] != len(values)
        or not len(speakers) == len(is_test) == count
    ):
        raise InputError(
            f"{path}: expected int16 samples end to end, offsets (n + 1) that rise from 0 to their "
            f"number, and n labels, speakers and is_test; received: samples {values.dtype} "
            f"{values.shape}, offsets {offsets.shape}, labels {labels.shape}"
        )
    return Recordings(
        tuple(values[start:stop] for start, stop in pairwise(offsets)),
        as_labels(labels, str(path)),
        speakers,
        is_test.astype(bool),
        check_rate(int(rate.reshape(())), str(path)),
    )

"""A test split as a file of tensors, whatever its kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.inputs.samples import write_samples
from edgecnn.benchmarking.loop.encoded_samples import write_raw
from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.preprocessing import (
    Preprocessing,
    SignalPreprocessing,
    TextPreprocessing,
    VolumePreprocessing,
    preprocessing_from_dict,
)

TEXTS = Split(("a good film", "so bad", "") * 100, np.zeros(300, np.int64))
SIGNALS = Split(tuple(np.arange(n, dtype=np.int16) for n in range(1, 41)), np.zeros(40, np.int64))
VOLUMES = Split(np.ones((5, 6, 6, 6), np.uint8), np.zeros(5, np.int64))
KINDS = [
    (TEXTS, TextPreprocessing(4, ("film", "good")), np.int32),
    (SIGNALS, SignalPreprocessing(16), np.float32),
    (VOLUMES, VolumePreprocessing(8, 8, 8), np.float32),
]


@pytest.mark.parametrize(("split", "preprocessing", "dtype"), KINDS)
def test_the_file_holds_every_tensor_in_its_type(
    split: Split, preprocessing: Preprocessing, dtype: type, tmp_path: Path
):
    count = write_samples(split, preprocessing, tmp_path / "x.npy")
    written = np.load(tmp_path / "x.npy")

    assert count == len(split)
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, preprocessing.batch(split.samples))


@pytest.mark.parametrize(("split", "preprocessing", "dtype"), KINDS)
def test_raw_samples_give_a_worker_the_same_tensors(
    split: Split, preprocessing: Preprocessing, dtype: type, tmp_path: Path
):
    raw = write_raw(split, preprocessing, tmp_path)
    again = preprocessing_from_dict(raw.preprocessing)

    tensors = again.batch(raw.load())
    assert tensors.dtype == dtype
    np.testing.assert_array_equal(tensors[0], preprocessing(split.samples[0]))


def test_an_empty_split_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="empty"):
        write_samples(Split((), np.zeros(0, np.int64)), KINDS[0][1], tmp_path / "x.npy")

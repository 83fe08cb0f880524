"""Samples before preprocessing, left on the disk for a worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgecnn.benchmarking.loop import encoded_samples
from edgecnn.benchmarking.loop.encoded_samples import EncodedSamples, write_raw
from edgecnn.data.base import Split
from edgecnn.data.files.images import ImageFiles
from edgecnn.preprocessing import ImagePreprocessing

PREPROCESSING = ImagePreprocessing(8, 8, 3)


def split(count: int) -> Split:
    images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    return Split(images, np.zeros(count, np.int64))


def test_sixty_four_samples_are_spread_over_the_split(tmp_path: Path):
    written = write_raw(split(200), PREPROCESSING, tmp_path)
    values = [int(sample[0, 0]) for sample in written.load()]
    assert len(values) == 64
    assert values == sorted(set(values))
    assert (values[0], values[-1]) == (0, 199)
    assert written.files == ()


def test_a_small_split_is_written_whole(tmp_path: Path):
    assert len(write_raw(split(5), PREPROCESSING, tmp_path).arrays) == 5


def test_large_samples_are_cut_short_by_the_budget(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(encoded_samples, "BUDGET_BYTES", 40)
    assert len(write_raw(split(64), PREPROCESSING, tmp_path).arrays) == 2  # 16 bytes each


def test_files_stand_beside_the_samples_that_were_decoded_from_them(tmp_path: Path):
    paths = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((4, 6, 3), 50 * number, np.uint8)).save(path)
        paths.append(path)
    images = Split(ImageFiles(tuple(paths), 3), np.zeros(3, np.int64))
    written = write_raw(images, PREPROCESSING, tmp_path / "raw")
    assert [Path(file).name for file in written.files] == ["0.png", "1.png", "2.png"]
    assert [int(sample[0, 0, 0]) for sample in written.load()] == [0, 50, 100]


def test_it_survives_json(tmp_path: Path):
    written = write_raw(split(3), PREPROCESSING, tmp_path)
    values = {
        "arrays": list(written.arrays),
        "files": [],
        "preprocessing": dict(written.preprocessing),
    }
    assert EncodedSamples.from_dict(values) == written

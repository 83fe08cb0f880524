"""Voxel grids from an .npz or from binvox files."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data import DataWarning, load
from edgecnn.data.files.binvox import UnreadableGridError, read_binvox
from edgecnn.errors import InputError
from tests.unit.data.small_sources import write_voxels


def binvox(grid):
    """A grid (x, y, z) of zeros and ones as binvox writes it, one run a change or 255 voxels."""
    flat = grid.transpose(0, 2, 1).ravel()
    runs = bytearray()
    for value in flat:
        if runs and runs[-2] == value and runs[-1] < 255:
            runs[-1] += 1
        else:
            runs += bytes((value, 1))
    sides = " ".join(map(str, grid.shape))
    header = f"#binvox 1\ndim {sides}\ntranslate 0.5 -1 2e-3\nscale 41.1\ndata\n"
    return header.encode() + bytes(runs)


def grid(seed=0, shape=(6, 6, 6)):
    return np.random.default_rng(seed).integers(0, 2, shape, np.uint8)


def write_folders(folder, *, each=10, test=3):
    for number, name in enumerate(("bed", "sofa")):
        for part, count in (("train", each), ("test", test)):
            (folder / name / part).mkdir(parents=True)
            for index in range(count):
                content = binvox(grid(1000 * number + 100 * len(part) + index))
                (folder / name / part / f"{index:03d}.binvox").write_bytes(content)


def test_a_grid_comes_back_as_it_was(tmp_path):
    original = grid(shape=(3, 4, 5))
    (tmp_path / "x.binvox").write_bytes(binvox(original))

    np.testing.assert_array_equal(read_binvox(tmp_path / "x.binvox"), original)


def test_long_runs_are_read(tmp_path):
    (tmp_path / "x.binvox").write_bytes(binvox(np.ones((12, 12, 12), np.uint8)))

    assert read_binvox(tmp_path / "x.binvox").sum() == 12**3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a binvox file"),
        (b"OFF\n8 6 0\n", "not a binvox file: it begins with b'OFF"),
        (b"#binvox 1\ndim 2 2 2\n", "no 'data'"),
        (b"#binvox 1\ndata\n\0\x08", "three sides"),
        (b"#binvox 1\ndim 9999 9999 9999\ndata\n\0\x08", "sides up to 512"),
        (b"#binvox 1\ndim 2 2 2\ndata\n\0\x07", "its runs give 7 voxels, expected 8"),
        (b"#binvox 1\ndim 2 2 2\ndata\n\0\x08\0", "its runs"),
        (b"#binvox 1\ndim 2 2 2\ndata\n\x05\x08", "its runs"),
    ],
)
def test_what_is_no_binvox_says_why(tmp_path, content, message):
    (tmp_path / "x.binvox").write_bytes(content)

    with pytest.raises(UnreadableGridError, match=message):
        read_binvox(tmp_path / "x.binvox")


def test_folders_of_modelnet_are_read(tmp_path):
    write_folders(tmp_path)
    dataset = load(f"voxels:{tmp_path}")

    assert dataset.labels == ("bed", "sofa")
    assert dataset.sample_shape == (6, 6, 6)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 18,
        "validation": 2,
        "test": 6,
    }
    assert dataset["train"].samples[0].shape == (6, 6, 6)


def test_broken_grids_are_left_out_and_counted(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "bed" / "train" / "003.binvox").write_bytes(b"#binvox 1\ncut")

    with pytest.warns(DataWarning, match=r"1 file left out: .*003\.binvox: its header"):
        dataset = load(f"voxels:{tmp_path}")
    assert dataset.record()["skipped"] == 1


def test_a_class_without_readable_grids_is_named(tmp_path):
    write_folders(tmp_path)
    for path in (tmp_path / "bed" / "train").iterdir():
        path.write_bytes(b"")

    with pytest.raises(InputError, match="no training sample of class 'bed'"):
        load(f"voxels:{tmp_path}")


def test_other_arrays_are_sent_to_their_source(tmp_path):
    write_voxels(tmp_path)
    path = tmp_path / "data.npz"
    with np.load(path) as arrays:
        np.savez(path, **(dict(arrays) | {"X_test": np.zeros((3, 6, 6))}))

    with pytest.raises(InputError, match="expected X_test of uint8") as caught:
        load(f"voxels:{path}")
    assert "arrays:" in caught.value.hint

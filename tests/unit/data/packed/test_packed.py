"""Packing: the same data set comes back, damage is found, and nothing half-done stays."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest

import edgecnn.data
from edgecnn.cli import invoke
from edgecnn.data.base import Dataset, Split
from edgecnn.data.packed.check import damages
from edgecnn.data.packed.index import read_index
from edgecnn.data.packed.writing import pack
from edgecnn.data.sources.packed import OPEN_SHARDS
from edgecnn.errors import InputError
from tests.unit.data.small_sources import WRITERS

KINDS = ("digits", "text", "spoken-digits", "voxels", "folder", "gtsrb", "wav")


def dataset(samples, *, modality="image", task="classification"):
    """A data set of two classes whose only split is "train"."""
    labels = np.arange(len(samples), dtype=np.int64) % 2
    return Dataset(
        "small",
        task,
        ("no", "yes"),
        {"train": Split(samples, labels)},
        "0" * 64,
        (4, 4, 1),
        modality=modality,
    )


def noise(count, shape=(8, 8, 1)):
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 256, shape, np.uint8) for _ in range(count))


def load(folder):
    return edgecnn.data.load(f"packed:{folder}")


@pytest.fixture
def packed(tmp_path):
    """Ten images in shards of two."""
    out = tmp_path / "packed"
    pack(dataset(noise(10)), out, shard_bytes=350)
    return out


@pytest.mark.parametrize("name", KINDS)
def test_a_packed_data_set_is_the_one_it_was_made_of(name, tmp_path):
    (tmp_path / "files").mkdir()
    WRITERS[name](tmp_path / "files")
    original = edgecnn.data.load(name, data_dir=tmp_path / "files", seed=3)
    pack(original, tmp_path / "packed", shard_bytes=30_000)
    again = load(tmp_path / "packed")

    assert again.record() == original.record()
    for field in fields(Dataset):
        if field.name != "splits":
            assert getattr(again, field.name) == getattr(original, field.name)
    assert list(again.splits) == list(original.splits)
    for split, mine in original.splits.items():
        np.testing.assert_array_equal(again[split].labels, mine.labels)
        for received, expected in zip(again[split].samples, mine.samples, strict=True):
            assert type(received) is type(expected)
            assert np.asarray(received).dtype == np.asarray(expected).dtype
            np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize(
    "samples",
    [
        ("a film", "", "Überlänge 長い\n"),
        (np.float32([1.5, -2]), np.arange(6, dtype=">i2").reshape(3, 2), np.float64(3)),
        (np.zeros((0, 3), np.uint8), np.ones((2, 3, 1), np.bool_), np.eye(3, dtype=np.float16)),
        tuple(np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::2].T for _ in range(3)),
    ],
    ids=["texts", "floats and byte orders", "empty and small", "strided"],
)
def test_samples_of_differing_shapes_and_types_come_back(samples, tmp_path):
    modality = "text" if isinstance(samples[0], str) else "image"
    pack(dataset(samples, modality=modality), tmp_path / "packed")
    again = load(tmp_path / "packed")["train"].samples
    for received, expected in zip(again, samples, strict=True):
        assert np.shape(received) == np.shape(expected)
        assert np.asarray(received).dtype == np.asarray(expected).dtype
        assert np.array_equal(received, expected)


def test_objects_cannot_be_packed(tmp_path):
    with pytest.raises(InputError, match="samples of object cannot be packed"):
        pack(dataset((np.array([None]),)), tmp_path / "packed")
    assert not any(tmp_path.iterdir())


def test_another_task_is_refused(tmp_path):
    with pytest.raises(InputError, match="detection"):
        pack(dataset(noise(2), task="detection"), tmp_path / "packed")


def test_samples_are_indexed_as_any_sequence(packed):
    samples = load(packed)["train"].samples
    expected = noise(10)
    assert len(samples) == 10
    np.testing.assert_array_equal(samples[-1], expected[9])
    np.testing.assert_array_equal(samples[np.int64(3)], expected[3])
    assert [list(s.flat) for s in samples[2:8:3]] == [list(expected[i].flat) for i in (2, 5)]
    with pytest.raises(IndexError):
        samples[10]


def test_image_files_are_kept_as_they_are(tmp_path):
    (tmp_path / "files").mkdir()
    WRITERS["folder"](tmp_path / "files")
    original = edgecnn.data.load("folder", data_dir=tmp_path / "files")
    pack(original, tmp_path / "packed")
    content = (tmp_path / "packed" / "train-00000.tfrecord").read_bytes()
    assert all(path.read_bytes() in content for path in original["train"].samples.paths)


def test_more_shards_than_may_be_open(tmp_path):
    samples = noise(OPEN_SHARDS + 6)
    pack(dataset(samples), tmp_path / "packed", shard_bytes=1)
    again = load(tmp_path / "packed")["train"].samples
    assert len(read_index(tmp_path / "packed").shards) == len(samples)
    for index in (*range(len(samples)), 0):
        np.testing.assert_array_equal(again[index], samples[index])


class Generated(Sequence):
    """Samples of 64 kB, made when they are asked for."""

    def __len__(self):
        return 320

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError
        return np.full((256, 256, 1), index % 251, np.uint8)


def test_memory_does_not_grow_with_the_data(tmp_path):
    tracemalloc.start()
    pack(dataset(Generated()), tmp_path / "packed", shard_bytes=5_000_000)
    again = load(tmp_path / "packed")["train"].samples
    assert all(int(sample[0, 0, 0]) == index % 251 for index, sample in enumerate(again))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    written = sum(shard.bytes for shard in read_index(tmp_path / "packed").shards)
    assert written > 20_000_000
    assert peak < 2_500_000


def test_tensorflow_reads_the_shards(tmp_path):
    tf = pytest.importorskip("tensorflow", reason="reads with TensorFlow's own reader")
    original = edgecnn.data.load("digits")
    pack(original, tmp_path / "packed", shard_bytes=20_000)
    described = {
        "sample": tf.io.FixedLenFeature([], tf.string),
        "shape": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        "dtype": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    files = sorted(str(path) for path in (tmp_path / "packed").glob("test-*.tfrecord"))
    assert len(files) > 1
    records = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    parsed = tf.io.parse_example(records, described)
    np.testing.assert_array_equal(parsed["label"], original["test"].labels)
    assert set(parsed["dtype"].numpy()) == {b"|u1"}
    images = tf.reshape(tf.io.decode_raw(parsed["sample"], tf.uint8), (-1, 8, 8))
    assert set(map(tuple, parsed["shape"].numpy())) == {(8, 8)}
    np.testing.assert_array_equal(images, original["test"].samples)


def flip_a_byte(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def test_a_flipped_byte_is_found_when_its_record_is_read(packed, capsys):
    flip_a_byte(packed / "train-00001.tfrecord", -20)
    samples = load(packed)["train"].samples
    np.testing.assert_array_equal(samples[2], noise(10)[2])
    with pytest.raises(InputError, match=r"train-00001.tfrecord, record 1: its checksum is wrong"):
        samples[3]
    assert invoke(["data", "check", str(packed)]) == 1
    assert "train-00001.tfrecord: the sha256 is another; damaged records: 1" in (
        capsys.readouterr().out
    )


def test_a_shard_cut_short_or_missing_is_named_at_once(packed):
    last = packed / "train-00004.tfrecord"
    os.truncate(last, 100)
    with pytest.raises(InputError, match=r"train-00004.tfrecord: expected \d+ bytes, received: 10"):
        load(packed)
    last.unlink()
    with pytest.raises(InputError, match=r"train-00004.tfrecord is missing"):
        load(packed)
    (found,) = damages(packed)
    assert "train-00004.tfrecord is missing" in found


def test_a_whole_set_passes_the_check(packed, capsys):
    assert invoke(["data", "check", str(packed)]) == 0
    assert "intact" in capsys.readouterr().out


def test_changed_labels_are_found(packed):
    flip_a_byte(packed / "records.npy", -8)
    with pytest.raises(InputError, match=r"records.npy is not the one that index.json names"):
        load(packed)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema_version": 99}, "schema 99"),
        ({"labels": None, "shards": [{"file": "x"}]}, "labels: expected a list"),
        ({"splits": {"train": 11}}, "not an index of packed data"),
        ({"extra": 1}, "not an index of packed data"),
    ],
)
def test_an_index_that_cannot_be_meant_is_refused(change, says, packed):
    path = packed / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=says):
        load(packed)


def test_an_index_reads_no_file_outside_its_folder(packed):
    path = packed / "index.json"
    path.write_text(path.read_text().replace("train-00000", "../train-00000"))
    with pytest.raises(InputError, match="lies outside the folder"):
        load(packed)


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match=r"there is no index.json") as caught:
        load(tmp_path)
    assert "edgecnn data pack" in caught.value.hint


def test_what_is_there_is_replaced_only_by_force(packed):
    with pytest.raises(InputError, match="exists already"):
        pack(dataset(noise(4)), packed)
    assert len(load(packed)["train"]) == 10
    pack(dataset(noise(4)), packed, force=True)
    assert len(load(packed)["train"]) == 4
    assert [path.name for path in packed.parent.iterdir()] == ["packed"]


def test_force_replaces_nothing_but_packed_data(packed, tmp_path):
    (packed / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"it holds thesis.txt"):
        pack(dataset(noise(4)), packed, force=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is not a packed data set"):
        pack(dataset(noise(4)), tmp_path / "file", force=True)
    assert (packed / "thesis.txt").read_text() == "years of work"


def test_a_full_disk_leaves_no_remains_and_the_old_set_as_it_was(packed):
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*packed: File too large"):
            pack(dataset(Generated()), packed, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(load(packed)["train"]) == 10
    assert [path.name for path in packed.parent.iterdir()] == ["packed"]


def test_a_source_that_fails_leaves_no_remains(tmp_path):
    class Failing(Generated):
        def __getitem__(self, index):
            raise InputError("the file changed after the data was loaded")

    with pytest.raises(InputError, match="the file changed"):
        pack(dataset(Failing()), tmp_path / "deep" / "packed")
    assert not any((tmp_path / "deep").iterdir())


KILLED_AT_500 = """
import sys, time
from pathlib import Path
import edgecnn.data
from edgecnn.data.packed.writing import pack

def stop(stage, done, total):
    print(done, flush=True)
    time.sleep(60)

pack(edgecnn.data.load("digits"), Path(sys.argv[1]), progress=stop)
"""


def test_a_killed_pack_leaves_no_set_and_the_next_removes_its_remains(tmp_path):
    out = tmp_path / "packed"
    command = [sys.executable, "-c", KILLED_AT_500, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"500\n"
        process.kill()
    assert not out.exists()
    (left,) = tmp_path.iterdir()
    assert left.name == f".packed.{process.pid}.unfinished"

    pack(dataset(noise(4)), out)
    assert len(load(out)["train"]) == 4
    assert list(tmp_path.iterdir()) == [out]


def test_the_command_packs_and_the_set_can_be_inspected(tmp_path, capsys):
    out = tmp_path / "packed"
    assert invoke(["data", "pack", "digits", "--out", str(out), "--shard-size", "20KB"]) == 0
    said = capsys.readouterr()
    assert "1797 samples in" in said.out
    assert f"--data packed:{out}" in said.out
    assert "pack: 1797/1797" in said.err
    assert all(shard.bytes <= 20_000 for shard in read_index(out).shards)

    assert invoke(["data", "inspect", f"packed:{out}"]) == 0
    assert "digits: 1797 samples (image)" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["0", "12XB", "-3MB", "MB"])
def test_a_size_that_is_none_is_refused(size, tmp_path, capsys):
    command = ["data", "pack", "digits", "--out", str(tmp_path / "p"), f"--shard-size={size}"]
    assert invoke(command) == 2
    assert "expected a size such as 256MB" in capsys.readouterr().err

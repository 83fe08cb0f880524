"""Small files of every kind that a data source reads: WRITERS[source](folder, seed=…)."""

from __future__ import annotations

import gzip
import struct
import wave

import numpy as np
from PIL import Image

import edgecnn.data
from edgecnn.data.packed.writing import pack

WORDS = ("good", "fine", "film", "plot", "dull", "poor", "actor", "scene", "long", "short")


def write_mnist_like(folder, *, seed=0):
    rng = np.random.default_rng(seed)
    for part, count in (("train", 120), ("t10k", 40)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = struct.pack(">4I", 0x803, *images.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">2I", 0x801, count)
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(header + labels.tobytes())


def write_images(folder, *, seed=0):
    rng = np.random.default_rng(seed)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for index in range(10):
            pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def write_arrays(folder, *, shape=(32, 32, 3), classes=10, each=12, name="x", values=256, seed=0):
    """An .npz of {name}_train, y_train, {name}_test, y_test, classes in turn."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for split, count in (("train", classes * each), ("test", classes * 2)):
        arrays[f"{name}_{split}"] = rng.integers(0, values, (count, *shape), np.uint8)
        arrays[f"y_{split}"] = (np.arange(count) % classes).astype(np.uint8)
    np.savez(folder / "data.npz", **arrays)


def write_gtsrb(folder, *, seed=0):
    write_arrays(folder, classes=43, each=8, seed=seed)


def write_voxels(folder, *, seed=0):
    write_arrays(folder, shape=(6, 6, 6), name="X", values=2, seed=seed)


def write_texts(folder, *, seed=0):
    rng = np.random.default_rng(seed)
    for name in ("neg", "pos"):
        texts = [" ".join(rng.choice(WORDS, 9)) for _ in range(20)]
        (folder / f"reviews.{name}").write_text("\n".join(texts) + "\n", encoding="utf-8")


def write_wav(path, values, *, rate=8000, width=2, channels=1):
    """Whole numbers as a PCM file of `width` bytes a value."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(values)


def write_recordings(folder, *, seed=0, speakers=("ann", "bob", "eve", "joe")):
    rng = np.random.default_rng(seed)
    for digit in range(10):
        for speaker in speakers:
            for take in range(7):
                values = rng.integers(-9000, 9000, 200 + 10 * take).astype("<i2")
                write_wav(folder / f"{digit}_{speaker}_{take}.wav", values.tobytes())


def write_spoken_digits(folder, *, seed=0):
    rng = np.random.default_rng(seed)
    speakers, takes = ("ann", "bob", "eve", "joe"), 7
    lengths = rng.integers(150, 250, 10 * len(speakers) * takes)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    np.savez(
        folder / "fsdd.npz",
        samples=rng.integers(-9000, 9000, offsets[-1]).astype(np.int16),
        offsets=offsets,
        labels=np.repeat(np.arange(10, dtype=np.uint8), len(speakers) * takes),
        speaker=np.tile(np.repeat(speakers, takes), 10),
        is_test=np.tile(np.arange(takes) < 2, 10 * len(speakers)),
    )


def write_packed(folder, *, seed=0):
    """The digits, packed: their splits were fixed then."""
    pack(edgecnn.data.load("digits", seed=seed), folder, shard_bytes=20_000)


WRITERS = {
    "digits": lambda folder, seed=0: None,
    "mnist": write_mnist_like,
    "fashion-mnist": write_mnist_like,
    "cifar10": write_arrays,
    "gtsrb": write_gtsrb,
    "text": write_texts,
    "spoken-digits": write_spoken_digits,
    "wav": write_recordings,
    "voxels": write_voxels,
    "arrays": write_arrays,
    "folder": write_images,
    "packed": write_packed,
}

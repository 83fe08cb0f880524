"""CIFAR-10: 60,000 colored images of ten kinds of things, 32×32 (Krizhevsky 2009)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.assemble import as_labels, assemble, channel_statistics
from edgecnn.data.base import Dataset, Split
from edgecnn.data.files.download import RemoteFile, fetch
from edgecnn.data.files.npz import need, read_npz
from edgecnn.data.files.pickled import unpickle_arrays
from edgecnn.data.files.places import cache_folder
from edgecnn.data.files.tar import read_members
from edgecnn.errors import InputError
from edgecnn.files import read_file

LABELS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
FRACTIONS = {"train": 0.9, "validation": 0.1, "test": 0.15}
SOURCE = "CIFAR-10 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images)"
URLS = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",)
ARCHIVE = RemoteFile(
    170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
_TRAINING_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST_BATCH = "test_batch"
_SIDE = 32
_RECORD_BYTES = 1 + 3 * _SIDE * _SIDE
MAX_BATCH_BYTES = 64 << 20
"""Of one batch: the authors' have 31 MB."""
MAX_UNPACKED_BYTES = 512 << 20
"""Of an archive in all: the authors' unpacks to 186 MB."""
_EXPECTED = (
    "a folder with cifar-10-binary.tar.gz or cifar-10-python.tar.gz (or what is in them), "
    "or an .npz with x_train, y_train, x_test, y_test"
)

Read = Callable[[str], bytes]


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """CIFAR-10 as uint8 (32, 32, 3), RGB.

    `data_dir` holds the authors' archive, binary or python, packed or not, or is an .npz (or a
    folder with one) of x_train, y_train, x_test, y_test; without it the binary archive (170 MB)
    is downloaded once. A tenth of the training images, chosen by `seed`, is the validation
    split; the test split is the authors'.

    Raises InputError when files are missing or damaged; DownloadError when the archive cannot
    be fetched.
    """
    if data_dir is None:
        archive = fetch(
            URLS,
            cache_folder("cifar10") / "cifar-10-binary.tar.gz",
            sha256=ARCHIVE.sha256,
            size_bytes=ARCHIVE.size_bytes,
        )
        parts = _from_archive(archive)
    else:
        parts = _from_place(data_dir)
    return assemble(
        "cifar10",
        parts,
        LABELS,
        sample_shape=(_SIDE, _SIDE, 3),
        source=SOURCE,
        seed=seed,
        fractions=FRACTIONS,
        hints={"fit": "stretch", **channel_statistics(parts["train"].samples)},
    )


def _from_place(place: Path) -> dict[str, Split]:
    if not place.exists():
        raise InputError(f"no such file or folder: {place}", hint=f"expected {_EXPECTED}")
    if place.suffix == ".npz":
        return _from_npz(place)
    if place.is_file():
        return _from_archive(place)
    for folder in (place, place / "cifar-10-batches-bin", place / "cifar-10-batches-py"):
        for ending, parse in ((".bin", _binary), ("", _pickled)):
            if (folder / f"{_TEST_BATCH}{ending}").is_file():
                return _batches(partial(_read, folder), ending, parse, folder)
    for name in ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"):
        if (place / name).is_file():
            return _from_archive(place / name)
    packed = sorted(place.glob("*.npz"))
    if len(packed) == 1:
        return _from_npz(packed[0])
    raise InputError(f"{place} holds no CIFAR-10", hint=f"expected {_EXPECTED}")


def _from_npz(path: Path) -> dict[str, Split]:
    arrays = read_npz(path)
    parts = {}
    for split in ("train", "test"):
        images, labels = need(arrays, f"x_{split}", f"y_{split}", path=path)
        if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE, 3):
            raise InputError(
                f"{path}: expected x_{split} of uint8 (n, 32, 32, 3), "
                f"received: {images.dtype} {images.shape}"
            )
        parts[split] = Split(images, as_labels(labels, f"{path}, y_{split}"))
    return parts


def _from_archive(path: Path) -> dict[str, Split]:
    """Read the batches inside an archive; nothing is unpacked to the disk."""
    wanted = {
        name + ending for name in (*_TRAINING_BATCHES, _TEST_BATCH) for ending in (".bin", "")
    }
    contents = read_members(path, wanted, most=MAX_BATCH_BYTES, in_all=MAX_UNPACKED_BYTES)

    def read(name: str) -> bytes:
        if name not in contents:
            raise InputError(f"{path} holds no {name}", hint=f"expected {_EXPECTED}")
        return contents[name]

    binary = f"{_TEST_BATCH}.bin" in contents
    ending, parse = (".bin", _binary) if binary else ("", _pickled)
    return _batches(read, ending, parse, path)


def _batches(
    read: Read, ending: str, parse: Callable[[bytes], tuple[Any, Any]], where: Path
) -> dict[str, Split]:
    parts = {}
    for split, names in (("train", _TRAINING_BATCHES), ("test", (_TEST_BATCH,))):
        read_batches = []
        for name in names:
            try:
                read_batches.append(parse(read(name + ending)))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{where}: {name}{ending} is damaged ({error})", hint="fetch it again"
                ) from error
        pixels, labels = (np.concatenate(part) for part in zip(*read_batches, strict=True))
        planes = pixels.reshape(-1, 3, _SIDE, _SIDE)
        images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        parts[split] = Split(images, labels.astype(np.int64))
    return parts


def _read(folder: Path, name: str) -> bytes:
    return read_file(folder / name, limit=MAX_BATCH_BYTES)


def _binary(content: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Records of one label byte and 3,072 pixel bytes, a color plane after the other."""
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    return records[:, 1:], records[:, 0]


def _pickled(content: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    batch = unpickle_arrays(content)
    pixels, labels = batch["data"], batch["labels"]
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise ValueError("its data are not an array of uint8")
    if not isinstance(labels, list) or not all(
        type(label) is int and 0 <= label < len(LABELS) for label in labels
    ):
        raise ValueError(f"its labels are not a list of 0 to {len(LABELS) - 1}")
    return pixels.reshape(-1, _RECORD_BYTES - 1), np.asarray(labels, np.uint8)

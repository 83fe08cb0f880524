"""NumPy's files: what they hold is told by shape and type, what is wrong by name and index."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.errors import InputError

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 4


def save(folder, **arrays):
    np.savez(folder / "set.npz", **arrays)
    return f"arrays:{folder / 'set.npz'}"


def whole(shape, dtype=np.float32, labels=LABELS):
    return {"x": RNG.uniform(0, 200, (len(labels), *shape)).astype(dtype), "y": labels}


@pytest.mark.parametrize(
    ("shape", "dtype", "modality", "sample_shape"),
    [
        ((8, 9), np.uint8, "image", (8, 9)),
        ((8, 9, 3), np.uint8, "image", (8, 9, 3)),
        ((8, 9, 1), np.float32, "image", (8, 9, 1)),
        ((50,), np.int16, "signal", (50, 1)),
        ((50, 2), np.float32, "signal", (50, 2)),
        ((6, 7, 8), np.uint8, "volume", (6, 7, 8)),
        ((6, 7, 8, 1), np.float32, "volume", (6, 7, 8, 1)),
    ],
)
def test_shape_and_type_tell_the_modality(tmp_path, shape, dtype, modality, sample_shape):
    dataset = load(save(tmp_path, **whole(shape, dtype)))
    plain = (modality, len(sample_shape)) in (("image", 2), ("volume", 3))
    wanted = (*sample_shape, 1) if plain else sample_shape
    tensors, _ = next(dataset["train"].tensors(dataset.preprocessing(wanted), 28))

    assert (dataset.modality, dataset.sample_shape) == (modality, sample_shape)
    assert tensors.dtype == np.float32
    assert abs(tensors.mean()) < 0.2
    assert tensors.std() == pytest.approx(1, abs=0.2)


def test_splits_that_are_there_are_honoured(tmp_path):
    x = RNG.integers(0, 256, (40, 5, 5), np.uint8)
    place = save(tmp_path, X_train=x, y_train=LABELS, X_val=x[:4], y_val=LABELS[:4])
    dataset = load(place)

    assert len(dataset["validation"]) == 4
    assert len(dataset["train"]) + len(dataset["test"]) == 40


def test_npy_files_stay_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", RNG.integers(0, 256, (40, 5, 5, 3), np.uint8))
    np.save(tmp_path / "y.npy", LABELS)
    dataset = load(f"arrays:{tmp_path}")
    stored = np.load(tmp_path / "x.npy")

    assert not isinstance(dataset["train"].samples, np.ndarray)
    assert isinstance(dataset["train"].samples[0], np.memmap)
    assert {s.tobytes() for s in dataset["train"].samples} <= {s.tobytes() for s in stored}


def test_memory_does_not_grow_with_files_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", RNG.integers(0, 256, (2000, 100, 100, 3), np.uint8))  # 60 MB
    np.save(tmp_path / "y.npy", np.arange(2000) % 4)

    tracemalloc.start()
    dataset = load(f"arrays:{tmp_path}")
    for sample in dataset["train"].samples:
        assert sample.shape == (100, 100, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 30_000_000


def test_floats_are_images_of_the_same_brightness(tmp_path):
    pixels = RNG.integers(0, 256, (40, 5, 5, 3), np.uint8)
    pixels[0, 0, 0] = 255
    of_one = load(save(tmp_path, x=(pixels / 255).astype(np.float32), y=LABELS))
    of_255 = load(save(tmp_path, x=pixels.astype(np.float64), y=LABELS))
    plain = load(save(tmp_path, x=pixels, y=LABELS))

    assert of_one.sha256 == of_255.sha256 == plain.sha256


def test_labels_may_be_names(tmp_path):
    names = np.asarray(["dog", "cat"] * 20)
    dataset = load(save(tmp_path, x=whole((5, 5), np.uint8)["x"], y=names))

    assert dataset.labels == ("cat", "dog")


def test_class_names_come_along(tmp_path):
    names = np.asarray(["a", "b", "c", "d"])
    assert load(save(tmp_path, **whole((5, 5), np.uint8), class_names=names).strip()).labels == (
        "a",
        "b",
        "c",
        "d",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_named_with_its_index(tmp_path, value):
    arrays = whole((50,))
    arrays["x"][31, 7] = value

    with pytest.raises(InputError, match=r"set\.npz, train: (nan|inf) at index \[31, 7\]"):
        load(save(tmp_path, **arrays))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.where(LABELS == 2, -1, LABELS)}, r"expected labels 0 to 3, received: -1 at"),
        ({"y": LABELS[:-1]}, "40 samples, 39 labels"),
        ({"y": LABELS + 0.5}, r"label 0\.5 at index 0 is not a whole number"),
        ({"y": np.where(LABELS == 2, 1, LABELS)}, "no training sample of class '2'"),
        ({"y": LABELS * 10_000}, "label 30000 for 40 training samples"),
        ({"y": np.eye(4)[LABELS]}, r"expected whole numbers \(n,\), received: float64 \(40, 4\)"),
        ({"class_names": np.asarray(["a", "b", "c"])}, "expected labels 0 to 2, received: 3"),
        ({"x": np.asarray(["a"] * 40)}, "expected numbers, received: <U1"),
        ({"x": np.zeros((40, 2, 2, 2, 2, 2))}, "rank 2 to 5"),
        ({"x": np.zeros((40, 0))}, "expected numbers"),
        ({"x": np.full((40, 5, 5, 3), -1.0)}, r"images of 0…1 or 0…255, received: -1\.0"),
        ({"x_test": np.zeros((4, 5), np.uint8)}, "x_test but no y_test"),
        ({"x_test": np.zeros((4, 6)), "y_test": LABELS[:4]}, r"samples are \(6,\), in training"),
        (
            {"x_test": np.zeros((4, 50)), "y_test": np.full(4, 9)},
            r"set\.npz, test: expected labels 0 to 3, received: 9 at index 0",
        ),
    ],
)
def test_arrays_that_do_not_fit_say_why(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        load(save(tmp_path, **(whole((50,)) | change)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not an archive"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "set.npz").write_bytes(content)

    with pytest.raises(InputError, match=r"cannot read .*set\.npz"):
        load(f"arrays:{tmp_path}")


def test_pickles_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load(save(tmp_path, x=np.asarray([{}] * 4, object), y=np.arange(4)))


def test_a_folder_with_two_archives_wants_one_named(tmp_path):
    for name in ("a", "b"):
        np.savez(tmp_path / name, **whole((5,)))

    with pytest.raises(InputError, match=r"expected one \.npz file, received: a\.npz, b\.npz"):
        load(f"arrays:{tmp_path}")

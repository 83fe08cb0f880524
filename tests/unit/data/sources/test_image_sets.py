"""CIFAR-10 in all its packings, GTSRB by tracks, Fashion-MNIST, and the real sets in place."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import DataWarning, load
from edgecnn.data.sources import cifar10, fashion_mnist, gtsrb
from edgecnn.errors import InputError
from edgecnn.registry import DATA_SOURCES
from tests.unit.data.small_sources import write_arrays, write_gtsrb, write_mnist_like

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def batches():
    """Labels and planes (20, 3072) of each batch."""
    rng = np.random.default_rng(0)
    return {
        name: ((np.arange(20) % 10).astype(np.uint8), rng.integers(0, 256, (20, 3072), np.uint8))
        for name in BATCHES
    }


def cifar_files(kind):
    """Name → content, as the authors' archives have them."""
    if kind == "bin":
        return {
            f"{name}.bin": np.hstack([labels[:, None], planes]).tobytes()
            for name, (labels, planes) in batches().items()
        }
    return {
        name: python2_pickle({"data": planes, "labels": labels.tolist()})
        for name, (labels, planes) in batches().items()
    }


class Python2Pickler(pickle._Pickler):
    """Bytes as Python 2 wrote its strings, which is what the authors used."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def python2_pickle(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def write_cifar(folder, kind, packed):
    inside = f"cifar-10-batches-{kind}"
    if not packed:
        (folder / inside).mkdir()
        for name, content in cifar_files(kind).items():
            (folder / inside / name).write_bytes(content)
        return
    stem = {"bin": "binary", "py": "python"}[kind]
    with tarfile.open(folder / f"cifar-10-{stem}.tar.gz", "w:gz") as archive:
        for name, content in cifar_files(kind).items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["bin", "py"])
def test_every_packing_of_cifar10_gives_the_same_data(tmp_path, kind, packed):
    write_cifar(tmp_path, kind, packed)
    dataset = load(f"cifar10:{tmp_path}")
    labels, planes = batches()["test_batch"]

    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 90,
        "validation": 10,
        "test": 20,
    }
    np.testing.assert_array_equal(dataset["test"].labels, labels)
    np.testing.assert_array_equal(
        dataset["test"].samples[3], planes[3].reshape(3, 32, 32).transpose(1, 2, 0)
    )


def test_the_archive_is_downloaded_with_its_digest(tmp_path, monkeypatch):
    write_cifar(tmp_path, "bin", packed=True)
    archive = tmp_path / "cifar-10-binary.tar.gz"
    content = archive.read_bytes()
    remote = cifar10.RemoteFile(len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)
    monkeypatch.setattr(cifar10, "URLS", (archive.as_uri(),))
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))

    assert len(load("cifar10")["test"]) == 20
    assert (tmp_path / "home" / "data" / "cifar10" / archive.name).is_file()


def test_a_pickle_that_calls_something_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return print, ("boom",)

    write_cifar(tmp_path, "py", packed=False)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(pickle.dumps(Bomb()))

    with pytest.raises(InputError, match=r"data_batch_2 is damaged \(it calls builtins"):
        load(f"cifar10:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cifar-10-binary.tar.gz", b"\x1f\x8b cut off", "cannot read .*tar.gz"),
        ("cifar-10-batches-bin/test_batch.bin", bytes(99), "no such file: .*data_batch_1.bin"),
        ("other.txt", b"", "holds no CIFAR-10"),
    ],
)
def test_a_folder_that_is_no_cifar10_says_why(tmp_path, name, content, message):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InputError, match=message):
        load(f"cifar10:{tmp_path}")


def test_a_batch_of_a_broken_length_is_damaged(tmp_path):
    write_cifar(tmp_path, "bin", packed=False)
    (tmp_path / "cifar-10-batches-bin" / "data_batch_4.bin").write_bytes(bytes(99))

    with pytest.raises(InputError, match=r"data_batch_4\.bin is damaged"):
        load(f"cifar10:{tmp_path}")


def test_a_label_outside_the_classes_is_named(tmp_path):
    write_arrays(tmp_path, classes=11)

    with pytest.raises(InputError, match=r"cifar10 \(train\): expected labels 0 to 9, .*: 10 at"):
        load(f"cifar10:{tmp_path}")


def write_tracks(folder, *, tracks=3, frames=3, kind="Final_Training"):
    rng = np.random.default_rng(0)
    root = folder / "GTSRB" / kind / "Images"
    for label in range(43):
        (root / f"{label:05d}").mkdir(parents=True)
        for track in range(tracks):
            for frame in range(frames):
                pixels = rng.integers(0, 256, (15 + track, 16, 3), np.uint8)
                name = f"{track:05d}_{frame:05d}.ppm"
                Image.fromarray(pixels).save(root / f"{label:05d}" / name)
    return root


def test_gtsrb_keeps_tracks_whole(tmp_path):
    write_tracks(tmp_path)
    dataset = load(f"gtsrb:{tmp_path}")
    tracks = [
        {(path.parent.name, path.stem.split("_")[0]) for path in split.samples.paths}
        for split in dataset.splits.values()
    ]

    assert len(dataset.labels) == 43
    assert dataset.labels[14] == "stop"
    assert [len(of) for of in tracks] == [43, 43, 43]
    assert len(set.union(*tracks)) == 129
    assert dataset["train"].samples[0].dtype == np.uint8


def test_gtsrb_takes_the_official_test_where_its_classes_are_known(tmp_path):
    write_tracks(tmp_path)
    folder = tmp_path / "GTSRB" / "Final_Test" / "Images"
    folder.mkdir(parents=True)
    lines = ["Filename;Width;Height;ClassId"]
    for index in range(6):
        Image.new("RGB", (20, 20), (index, 0, 0)).save(folder / f"{index:05d}.ppm")
        lines.append(f"{index:05d}.ppm;20;20;{index + 7}")
    (folder / "GT-final_test.csv").write_text("\n".join(lines))

    assert load(f"gtsrb:{tmp_path}")["test"].labels.tolist() == [7, 8, 9, 10, 11, 12]

    (folder / "GT-final_test.csv").write_text("\n".join([*lines, "00005.ppm;20;20;43"]))
    with pytest.raises(InputError, match="line 8: expected a ClassId of 0 to 42, received: '43'"):
        load(f"gtsrb:{tmp_path}")


def test_a_broken_sign_is_left_out_and_counted(tmp_path):
    root = write_tracks(tmp_path)
    (root / "00014" / "00001_00002.ppm").write_bytes(b"P6\n16 16\n255\nshort")

    with pytest.warns(DataWarning, match=r"1 file left out: .*00001_00002\.ppm"):
        assert len(load(f"gtsrb:{tmp_path}").left_out) == 1


def test_one_track_cannot_be_split(tmp_path):
    write_tracks(tmp_path, tracks=1)

    with pytest.raises(InputError, match=r"has 1 group\(s\) of samples that belong together"):
        load(f"gtsrb:{tmp_path}")


def test_crops_that_look_alike_have_one_group():
    rng = np.random.default_rng(0)
    signs = rng.integers(60, 190, (3, 16, 16, 3))
    brighter = (signs + rng.integers(0, 12, signs.shape) + 30).astype(np.uint8)
    images = np.concatenate([signs.astype(np.uint8), brighter, brighter])
    labels = np.asarray([0, 0, 0, 0, 0, 0, 1, 1, 1])

    groups = gtsrb.look_alikes(images, labels)

    assert groups.tolist() == [0, 1, 2, 0, 1, 2, 6, 7, 8]


def test_no_crop_of_validation_has_a_twin_in_training(tmp_path):
    write_gtsrb(tmp_path)
    path = tmp_path / "data.npz"
    with np.load(path) as arrays:
        changed = dict(arrays)
    half = 4 * 43
    changed["x_train"][half:] = changed["x_train"][:half]  # each crop is there twice
    np.savez(path, **changed)
    dataset = load(f"gtsrb:{tmp_path}")
    train, validation = (
        {sample.tobytes() for sample in dataset[name].samples} for name in ("train", "validation")
    )

    assert not train & validation


def test_fashion_mnist_is_read_from_the_files_that_mnist_has(tmp_path):
    write_mnist_like(tmp_path)
    dataset = load(f"fashion-mnist:{tmp_path}")

    assert dataset.labels[0] == "T-shirt/top"
    assert dataset.name == "fashion-mnist"
    assert dataset.sha256 != load(f"mnist:{tmp_path}").sha256
    assert all(mirror.startswith("https://") for mirror in fashion_mnist.MIRRORS)


REAL = {
    "cifar10": ("cifar10_small", (4500, 500, 1000)),
    "gtsrb": ("gtsrb_small", (2924, 516, 1052)),
    "voxels": ("voxels", (3592, 399, 908)),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_ones_are_read_in_place(shared_data, name):
    folder, counts = REAL[name]
    if not (shared_data / folder).is_dir():
        pytest.skip(f"no {name} beside the project (../shared/data/{folder})")
    dataset = load(name, data_dir=shared_data / folder)

    assert name in DATA_SOURCES.names()
    assert tuple(len(split) for split in dataset.splits.values()) == counts
    for split in dataset.splits.values():
        assert set(split.labels.tolist()) == set(range(len(dataset.labels)))

"""Files of data sets are anybody's: damage and lies are one line, soon and in little memory."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import edgecnn.data
from edgecnn.data.files import images as image_files
from edgecnn.data.files import npz as npz_module
from edgecnn.data.files.binvox import read_binvox
from edgecnn.data.files.idx import read_idx
from edgecnn.data.files.npz import map_npy, read_npz, texts
from edgecnn.data.files.pickled import unpickle_arrays
from edgecnn.data.files.tar import read_members
from edgecnn.data.files.wav import read_wav
from edgecnn.data.packed.samples import sample_of
from edgecnn.data.packed.tf_example import decode_example, encode_example
from edgecnn.data.packed.tfrecord import framed, record_at
from edgecnn.errors import EdgeCNNError, InputError
from tests.unit.data.small_sources import WRITERS, write_wav
from tests.unit.hostile import damaged, limited_memory

MEMORY = 96 << 20
"""For files of some kilobytes: a constant, and far below what their headers can claim."""
RNG = np.random.default_rng(0)


def npz(*, compressed: bool = False) -> bytes:
    file = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(file, x=RNG.integers(0, 256, (8, 4, 4), np.uint8), y=np.asarray(["a", "b"] * 4))
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.asfortranarray(RNG.normal(size=(6, 5))))
    return file.getvalue()


def idx() -> bytes:
    return struct.pack(">4I", 0x803, 4, 5, 6) + bytes(120)


def binvox() -> bytes:
    runs = bytes([0, 100, 1, 16, 0, 100])
    return b"#binvox 1\ndim 6 6 6\ntranslate 0 0 0\nscale 1\ndata\n" + runs


def wav() -> bytes:
    path = Path(f"/tmp/edgecnn-hostile-{os.getpid()}.wav")
    write_wav(path, bytes(400), width=2, channels=2)
    content = path.read_bytes()
    path.unlink()
    return content


def image(kind: str, mode: str) -> bytes:
    file = io.BytesIO()
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    pixels = RNG.integers(0, 256, (24, 32, channels), np.uint8)
    Image.fromarray(pixels.squeeze(), mode=None).save(file, kind)
    return file.getvalue()


def cifar_pickle() -> bytes:
    batch = {"data": RNG.integers(0, 256, (3, 3072), np.uint8), "labels": [0, 5, 9]}
    return pickle.dumps(batch, protocol=2)


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = 500
            archive.addfile(member, io.BytesIO(bytes(500)))
    return file.getvalue()


def a_record() -> bytes:
    array = RNG.integers(0, 256, (4, 4), np.uint8)
    features = {"sample": array.tobytes(), "shape": (4, 4), "dtype": b"|u1", "label": (1,)}
    return framed(encode_example(features))


def read_record(path: Path) -> object:
    return sample_of(decode_example(record_at(path.read_bytes(), 0)))


def read_example(path: Path) -> object:
    return sample_of(decode_example(path.read_bytes()))


def read_tar(path: Path) -> object:
    return read_members(path, {"test_batch.bin"}, most=1000, in_all=1 << 20)


def read_pickle(path: Path) -> object:
    try:
        return unpickle_arrays(path.read_bytes())
    except ValueError as error:  # its callers name the batch
        raise InputError(str(error)) from error


READERS = {
    "npz": (npz(), ".npz", read_npz),
    "compressed npz": (npz(compressed=True), ".npz", read_npz),
    "npy": (npy(), ".npy", map_npy),
    "idx": (idx(), "", lambda path: read_idx(path, 3)),
    "gzipped idx": (gzip.compress(idx()), ".gz", lambda path: read_idx(path, 3)),
    "binvox": (binvox(), ".binvox", read_binvox),
    "wav": (wav(), ".wav", read_wav),
    "pickle": (cifar_pickle(), "", read_pickle),
    "tar": (tar(), ".tar.gz", read_tar),
    "record": (a_record(), ".tfrecord", read_record),
    "example": (a_record()[12:-4], ".tfrecord", read_example),
    **{
        f"{kind} {mode}": (image(kind, mode), f".{kind.lower()}", image_files.decode)
        for kind, mode in (
            ("PNG", "RGB"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("JPEG", "L"), ("GIF", "L"),
            ("BMP", "RGB"), ("TIFF", "RGB"), ("WEBP", "RGB"), ("PPM", "RGB"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_the_whole_file_is_read(name: str, tmp_path: Path):
    content, ending, read = READERS[name]
    path = tmp_path / f"file{ending}"
    path.write_bytes(content)
    assert read(path) is not None


@pytest.mark.parametrize("name", READERS)
@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_is_one_line_and_takes_little_memory(name: str, tmp_path: Path, data: st.DataObject):
    content, ending, read = READERS[name]
    path = tmp_path / f"file{ending}"
    path.write_bytes(data.draw(damaged(content)))
    with limited_memory(MEMORY), image_files.quiet_pillow():
        try:
            read(path)
        except EdgeCNNError as error:
            assert error.message  # noqa: PT017 (most files are read)
            assert "\n" not in error.message  # noqa: PT017


@pytest.mark.parametrize("kind", ["BMP", "PPM"])
def test_pixels_that_the_file_cannot_hold_take_no_memory(kind: str, tmp_path: Path):
    """A few bytes that declare 100 MB of uncompressed pixels."""
    content = image(kind, "RGB")
    declared = {
        "BMP": content[:22] + (1 << 20).to_bytes(4, "little") + content[26:],
        "PPM": b"P6\n32 1048576\n255\n" + content[-32 * 3 :],
    }
    path = tmp_path / f"file.{kind.lower()}"
    path.write_bytes(declared[kind])
    with (
        limited_memory(MEMORY),
        pytest.raises(EdgeCNNError, match="uncompressed pixels do not fit into"),
    ):
        image_files.decode(path)


@pytest.mark.parametrize("source", [name for name in WRITERS if name not in ("text", "digits")])
@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_data_set_with_a_damaged_file_is_read_or_refused(
    source: str, tmp_path: Path, data: st.DataObject
):
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    WRITERS[source](folder)
    path = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    with limited_memory(4 * MEMORY), warnings.catch_warnings():
        warnings.simplefilter("ignore", edgecnn.data.DataWarning)
        try:
            dataset = edgecnn.data.load(source, data_dir=folder)
            for split in dataset.splits.values():
                assert len(split.samples[0]) > 0
        except EdgeCNNError as error:
            assert error.message  # noqa: PT017


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_at_once(name: str, tmp_path: Path):
    if name in ("pickle", "record", "example"):
        pytest.skip("reads bytes, not a path")
    _, ending, read = READERS[name]
    path = tmp_path / f"pipe{ending}"
    os.mkfifo(path)
    with limited_memory(MEMORY), pytest.raises(EdgeCNNError, match="received a named pipe"):
        read(path)


def test_an_npz_that_unpacks_to_more_than_the_budget_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch
):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros(MEMORY + (1 << 20), np.uint8))
    assert path.stat().st_size < MEMORY // 500
    monkeypatch.setattr(npz_module, "MAX_UNPACKED_BYTES", MEMORY)
    with (
        limited_memory(MEMORY // 4),
        pytest.raises(InputError, match=r"unpacks to 0\.1 GB") as failure,
    ):
        read_npz(path)
    assert ".npy files" in failure.value.hint


@pytest.mark.parametrize(
    ("shape", "descr", "reason"),
    [
        ((1 << 40,), "|u1", "does not fit into"),
        ((150, 150, 150), "<f8", "declares 27,000,000 bytes"),
        ((1 << 40, 0), "|u1", "does not fit into"),
        ((10,), "|O", "Python objects"),
        ((1 << 40,), "<U0", "are not read"),
        ((10,), "<M8[s]", "are not read"),
        ((-1,), "|u1", "does not fit into"),
        ((1,) * 9, "|u1", "does not fit into"),
    ],
)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_a_header_that_lies_is_refused_before_memory_is_taken(
    tmp_path: Path, shape: tuple[int, ...], descr: str, reason: str, ending: str
):
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    file.write(bytes(64))
    path = tmp_path / f"x{ending}"
    if ending == ".npy":
        path.write_bytes(file.getvalue())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", file.getvalue())
    with limited_memory(MEMORY), pytest.raises(InputError, match=reason):
        (map_npy if ending == ".npy" else read_npz)(path)


def test_parts_that_lie_over_each_other_are_refused(tmp_path: Path):
    """Fifield 2019: one block of zeros, named by many entries."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abcd":
            archive.writestr(f"{name}.npy", npy() * 100)
    content = path.read_bytes()
    changed = bytearray(content)
    at = -1  # each claims to be as long as all of them
    while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
        changed[at + 20 : at + 24] = struct.pack("<I", len(content) - 10)
    path.write_bytes(changed)
    with pytest.raises(InputError, match="overlap"):
        read_npz(path)


def test_text_of_characters_that_do_not_exist_is_refused():
    array = np.frombuffer(b"\xff\xff\xff\x7f", "<U1")
    with pytest.raises(InputError, match="invalid characters"):
        texts(array, "names")
    with pytest.raises(InputError, match="invalid characters"):
        texts(np.asarray(["\ud800"]), "names")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40),  # BINBYTES8 of a terabyte
        b"\x80\x02K\x01r\xff\xff\xff\x7f.",  # a memo of two billion places
        b"\x80\x02cos\nsystem\nX\x0c\x00\x00\x00touch it-ran\x85R.",
        b"\x80\x02cnumpy\nndarray\n" + b"J\x00\x00\x00\x40\x85R.",
    ],
)
def test_a_pickle_takes_no_memory_and_calls_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with limited_memory(MEMORY), pytest.raises(InputError):
        read_pickle(path)
    assert not (tmp_path / "it-ran").exists()


def test_a_tar_that_unpacks_without_end_is_refused(tmp_path: Path):
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("zeros")
        member.size = 4 << 20
        archive.addfile(member, io.BytesIO(bytes(4 << 20)))
    with limited_memory(MEMORY), pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        read_tar(path)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_an_image_bomb_is_refused_before_it_is_decoded(tmp_path: Path, kind: str):
    path = tmp_path / f"bomb.{kind.lower()}"
    Image.new("L", (9_000, 8_000)).save(path, kind)
    with (
        limited_memory(MEMORY),
        image_files.quiet_pillow(),
        pytest.raises(InputError, match="pixels"),
    ):
        image_files.decode(path)


@pytest.mark.parametrize("rate", [0, 1, 4_000_000_000])
def test_a_recording_of_an_impossible_rate_is_refused(tmp_path: Path, rate: int):
    path = tmp_path / "x.wav"
    content = bytearray(wav())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected a sample rate of 1,000 to 768,000 Hz"):
        read_wav(path)

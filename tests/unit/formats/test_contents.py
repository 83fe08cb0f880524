"""What is given instead of a model is named for what it is, with what to do."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shlex
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.formats.archives import zip_names
from edgecnn.formats.check import check_model_path
from tests.unit.formats.small_models import identity, write_tflite


def _zipped(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return packed.getvalue()


def _tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return packed.getvalue()


def _array() -> bytes:
    written = io.BytesIO()
    np.save(written, np.zeros(3))
    return written.getvalue()


def _core_ml() -> bytes:
    """specificationVersion = 1, description = 2, neuralNetwork = 500."""
    return b"\x08\x04" + b"\x12\x04desc" + b"\xa2\x1f\x06layers"


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
OTHERS: dict[str, tuple[bytes, str, str]] = {
    "a Git LFS pointer": (LFS, "Git LFS pointer", "git lfs pull"),
    "a git-annex pointer": (b"../.git/annex/objects/x\n", "git-annex", "git annex get"),
    "a page": (b"\n<!DOCTYPE html><html><body>Log in</body></html>", "web page", "browser"),
    "a page with a mark": ("\ufeff<html>".encode(), "web page", "browser"),
    "an answer of a server": (b'{"error": "not found"}', "JSON", "error message"),
    "results": (b'{"schema_version": 1, "measurements": []}', "results file", "report"),
    "a text": (b"hello, I am a model\n", "text file", ".tflite"),
    "a text in UTF-16": ("hello".encode("utf-16"), "text file", ".tflite"),
    "OpenVINO": (b'<?xml version="1.0"?><net name="n" version="11">', "OpenVINO", "ONNX"),
    "an ONNX text": (b'ir_version: 8\ngraph { name: "g" }', "as text", "onnx.save"),
    "a C array": (b"const unsigned char model[] = {0x1c};", "C array", ".tflite"),
    "a zip": (_zipped(model_DOT_onnx="x"), "zip archive", "model.onnx"),
    "an empty zip": (_zipped(), "zip archive", "unpack"),
    "PyTorch": (_zipped(model__data_DOT_pkl="x", model__version="3"), "PyTorch", "torch.onnx"),
    "an npz": (_zipped(a_DOT_npy="x"), "NumPy arrays", "--data"),
    "a pickle": (pickle.dumps({"state_dict": 1}), "pickle", "torch.onnx"),
    "safetensors": (_safetensors(), "safetensors", "ONNX"),
    "an array": (_array(), "NumPy array", "data"),
    "gzip": (gzip.compress(b"x"), "gzip", "unpack"),
    "tar": (_tarred(), "tar archive", "unpack"),
    "Core ML": (_core_ml(), "Core ML", "ONNX"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG", "--data"),
    "zeros": (bytes(5_000), "zeros", "download"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5", ".keras"),
    "a program": (b"\x7fELF" + bytes(90), "program", ".onnx"),
}


@pytest.mark.parametrize("ending", [".onnx", ".tflite", ".keras", ".pt", ""])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_model_is_named_with_a_remedy(kind: str, ending: str, tmp_path: Path):
    content, what, remedy = OTHERS[kind]
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what) as caught:
        check_model_path(path)
    assert remedy in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    import keras

    folder = tmp_path_factory.mktemp("models")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(folder / "m.keras")
    identity(folder / "m.onnx")
    write_tflite(folder / "m.tflite")
    return {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}


NAMED = {"keras": "a Keras 3 model", "onnx": "an ONNX model", "tflite": "a TFLite model"}


@pytest.mark.parametrize("called", [*NAMED, "h5", "zip", "pb", "bin", ""])
@pytest.mark.parametrize("kind", NAMED)
def test_a_model_under_another_name_is_named_for_what_it_is(
    models: dict[str, bytes], kind: str, called: str, tmp_path: Path
):
    path = tmp_path / (f"model.{called}" if called else "model")
    path.write_bytes(models[kind])
    if kind == called:
        assert check_model_path(path) == path
        return
    with pytest.raises(InputError, match=NAMED[kind]) as caught:
        check_model_path(path)
    assert f"model.{kind}" in caught.value.hint


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", NAMED)
def test_a_file_that_breaks_off_is_called_incomplete(
    models: dict[str, bytes], kind: str, share: float, tmp_path: Path
):
    path = tmp_path / f"cut.{kind}"
    content = models[kind]
    path.write_bytes(content[: max(10, int(len(content) * share))])
    with pytest.raises(InputError, match="not a complete") as caught:
        check_model_path(path)
    assert "damaged or incomplete" in caught.value.hint


def test_a_text_with_a_byte_order_mark_is_a_text(tmp_path: Path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xef\xbb\xbf" + "ж".encode() * 3_000)
    with pytest.raises(InputError, match="a text file"):
        check_model_path(path)


def test_the_members_of_an_archive_above_2_gib_can_be_listed(tmp_path: Path):
    """Such an archive says in a second record how long its list is; a small one may, too."""
    path = tmp_path / "m.keras"
    content = _zipped(config_DOT_json="{}", model_DOT_weights_DOT_h5="x")
    end = content.rindex(b"PK\x05\x06")
    count, size, place = struct.unpack_from("<HII", content, end + 10)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, place)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    tail = content[end : end + 8] + struct.pack("<HHIIH", *(0xFFFF,) * 2, *(0xFFFFFFFF,) * 2, 0)
    path.write_bytes(content[:end] + record + locator + tail)
    assert zip_names(path) == ["config.json", "model.weights.h5"]


def test_an_empty_file_is_called_empty(tmp_path: Path):
    (tmp_path / "model.onnx").touch()
    with pytest.raises(InputError, match="empty"):
        check_model_path(tmp_path / "model.onnx")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(("make", "what"), [(_pipe, "a named pipe"), (_device, "a device")])
def test_a_pipe_or_a_device_is_refused_at_once(
    make: Callable[[Path], None], what: str, tmp_path: Path
):
    make(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=what):
        check_model_path(tmp_path / "model.onnx")


def test_a_link_that_leads_nowhere_names_what_is_missing(tmp_path: Path):
    (tmp_path / "model.onnx").symlink_to("gone.onnx")
    with pytest.raises(InputError, match=r"a link to gone\.onnx"):
        check_model_path(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("names", "what", "remedy"),
    [
        (["saved_model.pb"], "SavedModel", "edgecnn convert"),
        (["config.json", "model.weights.h5"], "an unpacked .keras archive", "edgecnn convert"),
        (["model.json"], "TensorFlow.js", "Keras"),
        (["model.safetensors"], "PyTorch", "ONNX"),
        (["b.onnx", "a.tflite"], "folder", "a.tflite, b.onnx"),
        ([], "folder", ".tflite"),
    ],
)
def test_a_folder_is_named_with_a_remedy(names: list[str], what: str, remedy: str, tmp_path: Path):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=what) as caught:
        check_model_path(tmp_path)
    assert remedy in caught.value.hint


def test_a_keras_2_model_and_a_saved_model_are_named_with_the_command_that_takes_them(
    tmp_path: Path,
):
    """That the commands work is shown where they are run (integration/conversion)."""
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    old = tmp_path / "it's old.h5"
    model.save(old)
    with pytest.raises(InputError, match="a model of Keras 2") as caught:
        check_model_path(old)
    assert "edgecnn convert " in caught.value.hint
    assert shlex.split(caught.value.hint.partition(": ")[2])[2] == str(old)

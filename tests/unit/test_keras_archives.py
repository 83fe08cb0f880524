"""Archives of Keras that are damaged in odd ways, also where only their weights are wanted."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.keras_files import hdf5, network_name
from edgecnn.keras_files.archive import check_weights

pytest.importorskip("h5py", reason="h5py is not installed")


def archive(path: Path, weights: bytes = b"no HDF5") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", '{"config": {"name": "net"}}')
        file.writestr("model.weights.h5", weights)
    return path


def test_a_member_whose_name_is_no_text_is_damage(tmp_path: Path):
    path = archive(tmp_path / "m.keras")
    content = path.read_bytes()
    local = content.index(b"PK\x03\x04")
    broken = bytearray(content)
    broken[local + 7] |= 0x08  # names are UTF-8, this header says
    broken[local + 30] = 0xFF
    path.write_bytes(bytes(broken))
    with pytest.raises(InputError, match="not a complete Keras 3"):
        network_name(path)


def test_weights_that_are_not_whole_are_refused_before_keras_sees_them(tmp_path: Path):
    with pytest.raises(InputError, match=r"its model\.weights\.h5 is not whole"):
        check_weights(archive(tmp_path / "m.keras"))


def test_a_bomb_given_as_weights_is_refused_before_keras_sees_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(hdf5, "import_keras", lambda: pytest.fail("Keras was asked"))
    monkeypatch.setattr(hdf5, "is_keras_2", lambda model: False)
    path = archive(tmp_path / "m.keras", bytes(64 << 20))
    with pytest.raises(InputError, match="a zip bomb"):
        hdf5.load_weights(None, path)

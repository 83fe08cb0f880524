"""IDX files are bytes from somewhere else: every field is checked."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.files.idx import read_idx
from edgecnn.errors import InputError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
GOOD = struct.pack(">4I", 0x803, 2, 3, 4) + IMAGES.tobytes()


def written(folder, content):
    path = folder / "file-idx3-ubyte"
    path.write_bytes(content)
    return path


def test_reads_a_plain_file(tmp_path):
    np.testing.assert_array_equal(read_idx(written(tmp_path, GOOD), 3), IMAGES)


def test_reads_a_gzipped_file_whatever_it_is_called(tmp_path):
    np.testing.assert_array_equal(read_idx(written(tmp_path, gzip.compress(GOOD)), 3), IMAGES)


def test_values_cannot_be_changed_by_accident(tmp_path):
    assert not read_idx(written(tmp_path, GOOD), 3).flags.writeable


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "received: nothing"),
        (b"PK\x03\x04 a zip", "received: 50 4b 03 04"),
        (struct.pack(">2I", 0x801, 3) + b"abc", "with 3 dimension"),
        (struct.pack(">4I", 0xD03, 2, 3, 4) + bytes(96), "unsigned bytes"),
        (GOOD[:10], "ends inside its header"),
        (GOOD[:-1], "declares 24 values, received: 23"),
        (GOOD + b"x", "declares 24 values, received: more"),
        (struct.pack(">4I", 0x803, 0, 28, 28), "0 × 28 × 28"),
        (struct.pack(">4I", 0x803, *[0xFFFFFFFF] * 3), "4294967295 × 4294967295"),
        (gzip.compress(GOOD)[:-12], "gzip stream is damaged"),
        (gzip.compress(GOOD)[:10] + b"\xff" * 30, "gzip stream is damaged"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "gzip stream is damaged"),
    ],
    ids=[
        "empty",
        "another format",
        "another number of dimensions",
        "another type",
        "cut in the header",
        "one value short",
        "one value more",
        "no images",
        "more than memory",
        "gzip cut off",
        "gzip overwritten",
        "gzip checksum",
    ],
)
def test_refuses_what_is_not_whole(tmp_path, content, complaint):
    with pytest.raises(InputError, match=complaint):
        read_idx(written(tmp_path, content), 3)


def test_a_gzip_bomb_is_read_no_further_than_its_header_declares(tmp_path):
    bomb = gzip.compress(GOOD + bytes(64 << 20))

    with pytest.raises(InputError, match="received: more"):
        read_idx(written(tmp_path, bomb), 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_idx(tmp_path / "absent", 3)


@settings(deadline=None)  # other work on the machine is not a failure
@given(st.binary(max_size=200))
def test_any_bytes_give_an_array_or_a_clear_refusal(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        values = read_idx(path, 1)
    except InputError:
        return
    assert values.dtype == np.uint8

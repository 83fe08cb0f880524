"""Damaged and hostile model files end in an answer or in InputError: soon, and in little memory."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.formats import mnn
from edgecnn.formats.check import check_model_path, read_signature
from edgecnn.formats.id_tables import id_limits
from edgecnn.formats.sizes import elements
from edgecnn.formats.wire.flatbuffer import FlatBuffer
from tests.unit.formats.small_models import (
    adding,
    external_tensor,
    graph,
    node,
    write_onnx,
    write_tflite,
)

CPU_SECONDS = 120.0
"""Of this process alone, far above what any of these take: what has no end is caught."""
MOST_MEMORY = 64 << 20


def read_all(path: Path) -> None:
    """All that looks at a model file before a runtime does."""
    with contextlib.suppress(InputError):
        check_model_path(path)
    with contextlib.suppress(InputError):
        load_artifact(path)
    id_limits(path)
    readers = {".onnx": read_signature, ".tflite": read_signature}
    with contextlib.suppress(InputError):
        readers.get(path.suffix, check_model_path)(path)


def bounded(path: Path) -> None:
    """`read_all` within bounds of time and of memory."""
    before, started = _peak_bytes(), time.process_time()
    read_all(path)
    assert time.process_time() - started < CPU_SECONDS
    assert _peak_bytes() - before < MOST_MEMORY + 8 * path.stat().st_size


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _onnx(folder: Path) -> Path:
    (folder / "weights.bin").write_bytes(bytes(16))
    weights = external_tensor("weights.bin", offset=0, length=16)
    inner = graph([node("Constant", [], ["inner"], value=weights)])
    branch = node("If", ["x"], ["z"], then_branch=inner, else_branch=graph([]))
    nodes = [node("Add", ["x", "weights"], ["y"]), branch, node("Gather", ["weights", "x"], ["q"])]
    return write_onnx(folder / "model.onnx", nodes, initializers=[weights])


def _tflite(folder: Path) -> Path:
    (folder / "weights.bin").write_bytes(bytes(16))
    return write_tflite(folder / "model.tflite", groups=["weights.bin"], external=[(0, 0, 16)])


def _keras(folder: Path) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", '{"class_name": "Functional", "config": {"layers": []}}')
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100))
    return path


BUILDERS: dict[str, Callable[[Path], Path]] = {"onnx": _onnx, "tflite": _tflite, "keras": _keras}
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=BUILDERS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return BUILDERS[request.param](tmp_path)


@FUZZ
@given(
    edits=st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 100_000),
    repeated=st.integers(0, 3),
)
def test_a_mutated_model_is_read_or_refused(
    model: Path, edits: list[tuple[int, int]], cut: int, repeated: int
):
    content = bytearray(model.read_bytes())
    for at, byte in edits:
        content[at % len(content)] = byte
    at = cut % (len(content) + 1)
    content = content[:at] * (repeated + 1) + content[at:] if repeated else content[: at or 1]
    damaged = model.with_name(f"damaged{model.suffix}")
    damaged.write_bytes(content)
    read_all(damaged)


@FUZZ
@given(content=st.binary(min_size=1, max_size=300), kind=st.sampled_from([*BUILDERS, "pt", "h5"]))
@example(content=b"\xff" * 200, kind="onnx")
@example(content=b"\x08\x08" * 100, kind="onnx")
@example(content=b"PK\x05\x06" + bytes(18), kind="keras")
@example(content=b"\x89HDF\r\n\x1a\n", kind="keras")
@example(content=struct.pack("<I", 4) + b"TFL3" + bytes(40), kind="tflite")
def test_any_bytes_are_read_or_refused(content: bytes, kind: str, tmp_path: Path):
    path = tmp_path / f"noise.{kind}"
    path.write_bytes(content)
    read_all(path)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, *varint(value >> 7)]) if value > 0x7F else bytes([value])


def nested(depth: int) -> bytes:
    """A branch inside of a branch …"""
    content = b""
    for _ in range(depth):
        content = field(1, field(5, field(6, content)) + field(4, b"If"))
    return b"\x08\x08" + field(7, content + field(1, b"location")) + field(8, b"\x10\x11")


@pytest.mark.parametrize(
    "content",
    [
        nested(20),
        nested(500),
        b"\x08\x08" + field(7, field(1, b"") * 60_000 + b"location") + field(8, b"\x10\x11"),
        b"\x08\x08" + field(7, field(5, field(1, b"\x01" * 100_000))) + field(8, b"\x10\x11"),
        b"\x08\x08" + field(7, field(5, field(13, b"") * 60_000 + b"location")),
        b"\x08\x08" + field(7, field(11, field(2, field(1, field(2, field(1, b"") * 99_999))))),
        b"\x72\x00" * 200_000,
    ],
)
def test_an_onnx_file_that_is_all_structure_ends_soon(content: bytes, tmp_path: Path):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    bounded(path)


def test_a_tensor_of_a_size_without_end_costs_nothing(tmp_path: Path):
    (tmp_path / "w.bin").write_bytes(bytes(16))
    bounded(adding(tmp_path / "m.onnx", external_tensor("w.bin", shape=[1 << 62] * 400)))


def test_a_tflite_file_whose_codes_share_one_long_name_takes_little_memory(tmp_path: Path):
    import flatbuffers

    builder = flatbuffers.Builder(0)
    name = builder.CreateString("x" * 500_000)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    code = builder.EndObject()
    builder.StartVector(4, 3_000, 4)
    for _ in range(3_000):
        builder.PrependUOffsetTRelative(code)
    codes = builder.EndVector()
    builder.StartObject(10)
    builder.PrependUOffsetTRelativeSlot(1, codes, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(builder.Output()))
    bounded(path)
    with pytest.raises(InputError, match=r"m\.tflite"):
        check_model_path(path)


@pytest.mark.parametrize("shared", ["tensors", "names"])
def test_an_mnn_file_whose_operators_share_long_lists_or_names_is_refused(shared: str):
    import flatbuffers

    builder = flatbuffers.Builder(0)
    name = builder.CreateString("x" * (1 << 20 if shared == "names" else 1))
    builder.StartVector(4, 100_000 if shared == "tensors" else 1, 4)
    for _ in range(100_000 if shared == "tensors" else 1):
        builder.PrependInt32(0)
    ends = builder.EndVector()
    builder.StartObject(6)
    builder.PrependUOffsetTRelativeSlot(0, ends, 0)
    builder.PrependUOffsetTRelativeSlot(3, name, 0)
    operator = builder.EndObject()
    vectors = []
    for item in (operator, name):
        builder.StartVector(4, 100, 4)
        for _ in range(100):
            builder.PrependUOffsetTRelative(item)
        vectors.append(builder.EndVector())
    builder.StartObject(8)
    for slot, vector in zip((3, 7), vectors, strict=True):
        builder.PrependUOffsetTRelativeSlot(slot, vector, 0)
    builder.Finish(builder.EndObject())
    net = mnn.Net(FlatBuffer.whole(bytes(builder.Output())).root())
    with pytest.raises(ValueError, match="more than"):
        _ = net.operators
    if shared == "names":
        with pytest.raises(ValueError, match="its names take more than"):
            _ = net.tensor_names


def test_a_tensor_of_a_million_sizes_is_not_multiplied_out():
    with pytest.raises(ValueError, match="larger than any file"):
        elements([1 << 62] * 1_000_000)
    assert elements([3, 4, 5]) == 60
    assert elements([2, -1]) == 0


@pytest.mark.slow
def test_a_tflite_file_whose_vectors_share_their_tables_ends_soon(tmp_path: Path):
    """3,000 graphs that are one and the same, each with 3,000 tensors that are one."""
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.StartObject(8)
    tensor = builder.EndObject()
    count = 3_000

    def shared(item: int) -> int:
        builder.StartVector(4, count, 4)
        for _ in range(count):
            builder.PrependUOffsetTRelative(item)
        return builder.EndVector()

    tensors = shared(tensor)
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, tensors, 0)
    subgraph = builder.EndObject()
    subgraphs = shared(subgraph)
    codes = shared(tensor)
    builder.StartObject(10)
    builder.PrependUOffsetTRelativeSlot(1, codes, 0)
    builder.PrependUOffsetTRelativeSlot(2, subgraphs, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(builder.Output()))
    bounded(path)


def test_an_archive_with_a_list_of_members_without_end_is_refused_in_little_memory(
    tmp_path: Path,
):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"{number:032}"), b"")
    path = tmp_path / "m.keras"
    path.write_bytes(packed.getvalue())
    del packed
    bounded(path)
    with pytest.raises(InputError, match="not a complete Keras 3"):
        check_model_path(path)


def test_a_large_honest_file_is_looked_at_without_reading_its_weights(tmp_path: Path):
    """64 MB of weights: what is held of them while the file is checked stays below 4 MB."""
    from onnx import numpy_helper

    weights = numpy_helper.from_array(np.zeros((16 << 20,), np.float32), "weights")
    path = adding(tmp_path / "m.onnx", weights)
    del weights
    tracemalloc.start()
    check_model_path(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20

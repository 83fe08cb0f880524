"""Manifests inside model files, read with the standard library."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgecnn.conversion.embedding import embed_manifest
from edgecnn.embedded_manifest import infer_manifest, load_artifact, read_embedded
from edgecnn.errors import InputError
from edgecnn.formats.base import MAX_MANIFEST_BYTES
from edgecnn.formats.keras.manifest import member
from edgecnn.formats.recipes import RECIPES
from edgecnn.manifest import EMBEDDED_KEY, Manifest, sidecar_path, write_manifest
from tests.unit.formats import small_models

MANIFEST = Manifest(task="classification", model="tiny", recipe="float16", labels=("å", "b"))


def write_onnx(path: Path, document: str | None = None) -> Path:
    """A model of one Identity, with a metadata entry of somebody else's."""
    import onnx
    from onnx import TensorProto, helper

    value = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("in", "out")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["in"], ["out"])], "g", value[:1], value[1:]
    )
    model = helper.make_model(graph)
    model.metadata_props.add(key="author", value="someone")
    if document is not None:
        model.metadata_props.add(key=EMBEDDED_KEY, value=document)
    onnx.save(model, str(path))
    return path


def write_tflite(path: Path) -> Path:
    """A model of one addition, with a metadata entry as converters write it."""
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(small_models.write_tflite(path).read_bytes()))
    # The runtime version that is needed, in a buffer of its own.
    model.metadata = [schema.MetadataT(name="min_runtime_version", buffer=len(model.buffers))]
    model.buffers.append(schema.BufferT(data=np.frombuffer(b"1.5.0", np.uint8)))
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


@pytest.fixture(params=["onnx", "tflite"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"model.{request.param}"
    return write_onnx(path) if request.param == "onnx" else write_tflite(path)


def test_what_is_written_inside_is_read_back(bare: Path):
    embed_manifest(bare, MANIFEST)
    assert read_embedded(bare) == MANIFEST


def test_a_file_without_a_manifest_has_none(bare: Path):
    assert read_embedded(bare) is None


def test_a_second_manifest_replaces_the_first(bare: Path):
    embed_manifest(bare, Manifest(model="other"))
    once = bare.stat().st_size
    embed_manifest(bare, MANIFEST)
    embed_manifest(bare, Manifest(model="other"))
    assert read_embedded(bare).model == "other"
    assert abs(bare.stat().st_size - once) < 64


def test_what_others_wrote_inside_stays(tmp_path: Path):
    import onnx

    path = write_onnx(tmp_path / "m.onnx")
    embed_manifest(path, MANIFEST)
    model = onnx.load(str(path))
    assert [entry.key for entry in model.metadata_props] == ["author", EMBEDDED_KEY]


def test_a_keras_archive_carries_it_as_a_member(tmp_path: Path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(member(EMBEDDED_KEY), json.dumps(MANIFEST.to_dict()))
    assert read_embedded(path) == MANIFEST


def test_a_member_that_unpacks_to_too_much_is_left_alone(tmp_path: Path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member(EMBEDDED_KEY), " " * (MAX_MANIFEST_BYTES + 1))
    assert read_embedded(path) is None


@pytest.mark.parametrize("document", ["not json", "[1, 2]", '{"schema_version": 999}', "{}"])
def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path: Path, document: str):
    path = write_onnx(tmp_path / "m.onnx", document)
    with pytest.raises(InputError):
        read_embedded(path)


def test_reading_needs_neither_onnx_nor_flatbuffers_nor_numpy_runtimes(bare: Path):
    embed_manifest(bare, MANIFEST)
    code = (
        "import sys; from pathlib import Path; from edgecnn.embedded_manifest import load_artifact;"
        f"assert load_artifact(Path({str(bare)!r})).manifest.model == 'tiny';"
        "print([m for m in ('onnx', 'flatbuffers', 'ai_edge_litert', 'onnxruntime', 'tensorflow')"
        " if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_sidecar_counts_more_than_what_is_inside(bare: Path):
    embed_manifest(bare, Manifest(model="inside"))
    write_manifest(bare, MANIFEST)
    assert load_artifact(bare).manifest == MANIFEST


def test_without_a_sidecar_the_manifest_inside_counts(bare: Path):
    embed_manifest(bare, MANIFEST)
    artifact = load_artifact(bare)
    assert artifact.manifest == MANIFEST
    assert artifact.size_bytes == bare.stat().st_size


def test_a_sidecar_of_other_bytes_is_an_error(bare: Path):
    write_manifest(bare, MANIFEST)
    embed_manifest(bare, Manifest(model="changed"))
    with pytest.raises(InputError, match="not the file its manifest describes"):
        load_artifact(bare)
    sidecar_path(bare).unlink()
    assert load_artifact(bare).manifest.model == "changed"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("mobilenet_static_int8.onnx", "mobilenet"),
        ("mobilenet.onnx", "mobilenet"),
        ("net-float16.onnx", "net"),
        ("int16x8.onnx", "int16x8"),
    ],
)
def test_a_foreign_file_gets_an_inferred_manifest(tmp_path: Path, name: str, model: str):
    found = load_artifact(write_onnx(tmp_path / name)).manifest
    assert (found.model, found.inferred) == (model, True)
    assert found.recipe == ""  # it stores nothing: what it is called says nothing


def test_a_missing_file_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        load_artifact(tmp_path / "absent.onnx")


def read_or_refuse(path: Path) -> None:
    """Hostile bytes end in a manifest, in None or in InputError; any other end is a bug."""
    with contextlib.suppress(InputError):
        read_embedded(path)


FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.binary(max_size=300), suffix=st.sampled_from([".onnx", ".tflite", ".keras"]))
@example(data=b"", suffix=".onnx")
@example(data=b"\xff" * 64, suffix=".onnx")
@example(data=b"\xff" * 64, suffix=".tflite")
@example(data=b"PK\x03\x04" + b"\0" * 40, suffix=".keras")
def test_arbitrary_bytes_never_crash_the_reader(tmp_path: Path, data: bytes, suffix: str):
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(data)
    read_or_refuse(path)


@FUZZ
@given(
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    keep=st.floats(0, 1),
)
def test_a_damaged_or_truncated_file_never_crashes_the_reader(
    bare: Path, edits: list[tuple[int, int]], keep: float
):
    embed_manifest(bare, MANIFEST)
    data = bytearray(bare.read_bytes())
    for at, value in edits:
        data[at % len(data)] = value
    damaged = bare.with_name(f"damaged{bare.suffix}")
    damaged.write_bytes(data[: int(keep * len(data))])
    read_or_refuse(damaged)


def test_an_onnx_of_countless_empty_fields_ends_soon(tmp_path: Path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x72\x00" * 5_000_000)  # metadata_props of length 0
    assert read_embedded(path) is None


def test_a_tflite_whose_tables_point_at_themselves_ends_soon(tmp_path: Path):
    # Root at 8; its vtable lies at 8 too, and all fields lead back to it.
    path = tmp_path / "m.tflite"
    loop = struct.pack("<I4siHH", 8, b"TFL3", 0, 4, 4) + struct.pack("<H", 0) * 200
    path.write_bytes(loop)
    read_or_refuse(path)
    path.write_bytes(struct.pack("<I4s", 8, b"TFL3") + b"\x00\x00\x00\x00" * 1000)
    read_or_refuse(path)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_foreign_file_s_model_is_its_name_without_any_recipe(tmp_path: Path, recipe: str):
    path = small_models.write_tflite(tmp_path / f"net_{recipe}.tflite")
    assert infer_manifest(path).model == "net"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("net_float32.ncnn.param", "net"),
        ("net.ncnn.param", "net"),
        ("net.onnx", "net"),
        ("int8.tflite", "int8"),
        ("float32.tflite", "float32"),
    ],
)
def test_a_foreign_file_s_model_is_its_name_without_its_format(
    name: str, model: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edgecnn.embedded_manifest.recipe_in", lambda _: "")
    assert infer_manifest(Path(name)).model == model

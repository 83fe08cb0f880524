"""What other tools write into their files is read as text by strangers."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.formats.metadata import NOTHING, class_names, literal, read_metadata
from tests.unit.formats.small_models import identity, write_tflite

onnx = pytest.importorskip("onnx", reason="files are written with onnx")

NAMES = {0: "person", 1: "stop sign"}


def with_props(path, **props):
    model = onnx.load(identity(path))
    for key, value in props.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def with_archive(path, **files):
    """A .tflite file with a zip archive at its end, as task libraries and Ultralytics write it."""
    content = write_tflite(path).read_bytes()
    buffer = io.BytesIO(content)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    path.write_bytes(buffer.getvalue())
    return path


def test_ultralytics_texts_in_an_onnx_file(tmp_path):
    path = with_props(
        tmp_path / "m.onnx", names=str(NAMES), stride="32", imgsz="[480, 640]", task="detect"
    )

    about = read_metadata(path)

    assert about.names == ("person", "stop sign")
    assert about.strides == (8, 16, 32)
    assert about.image_size == (480, 640)
    assert (about.task, about.maker, about.end_to_end) == ("detect", "Ultralytics", False)
    assert read_metadata(
        with_props(tmp_path / "e.onnx", names=str(NAMES), end2end="True")
    ).end_to_end


@pytest.mark.parametrize(
    "files",
    [
        {"metadata__json": json.dumps({"names": NAMES, "stride": 32, "task": "detect"})},
        {"temp_meta__txt": str({"names": NAMES, "stride": 32, "task": "detect"})},
    ],
    ids=["json", "literal"],
)
def test_ultralytics_archive_behind_a_tflite_file(tmp_path, files):
    about = read_metadata(with_archive(tmp_path / "m.tflite", **files))

    assert about.names == ("person", "stop sign")
    assert about.maker == "Ultralytics"


def test_a_file_of_labels_behind_a_tflite_file(tmp_path):
    path = with_archive(tmp_path / "m.tflite", labelmap__txt="???\nperson\nbicycle\n")

    assert read_metadata(path).names == ("???", "person", "bicycle")


def test_files_without_metadata_say_nothing(tmp_path):
    assert read_metadata(identity(tmp_path / "m.onnx")) == NOTHING
    assert read_metadata(write_tflite(tmp_path / "m.tflite")) == NOTHING
    assert read_metadata(tmp_path / "absent.onnx") == NOTHING
    (tmp_path / "m.keras").write_bytes(b"PK")
    assert read_metadata(tmp_path / "m.keras") == NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch it-ran')",
        "{0: 'a', 2: 'b'}",  # a number is missing
        "{0: 'a', 1: 3}",
        "[" * 10_000 + "]" * 10_000,
        "-" * 100_000 + "1",
        "1" * 100_000,
        "'a' * 10**9",
        "",
        "\x00",
    ],
)
def test_names_that_are_none_are_left_out(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    about = read_metadata(with_props(tmp_path / "m.onnx", names=text, stride=text, imgsz=text))

    assert about.names == ()
    assert about.image_size is None
    assert not (tmp_path / "it-ran").exists()


def test_a_name_loses_its_control_characters():
    assert class_names(["a\x1b[31mb", "c\n"]) == ("a[31mb", "c")


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text):
    class_names(literal(text))


@given(st.binary(max_size=300))
def test_no_bytes_behind_a_model_break_the_reader(tail):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = write_tflite(Path(folder) / "m.tflite")
        path.write_bytes(path.read_bytes() + b"PK\x05\x06" + tail)
        assert read_metadata(path).names == ()


def with_postprocessing(path, outputs):
    """A graph of one custom operator with four outputs, which the model lists in another order."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def made(name, shape):
        return schema.TensorT(shape=np.asarray(shape, np.int32), name=name, buffer=0)

    tensors = [made("locations", (1, 20, 4)), made("scores", (1, 20, 91)), made("anchors", (20, 4))]
    tensors += [made(name, (1, 10)) for name in ("boxes", "classes", "best", "count")]
    graph = schema.SubGraphT(
        tensors=tensors,
        inputs=np.asarray([0, 1], np.int32),
        outputs=np.asarray(outputs, np.int32),
        operators=[
            schema.OperatorT(
                opcodeIndex=0,
                inputs=np.asarray([0, 1, 2], np.int32),
                outputs=np.asarray([3, 4, 5, 6], np.int32),
            )
        ],
    )
    code = schema.OperatorCodeT(
        builtinCode=schema.BuiltinOperator.CUSTOM,
        deprecatedBuiltinCode=schema.BuiltinOperator.CUSTOM,
        customCode="TFLite_Detection_PostProcess",
    )
    model = schema.ModelT(
        version=3, operatorCodes=[code], subgraphs=[graph], buffers=[schema.BufferT()]
    )
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_the_graph_says_which_output_of_the_post_processing_is_which(tmp_path):
    about = read_metadata(with_postprocessing(tmp_path / "m.tflite", [5, 3, 6, 4]))

    assert about.parts == (1, 3, 0, 2)
    assert about.scored_classes == 91


def test_a_graph_that_goes_on_behind_the_post_processing_says_nothing(tmp_path):
    assert read_metadata(with_postprocessing(tmp_path / "m.tflite", [5, 3, 6])).parts == ()

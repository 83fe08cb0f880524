"""What an exporter did between the last convolutions and the output, read off the graph."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.formats.metadata import NOTHING, read_metadata
from tests.unit.detection.small_detectors import write_detector
from tests.unit.formats.small_models import identity, write_tflite

onnx = pytest.importorskip("onnx", reason="files are written with onnx")

COLUMNS = 7


def detector(path, target, *, sigmoid=False, turned=False):
    """Two maps of convolutions, each reshaped to `target(cells)`, one behind the other."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, rows = [], {}, []
    for number, kernel in enumerate((8, 16)):
        cells = (64 // kernel) ** 2
        for part, channels in (("boxes", 4), ("scores", COLUMNS - 4)):
            weights = np.zeros((channels, 3, kernel, kernel), np.float32)
            constants[f"{part}{number}"] = weights
            nodes.append(
                helper.make_node(
                    "Conv", ["x", f"{part}{number}"], [f"{part}_{number}"], strides=(kernel, kernel)
                )
            )
        scores = f"scores_{number}"
        if sigmoid:
            nodes.append(helper.make_node("Sigmoid", [scores], [f"shares_{number}"]))
            scores = f"shares_{number}"
        nodes.append(
            helper.make_node("Concat", [f"boxes_{number}", scores], [f"m{number}"], axis=1)
        )
        source = f"m{number}"
        if turned:
            nodes.append(helper.make_node("Transpose", [source], [f"t{number}"], perm=(0, 2, 3, 1)))
            source = f"t{number}"
        constants[f"target{number}"] = np.asarray(target(cells), np.int64)
        nodes.append(helper.make_node("Reshape", [source, f"target{number}"], [f"r{number}"]))
        rows.append(f"r{number}")
    nodes.append(helper.make_node("Concat", rows, ["all"], axis=0))
    nodes.append(helper.make_node("Transpose", ["all"], ["y"], perm=(2, 0, 1)))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 64, 64))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


def cells_first(cells):
    return (cells, COLUMNS, 1)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_maps_that_were_never_turned_are_seen(tmp_path, sigmoid):
    path = detector(tmp_path / "m.onnx", cells_first, sigmoid=sigmoid)

    about = read_metadata(path)
    assert (about.unturned, about.plain) == (True, not sigmoid)


def test_maps_that_were_turned_or_keep_their_columns_first_are_well(tmp_path):
    turned = detector(tmp_path / "t.onnx", cells_first, turned=True)
    kept = detector(tmp_path / "k.onnx", lambda _: (COLUMNS, -1, 1))

    assert not read_metadata(turned).unturned
    assert (read_metadata(kept).unturned, read_metadata(kept).plain) == (False, True)


def test_other_files_say_nothing(tmp_path):
    assert read_metadata(identity(tmp_path / "i.onnx")) == NOTHING
    assert read_metadata(write_detector(tmp_path / "d.onnx")) == NOTHING
    assert read_metadata(write_tflite(tmp_path / "m.tflite")) == NOTHING
    (tmp_path / "broken.onnx").write_bytes(b"\x3a\xff\xff")
    assert read_metadata(tmp_path / "broken.onnx") == NOTHING

"""Boxes and scores in one output: int8 keeps both by leaving the join in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecnn.data
from edgecnn.conversion.convert import convert, open_converter
from edgecnn.conversion.inference.activations import GraphOperator
from edgecnn.conversion.quantizers.float_tail import tail_of
from edgecnn.conversion.recipe import PRESETS
from edgecnn.conversion.targets import Target

onnx = pytest.importorskip("onnx", reason="the detector is an ONNX file")
pytest.importorskip("onnxruntime", reason="ONNX Runtime's tools quantize")

RNG = np.random.default_rng(0)


def detector(path: Path, *, joined: bool) -> Path:
    """`joined`: one convolution gives boxes and scores, so that nothing behind it divides them."""
    from onnx import TensorProto, helper, numpy_helper

    boxes = RNG.normal(0, 60, (4, 8, 1, 1))
    scores = RNG.normal(0, 0.02, (2, 8, 1, 1))
    constants = {"w": RNG.normal(0, 0.4, (8, 3, 3, 3))}
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    if joined:
        constants["both"] = np.concatenate([boxes, scores])
        nodes.append(helper.make_node("Conv", ["b", "both"], ["y"]))
    else:
        constants |= {"boxes": boxes, "scores": scores}
        nodes += [
            helper.make_node("Conv", ["b", "boxes"], ["c"]),
            helper.make_node("Conv", ["b", "scores"], ["d"]),
            helper.make_node("Sigmoid", ["d"], ["e"], name="chance"),
            helper.make_node("Concat", ["c", "e"], ["y"], name="both", axis=1),
        ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, 6, 6])],
        [
            numpy_helper.from_array(each.astype(np.float32), name)
            for name, each in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture
def data(tmp_path: Path):
    np.savez(tmp_path / "x.npz", x=RNG.normal(0, 1, (24, 3, 8, 8)).astype(np.float32))
    return edgecnn.data.load(f"npz:{tmp_path / 'x.npz'}")


def test_the_join_stays_in_float_and_is_named(tmp_path: Path, data):
    path = detector(tmp_path / "net.onnx", joined=False)
    (outcome,) = convert(path, "onnx:static_int8", calibration=data, out=tmp_path / "art")
    assert outcome.artifact is not None, outcome.error
    assert not any(part.lost for part in outcome.parity.parts)
    (note,) = [note for note in outcome.notes if "stay float32" in note]
    assert "Sigmoid e" in note
    assert "Concat y" in note
    kinds = {node.op_type for node in onnx.load(str(outcome.artifact.path)).graph.node}
    assert {"QuantizeLinear", "Concat"} <= kinds
    assert outcome.artifact.manifest.recipe == "static_int8"


def test_a_second_conversion_finds_the_file(tmp_path: Path, data):
    path = detector(tmp_path / "net.onnx", joined=False)
    for status in ("converted", "reused"):
        (outcome,) = convert(path, "onnx:static_int8", calibration=data, out=tmp_path / "art")
        assert outcome.status == status


def test_what_one_convolution_gives_stays_lost_and_says_so(tmp_path: Path, data):
    path = detector(tmp_path / "net.onnx", joined=True)
    (outcome,) = convert(path, "onnx:static_int8", calibration=data, out=tmp_path / "art")
    assert any(part.lost for part in outcome.parity.parts)
    assert not any("stay float32" in note for note in outcome.notes)
    assert any("lost" in note for note in outcome.notes)
    assert any("most is added by" in note and "y (Conv)" in note for note in outcome.notes)


WHOLE = Target.of("onnx", PRESETS["static_int8"])
REPAIRED = Target.of("onnx", PRESETS["static_int8"].keeping({"b": "float32"}))


def quantized(path: Path) -> list[tuple[str, ...]]:
    """The values of a file that are brought to integers."""
    nodes = onnx.load(str(path)).graph.node
    return sorted(tuple(node.output) for node in nodes if node.op_type == "QuantizeLinear")


def test_a_recipe_that_keeps_layers_in_float_keeps_the_join_there_too(tmp_path: Path, data):
    path = detector(tmp_path / "net.onnx", joined=False)
    (repaired,) = convert(path, REPAIRED, calibration=data, out=tmp_path / "art")
    assert repaired.artifact is not None, repaired.error
    assert not any(part.lost for part in repaired.parity.parts)
    assert any("Concat y" in note for note in repaired.notes)
    in_integers = [values[0] for values in quantized(repaired.artifact.path)]
    assert not any(value.startswith(("e_", "y_")) for value in in_integers)


def test_a_join_that_the_recipe_speaks_of_is_not_spoken_of_again(tmp_path: Path, data):
    path = detector(tmp_path / "net.onnx", joined=False)
    spoken = Target.of("onnx", PRESETS["static_int8"].keeping({"e": "float32", "y": "float32"}))
    (outcome,) = convert(path, spoken, calibration=data, out=tmp_path / "art")
    assert not any(part.lost for part in outcome.parity.parts)
    assert not any("stay float32" in note for note in outcome.notes)


@pytest.mark.parametrize("made_before", [True, False])
def test_the_bare_file_has_the_graph_that_is_shipped(tmp_path: Path, data, made_before: bool):
    path = detector(tmp_path / "net.onnx", joined=False)
    shipped = {}
    with open_converter(path, calibration=data, out=tmp_path / "art") as converter:
        targets = {"whole": WHOLE, "repaired": REPAIRED}
        if made_before:
            shipped = {name: converter.make(each).artifact for name, each in targets.items()}
        for name, target in targets.items():
            converter.write(target, tmp_path / f"{name}.onnx")
        shipped = shipped or {name: converter.make(each).artifact for name, each in targets.items()}
    for name, artifact in shipped.items():
        assert artifact is not None
        bare = tmp_path / f"{name}.onnx"
        assert quantized(bare) == quantized(artifact.path)
        assert not any(values[0].startswith("y") for values in quantized(bare))


def test_the_tail_is_what_no_weights_follow():
    graph = [
        GraphOperator("Conv", ("x",), ("a",)),
        GraphOperator("Relu", ("a",), ("b",)),
        GraphOperator("Conv", ("b",), ("c",)),
        GraphOperator("Sigmoid", ("c",), ("d",)),
        GraphOperator("Concat", ("d", "b"), ("y",)),
    ]
    assert [operator.kind for operator in tail_of(graph)] == ["Sigmoid", "Concat"]

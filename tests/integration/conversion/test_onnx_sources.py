"""ONNX files that others made, on their way to quantized files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecnn.conversion.convert import convert
from edgecnn.conversion.rewriting.onnx import plain_form
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.manifest import digest_of
from tests.integration.conversion import foreign

RECIPES = ("float32", "float16", "dynamic_int8", "static_int8")
ALL = ",".join(f"onnx:{recipe}" for recipe in RECIPES)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return foreign.images()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data: Dataset):
    """The network and what became of it: (parent, outcomes by recipe)."""
    folder = tmp_path_factory.mktemp("onnx")
    parent = foreign.network(folder / "net.onnx", batch="batch")
    outcomes = convert(
        parent, ALL, calibration=data, out=folder / "art", preprocessing="raw", samples=32
    )
    return parent, {outcome.target.recipe: outcome for outcome in outcomes}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_made_and_answers_as_its_parent(made, recipe: str):
    parent, outcomes = made
    outcome = outcomes[recipe]
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    manifest = load_artifact(outcome.artifact.path).manifest
    assert manifest.recipe == recipe
    assert manifest.parent_sha256 == digest_of(parent)[0]
    assert manifest.preprocessing is not None
    assert [spec.name for spec in manifest.inputs] == ["images"]
    assert manifest.inputs[0].shape == (None, 3, foreign.SIZE, foreign.SIZE)
    assert manifest.inputs[0].layout == "NCHW"
    assert outcome.parity.top1_agreement == 1
    assert outcome.parity.snr_db is None or outcome.parity.snr_db > 20


@pytest.mark.parametrize("recipe", ["float32", "static_int8"])
def test_any_parent_is_found_by_its_digest_and_passes_the_gate(made, data, recipe: str):
    _, outcomes = made
    found = verify_artifact(outcomes[recipe].artifact.path, dataset=data)
    assert found.passed
    assert found.parent_accuracy.value == found.accuracy.value == 1
    assert "0…255" in found.fed.sentence


def test_another_model_is_not_taken_for_the_parent(made, tmp_path: Path):
    _, outcomes = made
    other = foreign.network(tmp_path / "other.onnx", opset=16)
    with pytest.raises(InputError, match="not the parent"):
        verify_artifact(outcomes["float32"].artifact.path, parent=other)


def one(path: Path, out: Path, target: str = "onnx:float32", **more):
    (outcome,) = convert(path, target, out=out, samples=8, **more)
    return outcome


@pytest.mark.parametrize(
    "kind",
    [{"listed": True, "ir": 3}, {"external": True}, {"dtype": np.float16}, {"batch": 4}],
    ids=["weights-listed", "weights-elsewhere", "half", "fixed-batch"],
)
def test_files_of_many_makes_are_quantized(tmp_path: Path, data: Dataset, kind):
    path = foreign.network(tmp_path / "net.onnx", **kind)
    outcome = one(path, tmp_path / "art", "onnx:static_int8", calibration=data, preprocessing="raw")
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert outcome.parity.n == 8
    assert outcome.parity.top1_agreement == 1
    assert sorted(file.suffix for file in (tmp_path / "art").iterdir()) == [".json", ".onnx"]
    assert digest_of(path)[0] == outcome.artifact.manifest.parent_sha256


@pytest.mark.parametrize(
    ("kind", "because"),
    [({"rescales": True}, "begins with"), ({"pixels": True}, "its input is uint8")],
    ids=["rescales-inside", "takes-uint8"],
)
def test_pixels_go_in_as_they_are_where_the_model_wants_them_so(
    tmp_path: Path, data: Dataset, kind, because: str
):
    path = foreign.network(tmp_path / "net.onnx", **kind)
    outcome = one(path, tmp_path / "art", "onnx:static_int8", calibration=data)
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert outcome.parity.top1_agreement == 1
    assert "0…255" in outcome.fed.sentence
    assert because in outcome.fed.sentence
    found = verify_artifact(outcome.artifact.path, parent=path, dataset=data)
    assert found.accuracy.value == 1


def test_open_sizes_are_asked_for_by_name_and_kept(tmp_path: Path):
    path = foreign.network(tmp_path / "open.onnx", batch="n", size="side")
    with pytest.raises(InputError) as caught:
        one(path, tmp_path / "art")
    assert "--shape images=" in caught.value.hint
    outcome = one(path, tmp_path / "art", shape="images=1x3x16x16")
    assert outcome.artifact.manifest.inputs[0].shape == (None, 3, 16, 16)
    found = verify_artifact(outcome.artifact.path, shape="images=1x3x16x16")
    assert found.parity.max_abs_error == 0


def test_several_inputs_and_outputs_keep_names_and_order(tmp_path: Path):
    nodes = [
        helper.make_node("Add", ["zebra", "apple"], ["sum"], name="add"),
        helper.make_node("Sub", ["zebra", "apple"], ["difference"], name="sub"),
    ]
    sizes = {"zebra": (1, 5), "apple": (1, 5)}
    path = foreign.save(tmp_path / "two.onnx", nodes, sizes, {"sum": (1, 5), "difference": (1, 5)})
    outcome = one(path, tmp_path / "art", "onnx:float16")
    manifest = outcome.artifact.manifest
    assert [spec.name for spec in manifest.inputs] == ["zebra", "apple"]
    assert [spec.name for spec in manifest.outputs] == ["sum", "difference"]
    assert outcome.parity.cosine > 0.9999


def test_data_for_several_inputs_are_refused_with_their_names(tmp_path: Path, data: Dataset):
    nodes = [helper.make_node("Add", ["zebra", "apple"], ["sum"], name="add")]
    sizes = {"zebra": (1, 12, 12, 3), "apple": (1, 12, 12, 3)}
    path = foreign.save(tmp_path / "two.onnx", nodes, sizes, {"sum": (1, 12, 12, 3)})
    with pytest.raises(InputError, match=r"2 inputs.*zebra.*apple"):
        one(path, tmp_path / "art", "onnx:static_int8", calibration=data, preprocessing="raw")


def test_a_made_file_keeps_the_name_of_its_model_and_never_takes_its_own_place(
    made, tmp_path: Path
):
    _, outcomes = made
    path = outcomes["float32"].artifact.path
    outcome = one(path, tmp_path / "art", "onnx:float16")
    assert outcome.artifact.path.name == "net_float16.onnx"
    before = path.read_bytes()
    with pytest.raises(InputError, match="is the model itself"):
        one(path, path.parent, "onnx:float32", force=True)
    assert path.read_bytes() == before


def test_a_quantized_file_is_not_quantized_again(made, tmp_path: Path):
    _, outcomes = made
    outcome = one(outcomes["static_int8"].artifact.path, tmp_path / "art", "onnx:dynamic_int8")
    assert outcome.status == "unsupported"
    assert "static_int8 already" in outcome.error


def test_an_opset_is_lowered_and_that_is_said(tmp_path: Path):
    model = onnx.load(str(foreign.network(tmp_path / "net.onnx", opset=18, ir=10)))
    changed, notes = plain_form.lowered(model, ir=8, opset=15, runtime="X 1")
    assert plain_form.opset_of(changed) == 15
    assert changed.ir_version == 8
    said = " ".join(notes)
    for number in ("opset 18", "opset 15", "IR 10", "up to 8"):
        assert number in said


def test_an_opset_too_old_for_the_runtime_is_raised(tmp_path: Path):
    node = helper.make_node("Mul", ["x", "factor"], ["y"], name="double", broadcast=1)
    path = foreign.save(
        tmp_path / "old.onnx", [node], {"x": (1, 4)}, {"y": (1, 4)},
        {"factor": np.full(4, 2, np.float32)}, opset=6, ir=3, listed=True,
    )  # fmt: skip
    outcome = one(path, tmp_path / "art")
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert any("opset 6" in note for note in outcome.notes)


@pytest.mark.parametrize("dtype", ["BFLOAT16", "DOUBLE"])
def test_floats_that_the_runtime_does_not_convolve_become_float32(dtype: str, tmp_path: Path):
    kind = getattr(TensorProto, dtype)
    weights = helper.make_tensor("w", kind, (2, 1, 3, 3), np.arange(18) / 16)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "wide",
        [helper.make_tensor_value_info("x", kind, (1, 1, 5, 5))],
        [helper.make_tensor_value_info("y", kind, (1, 2, 3, 3))],
        [weights],
    )
    opset = helper.make_opsetid("", 22)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), tmp_path / "m.onnx")
    outcome = one(tmp_path / "m.onnx", tmp_path / "art")
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert any("float32" in note for note in outcome.notes)


def test_functions_that_a_file_brings_become_part_of_its_graph(tmp_path: Path):
    inner = [helper.make_node("Relu", ["a"], ["b"])]
    opset = helper.make_opsetid("", 18)
    function = helper.make_function("acme", "Block", ["a"], ["b"], inner, [opset])
    graph = helper.make_graph(
        [helper.make_node("Block", ["x"], ["y"], domain="acme")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))],
    )
    imports = [opset, helper.make_opsetid("acme", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    outcome = one(tmp_path / "net.onnx", tmp_path / "art")
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert [node.op_type for node in onnx.load(str(outcome.artifact.path)).graph.node] == ["Relu"]


@pytest.mark.parametrize("flat", [True, False])
def test_sparse_weights_become_dense_ones(flat: bool, tmp_path: Path):
    values = np.asarray([1.5, -2.0, 0.5], np.float32)
    places = np.asarray([1, 6, 11] if flat else [[0, 1], [1, 2], [2, 3]])
    sparse = helper.make_sparse_tensor(
        onnx.numpy_helper.from_array(values, "w"), onnx.numpy_helper.from_array(places), (3, 4)
    )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "sparse",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))],
        sparse_initializer=[sparse],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "sparse.onnx"
    onnx.save(model, str(path))
    outcome = one(path, tmp_path / "art")
    assert outcome.status == "converted", (outcome.error, outcome.hint)
    assert outcome.parity.max_abs_error < 1e-6
    (weights,) = onnx.load(str(outcome.artifact.path)).graph.initializer
    assert list(weights.dims) == [3, 4]


def test_shapes_in_a_second_file_are_read(tmp_path: Path):
    node = helper.make_node("Reshape", ["x", "sizes"], ["y"])
    path = foreign.save(
        tmp_path / "net.onnx", [node], {"x": (1, 6)}, {"y": (1, 2, 3)},
        {"sizes": np.asarray([1, 2, 3])},
    )  # fmt: skip
    model = onnx.load(str(path))
    onnx.save(model, path, save_as_external_data=True, location="all.bin", size_threshold=0)
    outcome = one(path, tmp_path / "art")
    assert outcome.status == "converted", (outcome.error, outcome.hint)


def test_an_opset_that_cannot_be_lowered_is_told_by_both_numbers(tmp_path: Path):
    node = helper.make_node("Gelu", ["x"], ["y"], name="gelu")
    path = foreign.save(tmp_path / "gelu.onnx", [node], {"x": (1, 4)}, {"y": (1, 4)}, opset=20)
    with pytest.raises(UnsupportedError) as caught:
        plain_form.lowered(onnx.load(str(path)), ir=None, opset=17, runtime="X 1")
    assert "opset 20" in caught.value.message
    assert "17" in caught.value.message


def test_an_operator_that_the_runtime_does_not_know_is_named_with_its_layer(tmp_path: Path):
    node = helper.make_node("Sparkle", ["x"], ["y"], name="shiny_7", domain="acme")
    graph = helper.make_graph(
        [node],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    path = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), str(path))
    with pytest.raises(UnsupportedError, match=r"Sparkle.*shiny_7"):
        one(path, tmp_path / "art")


def test_without_its_environment_a_tflite_target_names_the_command(
    made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    parent, _ = made
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))
    tflite, again = convert(parent, "tflite:float32,onnx:float32", out=tmp_path / "art", samples=8)
    assert tflite.artifact is None
    assert "onnx2tf" in tflite.error
    assert "edgecnn env create onnx2tf" in tflite.hint
    assert again.status == "converted"
    assert not (tmp_path / "home").exists()

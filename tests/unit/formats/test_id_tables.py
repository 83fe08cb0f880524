"""Ids stay below the tables that they are looked up in, whatever lies between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.formats.id_tables import id_limits

ROWS = 30


def onnx_file(
    path: Path,
    nodes: Sequence[Any],
    *,
    rows: Sequence[int] = (ROWS,),
    names: Sequence[str] = ("ids",),
    constants: dict[str, Any] | None = None,
    functions: Sequence[Any] = (),
) -> Path:
    """A model of int64 ids (1, 4) with tables "table0", "table1" … and one output "out"."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tables = [
        numpy_helper.from_array(np.zeros((count, 2), np.float32), f"table{number}")
        for number, count in enumerate(rows)
    ]
    more = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, TensorProto.INT64, [1, 4]) for name in names],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [*tables, *more],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    onnx.save(helper.make_model(graph, functions=functions, opset_imports=opsets), path)
    return path


def node(*arguments: Any, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(*arguments, **attributes)


def look_up(ids: str = "ids", table: str = "table0", out: str = "out") -> Any:
    return node("Gather", [table, ids], [out])


BETWEEN: dict[str, Callable[[], tuple[list[Any], dict[str, Any], int]]] = {
    "nothing": lambda: ([look_up()], {}, ROWS),
    "a cast": lambda: ([node("Cast", ["ids"], ["a"], to=6), look_up("a")], {}, ROWS),
    "a reshape": lambda: (
        [node("Reshape", ["ids", "to"], ["a"]), look_up("a")],
        {"to": np.array([4, 1])},
        ROWS,
    ),
    "two steps": lambda: (
        [node("Cast", ["ids"], ["a"], to=6), node("Flatten", ["a"], ["b"]), look_up("b")],
        {},
        ROWS,
    ),
    "a constant added": lambda: (
        [node("Add", ["ids", "two"], ["a"]), look_up("a")],
        {"two": np.array(2)},
        ROWS - 2,
    ),
    "a constant taken away": lambda: (
        [node("Sub", ["ids", "two"], ["a"]), look_up("a")],
        {"two": np.array(2)},
        ROWS,
    ),
    "negative ids counted from the end": lambda: (
        [
            node("Less", ["ids", "zero"], ["below"]),
            node("Add", ["ids", "rows"], ["a"]),
            node("Where", ["below", "a", "ids"], ["b"]),
            look_up("b"),
        ],
        {"zero": np.array(0), "rows": np.array(ROWS)},
        ROWS,
    ),
    "a dequantized table": lambda: (
        [
            node("DequantizeLinear", ["stored", "scale"], ["wide"]),
            node("Gather", ["wide", "ids"], ["out"]),
        ],
        {"stored": np.zeros((7, 2), np.int8), "scale": np.float32(0.1)},
        7,
    ),
    "a turned table": lambda: (
        [node("Transpose", ["wide"], ["tall"]), node("Gather", ["tall", "ids"], ["out"])],
        {"wide": np.zeros((2, 9), np.float32)},
        9,
    ),
    "another axis": lambda: (
        [node("Gather", ["wide", "ids"], ["out"], axis=1)],
        {"wide": np.zeros((2, 9), np.float32)},
        9,
    ),
    "one-hot": lambda: (
        [node("OneHot", ["ids", "depth", "values"], ["out"])],
        {"depth": np.array(11), "values": np.zeros(2, np.float32)},
        11,
    ),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_a_table_of_an_onnx_file_is_found_behind(between: str, tmp_path: Path):
    nodes, constants, expected = BETWEEN[between]()
    assert id_limits(onnx_file(tmp_path / "m.onnx", nodes, constants=constants)) == (expected,)


def test_the_smallest_of_several_tables_counts(tmp_path: Path):
    nodes = [look_up(out="a"), look_up(table="table1", out="b"), node("Add", ["a", "b"], ["out"])]
    assert id_limits(onnx_file(tmp_path / "m.onnx", nodes, rows=(30, 5))) == (5,)


def test_each_input_has_its_own_table(tmp_path: Path):
    nodes = [
        look_up("words", out="a"),
        look_up("places", "table1", "b"),
        node("Add", ["a", "b"], ["out"]),
    ]
    path = onnx_file(tmp_path / "m.onnx", nodes, rows=(30, 5), names=("words", "unused", "places"))
    assert id_limits(path) == (30, None, 5)


def test_a_table_inside_of_a_branch_is_found(tmp_path: Path):
    from onnx import TensorProto, helper

    out = [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)]
    branch = helper.make_graph([look_up(out="inner")], "branch", [], out)
    nodes = [
        node("ReduceMax", ["ids"], ["most"], keepdims=0),
        node("Cast", ["most"], ["any"], to=9),
        node("If", ["any"], ["out"], then_branch=branch, else_branch=branch),
    ]
    assert id_limits(onnx_file(tmp_path / "m.onnx", nodes)) == (ROWS,)


def test_a_table_inside_of_a_function_is_found(tmp_path: Path):
    from onnx import helper

    function = helper.make_function(
        "own",
        "Embed",
        ["rows", "words"],
        ["found"],
        [node("Gather", ["rows", "words"], ["found"])],
        [helper.make_opsetid("", 17)],
    )
    nodes = [node("Embed", ["table0", "ids"], ["out"], domain="own")]
    assert id_limits(onnx_file(tmp_path / "m.onnx", nodes, functions=[function])) == (ROWS,)


def test_an_input_that_is_multiplied_first_reaches_no_table(tmp_path: Path):
    nodes = [node("Mul", ["ids", "two"], ["a"]), look_up("a")]
    path = onnx_file(tmp_path / "m.onnx", nodes, constants={"two": np.array(2)})
    assert id_limits(path) == (None,)


@pytest.fixture(scope="module")
def two_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Keras model of two inputs: words (table of 30) and a place (a table of 5 inside)."""
    import keras

    words = keras.Input((4,), dtype="int32", name="words")
    places = keras.Input((4,), dtype="int32", name="places")
    inside = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(5, 3)])
    looked_up = keras.layers.Embedding(30, 3)(keras.layers.Reshape((2, 2))(words))
    first = keras.layers.Flatten()(looked_up)
    second = keras.layers.Flatten()(inside(places))
    out = keras.layers.Dense(2)(keras.layers.Concatenate()([first, second]))
    path = tmp_path_factory.mktemp("keras") / "two.keras"
    keras.Model([words, places], out).save(path)
    return path


def test_tables_of_a_keras_file_are_found(two_tables: Path):
    assert id_limits(two_tables) == (30, 5)


def test_inputs_in_a_dictionary_come_in_the_order_of_their_keys(tmp_path: Path):
    import keras

    tokens = keras.Input((4,), dtype="int32", name="tokens")
    image = keras.Input((4,), name="image")
    looked_up = keras.layers.Flatten()(keras.layers.Embedding(50, 3)(tokens))
    out = keras.layers.Dense(2)(keras.layers.Concatenate()([looked_up, image]))
    model = keras.Model({"tokens": tokens, "image": image}, out)
    model.save(tmp_path / "m.keras")
    limits = dict(
        zip([each.name for each in model.inputs], id_limits(tmp_path / "m.keras"), strict=True)
    )
    assert limits == {"tokens": 50, "image": None}


def test_the_table_of_a_sequential_keras_file_is_found(tmp_path: Path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(12, 3)])
    model.save(tmp_path / "m.keras")
    assert id_limits(tmp_path / "m.keras") == (12,)


def test_tables_of_a_tflite_file_are_found(two_tables: Path, tmp_path: Path):
    import keras
    import tensorflow as tf

    model = keras.models.load_model(two_tables)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    path = tmp_path / "two.tflite"
    path.write_bytes(converter.convert())
    names = [spec.name for spec in _inputs(path)]
    found = dict(zip(names, id_limits(path), strict=True))
    assert found == {"words": 30, "places": 5}


def _inputs(path: Path) -> Sequence[Any]:
    from edgecnn.formats.check import read_signature

    return read_signature(path).inputs


def test_an_image_reaches_no_table(tmp_path: Path):
    import keras

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model.save(tmp_path / "m.keras")
    assert id_limits(tmp_path / "m.keras") == (None,)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.keras", "m.bin"])
def test_a_file_that_cannot_be_read_has_no_limits(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"\x08\x07nonsense" * 9)
    assert id_limits(tmp_path / name) == ()

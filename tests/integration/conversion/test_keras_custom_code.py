"""Code that Keras files carry or need: Lambda layers, functions, modules of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.errors import InputError
from tests.integration.conversion.keras_conversions import both, small

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow
layers = keras.layers


def test_a_lambda_in_hdf5_is_named_and_never_run(tmp_path: Path):
    trace = tmp_path / "the-code-ran"
    code = f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]"
    layer = layers.Lambda(eval(code), output_shape=(4,), name="sneaky")
    keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / "lambda.h5")
    trace.unlink(missing_ok=True)
    with pytest.raises(InputError, match="Lambda layer named 'sneaky'"):
        open_source(tmp_path / "lambda.h5")
    assert not trace.exists()


def test_a_function_that_does_more_than_compute_is_named(tmp_path: Path):
    config = {
        "class_name": "Functional",
        "keras_version": "2.15.0",
        "config": {
            "layers": [
                {"class_name": "TFOpLambda", "name": "w", "config": {"function": "io.write_file"}}
            ]
        },
    }
    (tmp_path / "a.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"io\.write_file"):
        open_source(tmp_path / "a.json", OpenOptions(weights=__file__))


MODULE = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2
"""


def test_layers_of_ones_own_are_defined_by_a_module(tmp_path: Path):
    (tmp_path / "mine.py").write_text(MODULE)
    space: dict[str, Any] = {"__name__": "elsewhere"}
    exec(MODULE, space)
    keras.Sequential([keras.Input((4,)), space["Twice"](), layers.Dense(2)]).save(
        tmp_path / "own.keras"
    )
    with pytest.raises(InputError, match="needs the class 'Twice'") as caught:
        open_source(tmp_path / "own.keras")
    assert "--custom" in caught.value.hint
    both(tmp_path / "own.keras", tmp_path, custom=[tmp_path / "mine.py"])


def test_a_changed_module_makes_another_model(tmp_path: Path):
    module, path, out = tmp_path / "mine.py", tmp_path / "own.keras", tmp_path / "art"
    module.write_text(MODULE)
    space: dict[str, Any] = {"__name__": "elsewhere"}
    exec(MODULE, space)
    keras.Sequential([keras.Input((4,)), space["Twice"](), layers.Dense(2)]).save(path)
    statuses = [
        convert(path, "tflite:float32", out=out, samples=4, custom=[module])[0].status
        for _ in range(2)
    ]
    assert statuses == ["converted", "reused"]
    module.write_text(MODULE.replace("x * 2", "x * 3"))
    with pytest.raises(InputError, match="made from another model or with other settings"):
        convert(path, "tflite:float32", out=out, samples=4, custom=[module])


def test_a_module_that_fails_is_one_line(tmp_path: Path):
    (tmp_path / "bad.py").write_text("raise RuntimeError('no luck')\n")
    small().save(tmp_path / "a.keras")
    with pytest.raises(InputError, match=r"bad\.py fails when it is run .*no luck"):
        open_source(tmp_path / "a.keras", OpenOptions(custom=(tmp_path / "bad.py",)))

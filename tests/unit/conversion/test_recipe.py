"""A recipe is data: it has a name, a digest, and comes back equal from JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgecnn.conversion.recipe import PRESETS, Recipe, read_recipe, recipe_of
from edgecnn.conversion.targets import Target, parse_targets
from edgecnn.errors import InputError
from edgecnn.formats.recipes import MADE
from edgecnn.manifest import Manifest

MIXED = Recipe("int8", "int8", calibration="mse", per_layer=(("conv_2", "float32"),))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_called_by_its_name(name: str):
    assert PRESETS[name].name == name


def test_another_recipe_is_called_by_its_arithmetic_and_a_digest():
    assert MIXED.name == f"static_int8-{MIXED.digest}"
    assert len(MIXED.digest) == 8


@pytest.mark.parametrize("recipe", [*PRESETS.values(), MIXED], ids=lambda recipe: recipe.name)
def test_a_recipe_comes_back_equal_from_json(recipe: Recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": "percentile"},
        {"granularity": "tensor"},
        {"rounding": "adaround"},
        {"equalized": True},
        {"bias_corrected": True},
        {"per_layer": (("conv_3", "float32"),)},
        {"per_layer": (("conv_2", "int16"),)},
    ],
)
def test_whatever_differs_makes_another_digest(change: dict):
    assert replace(MIXED, **change).digest != MIXED.digest


def test_the_order_in_which_layers_are_named_makes_no_difference():
    pairs = (("b", "float32"), ("a", "int16"))
    assert Recipe("int8", "int8", per_layer=pairs) == Recipe("int8", "int8", per_layer=pairs[::-1])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"weights": "int3"}, "weights"),
        ({"weights": "int8", "activations": "float32"}, "no format has"),
        ({"weights": "int8", "activations": "int8", "calibration": "guess"}, "calibration"),
        ({"weights": "int8", "activations": "int8", "per_layer": {"a": "int4"}}, "'a'"),
        ({"weights": "int8", "activations": "int8", "per_layer": ["a"]}, "per_layer"),
        ({"weights": "int8", "activations": "dynamic", "per_layer": {"a": "float32"}}, "fixed"),
        ({"weight": "int8"}, "'weight'"),
        ({"equalized": "yes"}, "equalized"),
        ([], "an object"),
        (None, "an object"),
    ],
)
def test_what_is_no_recipe_is_refused_with_what_is_wrong(values: object, said: str):
    with pytest.raises(InputError, match=said):
        Recipe.from_dict(values)


def test_a_target_may_name_a_file_with_a_recipe(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(MIXED.to_dict()))
    (target,) = parse_targets(f"tflite:{path}")
    assert target == Target.of("tflite", MIXED)
    assert target.spec == MIXED
    assert target.file_name("net") == f"net_static_int8-{MIXED.digest}.tflite"


def test_a_recipe_that_a_format_does_not_have_is_refused(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(replace(PRESETS["int16x8"], calibration="mse").to_dict()))
    with pytest.raises(InputError, match="onnx files have no int16x8"):
        parse_targets(f"onnx:{path}")


def test_a_file_that_holds_no_recipe_is_named(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{}[")
    with pytest.raises(InputError, match=r"mine\.json"):
        read_recipe(path)


@pytest.mark.parametrize("name", PRESETS)
def test_the_arithmetic_of_every_preset_is_in_the_list_of_recipes(name: str):
    assert PRESETS[name].arithmetic in MADE


def test_the_recipe_of_a_file_is_read_from_its_manifest():
    own = Recipe("int8", "int8", calibration="mse", per_layer=(("dense", "float32"),))
    said = {"recipe": {**own.to_dict(), "digest": own.digest}}
    assert recipe_of(Manifest(recipe=own.name, conversion=said)) == own
    assert recipe_of(Manifest(recipe="static_int8")) == PRESETS["static_int8"]


@pytest.mark.parametrize(
    "manifest",
    [
        Manifest(recipe="int4_weights"),
        Manifest(recipe="static_int8-1a2b3c4d", conversion={"recipe": {"weights": "int3"}}),
    ],
)
def test_a_recipe_that_is_not_made_here_is_none(manifest: Manifest):
    assert recipe_of(manifest) is None

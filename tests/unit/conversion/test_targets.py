"""Targets by name."""

from __future__ import annotations

import pytest

from edgecnn.conversion.targets import TARGETS, Target, parse_targets
from edgecnn.errors import InputError
from edgecnn.formats.recipes import MADE


def test_all_stands_for_every_target_of_tflite_and_onnx():
    assert parse_targets("all") == tuple(t for t in TARGETS if t.format in ("tflite", "onnx"))
    assert parse_targets("ncnn,mnn") == tuple(t for t in TARGETS if t.format in ("ncnn", "mnn"))


def test_int8_is_static_where_a_format_has_no_other():
    assert parse_targets("ncnn:int8,mnn:int8") == (
        Target("ncnn", "static_int8"),
        Target("mnn", "static_int8"),
    )
    with pytest.raises(InputError, match="unknown target 'tflite:int8'"):
        parse_targets("tflite:int8")


def test_every_recipe_is_a_known_one():
    assert {target.recipe for target in TARGETS} == set(MADE)


def test_a_format_alone_stands_for_its_recipes():
    assert {target.format for target in parse_targets("onnx")} == {"onnx"}
    assert len(parse_targets("onnx")) == 4


def test_a_list_keeps_its_order_and_names_each_target_once():
    asked = "onnx:float16, tflite:float32,onnx:float16"
    assert [str(target) for target in parse_targets(asked)] == ["onnx:float16", "tflite:float32"]
    assert parse_targets([Target("tflite", "float16"), "tflite:float16"]) == (
        Target("tflite", "float16"),
    )


def test_an_unknown_target_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="unknown target 'tflite:static_in8'") as caught:
        parse_targets("tflite:static_in8")
    assert "did you mean 'tflite:static_int8'?" in caught.value.hint


@pytest.mark.parametrize("nothing", ["", " , ", []])
def test_no_target_at_all_is_an_error_that_lists_them(nothing):
    with pytest.raises(InputError, match="no target") as caught:
        parse_targets(nothing)
    assert "onnx:float16" in caught.value.hint


def test_a_recipe_of_another_format_is_unknown():
    with pytest.raises(InputError):
        parse_targets("onnx:int16x8")


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_files_are_named_after_model_and_recipe(target: Target):
    ending = "ncnn.param" if target.format == "ncnn" else target.format
    assert target.file_name("lenet5") == f"lenet5_{target.recipe}.{ending}"

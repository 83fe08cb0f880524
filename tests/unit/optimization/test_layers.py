"""What layers cost, and the fewest in float32: doubling, bisection, and a second look at each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.verification.verify import load_session
from edgecnn.optimization.layers import LayerCost, fewest_kept, outputs_error, with_shares
from edgecnn.runtimes.base import Session

INT8 = Recipe("int8", "int8")


def costs(count: int) -> list[LayerCost]:
    return [LayerCost((f"layer_{index}",), "CONV_2D", 0.1, 0.1) for index in range(count)]


def needing(*names: str):
    """A budget that is met when these layers, and perhaps others, stay in float32."""
    asked: list[set[str]] = []

    def meets(recipe: Recipe) -> bool:
        kept = {name for name, _ in recipe.per_layer}
        asked.append(kept)
        return set(names) <= kept

    return meets, asked


@pytest.mark.parametrize("needed", [["layer_0"], ["layer_3"], ["layer_0", "layer_5"], ["layer_40"]])
def test_only_what_is_needed_stays_out_of_int8(needed: list[str]):
    meets, _ = needing(*needed)
    found, _ = fewest_kept(costs(50), INT8, meets, most=200)
    assert [name for name, _ in found.per_layer] == sorted(needed)


def test_a_layer_at_the_top_of_the_ranking_takes_one_question():
    meets, asked = needing("layer_0")
    found, count = fewest_kept(costs(60), INT8, meets, most=12)
    assert (count, len(asked), len(found.per_layer)) == (1, 1, 1)


@pytest.mark.parametrize("place", [0, 3, 11, 30])
def test_no_more_questions_are_asked_than_allowed(place: int):
    meets, asked = needing(f"layer_{place}")
    found, count = fewest_kept(costs(60), INT8, meets, most=12)
    assert len(asked) == count <= 13
    assert found is None or meets(found)


def test_a_budget_that_no_number_meets_is_none():
    found, _ = fewest_kept(costs(9), INT8, lambda recipe: False, most=20)
    assert found is None


def test_all_layers_in_float32_are_not_tried():
    meets, asked = needing(*(f"layer_{index}" for index in range(9)))
    assert fewest_kept(costs(9), INT8, meets, most=50)[0] is None
    assert max(len(kept) for kept in asked) == 8


def test_what_costs_too_much_already_ends_the_doubling():
    sizes: list[int] = []

    def meets(recipe: Recipe) -> bool | None:
        sizes.append(len(recipe.per_layer))
        return None if len(recipe.per_layer) >= 4 else False

    assert fewest_kept(costs(60), INT8, meets, most=50) == (None, 3)
    assert sizes == [1, 2, 4]


def test_layers_that_stay_out_together_are_kept_together():
    pair = [LayerCost(("a", "b"), "CONV_2D", 0.5, 0.9), *costs(4)]
    meets, _ = needing("a", "b")
    found, _ = fewest_kept(pair, INT8, meets, most=12)
    assert [name for name, _ in found.per_layer] == ["a", "b"]


def test_layers_are_ranked_by_the_error_that_goes_with_each_of_their_operators():
    units = [*costs(3), LayerCost(("layer_3", "layer_4"), "CONV_2D + RELU", 0.1)]
    left = {"layer_0": 0.9, "layer_1": float("inf"), "layer_2": 0.5, "layer_3": 0.2}
    found = with_shares(units, 1.0, lambda unit: left[unit.name])
    assert [cost.name for cost in found] == ["layer_2", "layer_3", "layer_0"]
    assert [cost.share for cost in found] == pytest.approx([0.5, 0.8, 0.1])


def test_a_layer_that_takes_nearly_all_of_the_error_ends_the_trying():
    asked: list[str] = []

    def left(unit: LayerCost) -> float:
        asked.append(unit.name)
        return 0.02 if unit.name == "layer_1" else 1.1

    found = with_shares(costs(9), 1.0, left)
    assert asked == ["layer_0", "layer_1"]
    assert [cost.name for cost in found] == ["layer_1", "layer_0"]


NAMES = ("map", "sums")


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A model (1, 3, 4, 5) with its map channels-last, and behind another output."""
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["input"], ["sums"], keepdims=0, noop_with_empty_axes=1),
            helper.make_node("Transpose", ["input"], ["map"], perm=[0, 2, 3, 1]),
        ],
        "turned",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 4, 5])],
        [
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, [1, 3, 4, 5]),
            helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 4, 5, 3]),
        ],
    )
    path: Path = tmp_path_factory.mktemp("turned") / "turned.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return load_session(path)


def inputs() -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(6, 1, 3, 4, 5)).astype(np.float32))


def test_outputs_in_another_order_and_layout_are_the_same_outputs(turned: Session):
    reference = [np.concatenate(inputs()), np.concatenate(inputs())]
    assert outputs_error(turned, inputs(), reference, NAMES) == 0
    noisy = [reference[0] + 0.5, reference[1]]
    assert 0 < outputs_error(turned, inputs(), noisy, NAMES) < 1


@pytest.mark.parametrize("shape", [(6, 7), (6, 3, 4, 6), (6, 1, 1, 1)])
def test_outputs_of_another_shape_are_infinitely_wrong(turned: Session, shape: tuple[int, ...]):
    reference = [np.ones(shape, np.float32), np.concatenate(inputs())]
    assert outputs_error(turned, inputs(), reference, NAMES) == float("inf")
    assert outputs_error(turned, inputs(), reference[1:], NAMES[1:]) == float("inf")

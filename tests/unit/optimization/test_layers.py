"""The fewest layers in float32: doubling, bisection, and a second look at each."""

from __future__ import annotations

import pytest

from edgecnn.conversion.recipe import Recipe
from edgecnn.optimization.layers import Cost, fewest_kept

INT8 = Recipe("int8", "int8")


def costs(count: int) -> list[Cost]:
    return [Cost((f"layer_{index}",), "CONV_2D", 0.1, 0.1) for index in range(count)]


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


def test_layers_that_stay_out_together_are_kept_together():
    pair = [Cost(("a", "b"), "CONV_2D", 0.5, 0.9), *costs(4)]
    meets, _ = needing("a", "b")
    found, _ = fewest_kept(pair, INT8, meets, most=12)
    assert [name for name, _ in found.per_layer] == ["a", "b"]

"""Dataclasses from JSON: the type of a field is its schema, and an error names the path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import pytest

from edgecnn.records import FieldError, read_field, read_record


class Known(TypedDict, total=False):
    celsius: float | None


@dataclass(frozen=True)
class Part:
    n: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    pair: tuple[float, float] | None = None
    more: Annotated[Mapping[str, Any], Known] = field(default_factory=dict)


VALID = {"kind": "a", "parts": [{"n": 1, "names": ["x"]}], "pair": [1, 2.5], "more": {"celsius": 3}}


def test_what_was_written_comes_back_and_unknown_keys_are_left_out():
    expected = Whole("a", (Part(1, ("x",)),), (1, 2.5), {"celsius": 3})
    assert read_record(Whole, {**VALID, "later": []}) == expected
    assert read_record(Whole, {"kind": "b", "parts": []}) == Whole("b", ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, "kind: expected one of a, b, received: 'c'"),
        ({"kind": ["a"]}, "kind: expected one of a, b, received: a list of 1"),
        ({"parts": None}, "parts: expected a list, received: null"),
        ({"parts": [{"n": 1}, {}]}, r"parts\[1\]\.n: is missing"),
        ({"parts": [{"n": True}]}, r"parts\[0\]\.n: expected a whole number .* received: true"),
        ({"parts": [{"n": 10**40}]}, r"parts\[0\]\.n: .* received: a number of 133 bits"),
        ({"parts": [{"n": 1, "names": [1]}]}, r"parts\[0\]\.names\[0\]: expected text.*: 1"),
        ({"pair": [1]}, "pair: expected 2 values, received: 1"),
        ({"pair": [1, float("nan")]}, r"pair\[1\]: expected a finite number, received: nan"),
        ({"more": {"celsius": "hot"}}, "more.celsius: expected a finite number, received: 'hot'"),
        ({"more": {"x\x1b[2J": 10**40}}, r"more\['x\\x1b\[2J'\]: expected a finite number"),
    ],
)
def test_a_field_that_does_not_fit_is_named_by_its_path(change: dict[str, Any], message: str):
    with pytest.raises(FieldError, match=message):
        read_record(Whole, {**VALID, **change})


def test_open_fields_hold_plain_json_without_nan():
    assert read_field(Mapping[str, Any], {"a": [float("inf"), 1]}, "") == {"a": [None, 1]}
    tower: Any = 1
    for _ in range(60):
        tower = [tower]
    with pytest.raises(FieldError, match="nested more than 40 levels"):
        read_field(Mapping[str, Any], {"a": tower}, "")


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 10**400, True, "1", None, [1]])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_odd_number_among_many_is_named_wherever_it_stands(kind: type, odd: Any, place: int):
    values: list[Any] = [1, 2]
    values.insert(place, odd)
    with pytest.raises(FieldError, match=rf"samples\[{place}\]"):
        read_field(tuple[kind, ...], values, "samples")


def test_numbers_stay_as_they_were():
    assert read_field(tuple[float, ...], [1, 2.5], "x") == (1, 2.5)
    assert read_field(tuple[int, ...], [1, 3.0], "x") == (1, 3)

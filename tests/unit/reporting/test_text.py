from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.escaping import csv_cell, json_for_script, markdown_cell
from edgecnn.text import clean
from tests.unit.reporting.hostile_results import HOSTILE_NAMES

FORBIDDEN = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u202e\u2066\u200f\u2028\u2029"}


@settings(deadline=None)
@given(st.text(max_size=300) | st.sampled_from(HOSTILE_NAMES), st.integers(3, 200))
def test_clean_text_is_one_bounded_line_without_steering_characters(text, limit):
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert not FORBIDDEN & set(cleaned)
    cleaned.encode("utf-8")


def test_what_was_hidden_is_shown():
    assert clean("a\u202eb\x1b[31m") == r"a\u202eb\x1b[31m"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@x", "|x", "%x", "\t=1", "\r=1"])
def test_a_csv_cell_never_starts_like_a_formula(text):
    assert not str(csv_cell(text)).startswith(("=", "+", "-", "@", "\t", "\r", "|", "%"))


def test_numbers_stay_numbers_in_csv():
    assert csv_cell(-1.5) == -1.5
    assert csv_cell(None) == ""
    assert csv_cell(value=True) == "true"


@pytest.mark.parametrize("text", HOSTILE_NAMES)
def test_a_markdown_cell_cannot_leave_its_cell(text):
    cell = markdown_cell(text)
    assert "\n" not in cell
    bare = cell.replace("\\\\", "")
    for mark in "|<`*_[":
        assert bare.count(mark) == bare.count("\\" + mark)


@settings(deadline=None)
@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=10))
def test_json_in_a_script_element_is_the_same_json_and_closes_nothing(value):
    text = json_for_script(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)

"""Long texts are shortened at words."""

from __future__ import annotations

import pytest

from edgecnn.text import shortened


@pytest.mark.parametrize("limit", range(40, 160, 7))
def test_no_word_is_cut(limit: int):
    text = " ".join(f"word{number}" for number in range(60))
    short = shortened(text, limit)
    assert len(short) <= limit
    assert set(short.split()) <= {*text.split(), "…"}
    assert short.startswith("word0 ")
    assert short.endswith(" word59")


def test_one_endless_word_is_cut_all_the_same():
    assert len(shortened("x" * 500, 50)) <= 50


def test_a_short_text_stays_on_one_line():
    assert shortened("two\n lines", 40) == "two lines"

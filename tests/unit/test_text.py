"""Long texts are shortened at words."""

from __future__ import annotations

import pytest

from edgecnn.text import first_line, only_printable, printable, shortened


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


def test_the_reason_is_found_behind_what_tensorflow_and_keras_put_around_it():
    page = (
        'in user code:\n\n    File "model.py", line 78, in serve  *\n        outputs = call()\n\n'
        "    ValueError: Exception encountered when calling Functional.call().\n    \n"
        "    \x1b[1mInput 0 of layer 'a' is incompatible\x1b[0m\n    \n"
        "    Arguments received by Functional.call():\n      • training=False"
    )
    assert first_line(ValueError(page)) == "ValueError: Input 0 of layer 'a' is incompatible"
    assert first_line(ValueError("Error: that\nis all")) == "ValueError: Error: that"


def test_a_name_of_one_word_keeps_both_ends():
    assert shortened("model_with_a_long_name.tflite", 16) == "model_with…flite"


def test_what_steers_a_terminal_is_written_out_and_spaces_stay():
    assert printable("a\u202eb  \x1b[31m") == r"a\u202eb  \x1b[31m"
    assert (
        printable("Müller’s\u00a0\U0001f469\u200d\U0001f33e")
        == "Müller’s\u00a0\U0001f469\u200d\U0001f33e"
    )


def test_a_name_that_is_compared_loses_what_is_hidden():
    assert only_printable("\ufeffstop\u200b sign\x07") == "stop sign"

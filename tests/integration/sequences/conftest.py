"""The small translator, trained and converted once for all processes."""

from __future__ import annotations

import json

import pytest

from edgecnn.conversion.convert import convert
from edgecnn.translation import load_translator
from tests.integration.sequences.small_translator import FLOATS, INTEGERS, SENTENCE, load, make


@pytest.fixture(scope="session")
def small(made_once):
    return load(made_once("small-translator", make))


@pytest.fixture(scope="session")
def files(small, made_once):
    """target → path."""

    def convert_it(folder):
        outcomes = convert(small.path, (*FLOATS, *INTEGERS), calibration=small.dataset, out=folder)
        wrong = {str(one.target): one.error for one in outcomes if one.artifact is None}
        assert not wrong
        names = {str(one.target): one.artifact.path.name for one in outcomes}
        (folder / "names.json").write_text(json.dumps(names))

    folder = made_once("small-translator-files", convert_it)
    names = json.loads((folder / "names.json").read_text())
    return {target: folder / name for target, name in names.items()}


@pytest.fixture(scope="session")
def answer(files):
    """What the small network says."""
    text = load_translator(files["tflite:float32"]).translate(SENTENCE).text
    assert text
    return text
